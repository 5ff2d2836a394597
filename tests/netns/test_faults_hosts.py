"""What can happen to the owner of an IPv4 and an IPv6 address: its cable, its processes, the whole host, its interface."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from swimlb.lab import namespaces
from swimlb.lab.lab import Lab
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import pause, wait_until
from swimlb.runtime import clock
from tests.netns.conftest import start_lab
from tests.netns.dual import (
    SETTLED_AFTER,
    Watch,
    addresses4,
    addresses6,
    ask,
    find_pair,
    lateness,
    milliseconds,
    rest,
    write_manifests,
)

OUTAGE_MAX = 1.5
OVERLAP_MAX = 1.0
STOPPED_FOR = 10.0
NEW_MAC = "02:00:00:00:77:01"


@pytest.fixture(scope="module")
def lab(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    manifests = tmp_path_factory.mktemp("manifests")
    write_manifests(manifests, [*addresses4(6), *addresses6(6)])
    return start_lab(sandbox, manifests)


@pytest.fixture
def watch(lab: Lab) -> Iterator[Watch]:
    rest(lab)
    with Watch(lab, find_pair(lab)) as watching:
        yield watching


class Teller:
    """Prints figures past pytest's capture, so that a passing run shows them too."""

    def __init__(self, capsys: pytest.CaptureFixture[str], watch: Watch) -> None:
        self._capsys, self._watch = capsys, watch

    def __call__(self, what: str, values: dict[str, float]) -> None:
        with self._capsys.disabled():
            print(f"\n  {what}: {milliseconds(values)}; {lateness(self._watch)}", end="")


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str], watch: Watch) -> Teller:
    return Teller(capsys, watch)


def check_moved_and_back(lab: Lab, watch: Watch, tell: Teller, hurt_at: float, what: str) -> None:
    """After the node has been mended: it owns its addresses again, alone, and both moves were short and clean."""
    node = watch.pair.node
    rest(lab)
    watch.await_answers_of(node)
    # A host that has just come up takes its IPv6 addresses back a little later than the others.
    rest(lab)
    outages = watch.outages(hurt_at)
    pause(SETTLED_AFTER)
    alone = watch.sole_claimants(clock.monotonic())

    tell(f"{what}: longest outage", outages)
    assert all(macs == (node,) for macs in alone.values()), alone
    assert max(outages.values()) < OUTAGE_MAX


def test_a_cut_cable(lab: Lab, watch: Watch, tell: Teller) -> None:
    """Others answer in time, alone, and let go when the owner is back."""
    hurt_at = clock.monotonic()

    lab.cut(watch.pair.node)
    try:
        successors = watch.await_successors()
        moved = watch.overlaps(successors, hurt_at, clock.monotonic())
    finally:
        lab.heal(watch.pair.node)

    healed_at = clock.monotonic()
    check_moved_and_back(lab, watch, tell, hurt_at, "cable cut")
    returned = watch.overlaps(dict.fromkeys(successors, watch.pair.node), healed_at, clock.monotonic())
    tell("cable mended: overlap", returned)
    assert max(moved.values()) == 0.0
    assert max(returned.values()) < OVERLAP_MAX


def test_carrier_off_and_on_again(lab: Lab, watch: Watch, tell: Teller) -> None:
    """Off for less time than it takes others to notice: the owner, who did notice, is there again at once."""
    hurt_at = clock.monotonic()

    lab.cut(watch.pair.node)
    pause(0.15)
    lab.heal(watch.pair.node)
    pause(1.0)

    check_moved_and_back(lab, watch, tell, hurt_at, "carrier off for 150 ms")


def test_the_wire_process_is_killed(lab: Lab, watch: Watch, tell: Teller) -> None:
    """Others take over as on any death, and it comes back by itself."""
    node = watch.pair.node
    victim = lab.speaker_process(node, "wire")
    hurt_at = clock.monotonic()

    victim.send(signal.SIGKILL)

    wait_until(
        lambda: (status := lab.status(node)) is not None and status.processes.wire not in (None, victim.pid),
        timeout=10,
        what="wire to be started again",
    )
    check_moved_and_back(lab, watch, tell, hurt_at, "wire killed")


def test_the_speaker_is_stopped_for_a_while(lab: Lab, watch: Watch, tell: Teller) -> None:
    """A stopped owner is dead to the others; when it wakes it believes itself the owner, and must not stay one of two."""
    node = watch.pair.node
    frozen = [lab.speaker_process(node, which) for which in ("supervisor", "wire", "watch")]
    hurt_at = clock.monotonic()

    for process in frozen:
        process.send(signal.SIGSTOP)
    try:
        # The kernel of the stopped node serves those who know it still: new clients are the ones that need others.
        watch.forget_neighbours()
        successors = watch.await_successors()
        pause(max(0.0, hurt_at + STOPPED_FOR - clock.monotonic()))
        while_stopped = watch.overlaps(successors, hurt_at, clock.monotonic())
    finally:
        for process in frozen:
            process.send(signal.SIGCONT)

    woken_at = clock.monotonic()
    check_moved_and_back(lab, watch, tell, hurt_at, f"stopped for {STOPPED_FOR:g} s")
    returned = watch.overlaps(dict.fromkeys(successors, node), woken_at, clock.monotonic())
    tell("woken: overlap", returned)
    assert max(while_stopped.values()) == 0.0
    assert max(returned.values()) < OVERLAP_MAX


def test_a_new_mac(lab: Lab, watch: Watch, tell: Teller) -> None:
    """Neighbours are told at once: nobody asks before its cache has expired."""
    node = watch.pair.node
    before = lab.mac(node)
    hurt_at = clock.monotonic()

    namespaces.ip_batch([f"link set eth0 address {NEW_MAC}"], lab.sandbox.namespace(node))
    try:
        wait_until(
            lambda: all(lab.resolve(address) == NEW_MAC for address in watch.pair.addresses),
            timeout=5,
            what="the client to learn the new MAC",
        )
        pause(0.5)
        outages = watch.outages(hurt_at)
        settled_at = rest(lab)
        claimed = {
            address: watch.referee.claimants(address, settled_at + SETTLED_AFTER)
            for address in watch.pair.addresses
        }
    finally:
        namespaces.ip_batch([f"link set eth0 address {before}"], lab.sandbox.namespace(node))

    tell("new MAC: longest outage", outages)
    assert max(outages.values()) < 0.3
    assert all(set(macs) <= {NEW_MAC} for macs in claimed.values())
    rest(lab)
    watch.await_answers_of(node)


def test_a_renamed_interface(lab: Lab, watch: Watch, tell: Teller) -> None:
    """It is served on under its new name: what is asked there is answered."""
    node = watch.pair.node
    namespace = lab.sandbox.namespace(node)
    hurt_at = clock.monotonic()

    namespaces.ip_batch(["link set eth0 name lan0"], namespace)
    try:
        pause(0.5)
        watch.forget_neighbours()
        asked_at = clock.monotonic()
        pause(1.5)
        answers = {address: run.since(asked_at + 0.5) for address, run in watch.probes.items()}
        outages = watch.outages(hurt_at)
    finally:
        namespaces.ip_batch(["link set lan0 name eth0"], namespace)

    tell("interface renamed: longest outage", outages)
    assert all(set(one.answers_by_node()) == {node} for one in answers.values())
    assert max(outages.values()) < 0.3
    rest(lab)
    watch.await_answers_of(node)


def test_an_interface_that_is_added_later(lab: Lab, watch: Watch, sandbox: Sandbox) -> None:
    """A second segment that appears while the address is announced: who asks there is answered, too."""
    node = watch.pair.node
    four, six = watch.pair.addresses
    sandbox.add_namespaces("late")
    late = sandbox.namespace("late")

    namespaces.ip_batch(
        [f"link add eth1 type veth peer name eth0 netns {late}", "link set eth1 up"], sandbox.namespace(node)
    )
    namespaces.configure(late, addresses={"eth0": "192.168.3.77/24"})
    namespaces.ip_batch(["address add 2001:db8:3::77/64 dev eth0 nodad"], late)
    try:
        mac = namespaces.mac_of(sandbox.namespace(node), "eth1")

        def have_answered() -> bool:
            namespaces.run(namespaces.execute(late, "ip", "neigh", "flush", "all"))
            for address in (four, six):
                ask(late, address)
            pause(0.2)
            entries = namespaces.ip_json(late, "neigh", "show")
            return {entry["dst"] for entry in entries if entry.get("lladdr") == mac} >= {four, six}

        wait_until(
            have_answered,
            timeout=10,
            what="answers on the interface that was added",
            seen=lambda: namespaces.ip_json(late, "neigh", "show"),
        )
    finally:
        namespaces.ip_batch(["link delete eth1"], sandbox.namespace(node))


def test_the_host_is_gone(lab: Lab, watch: Watch, tell: Teller) -> None:
    """Its processes, its namespace and its link vanish at once; a new machine of that name takes its place."""
    hurt_at = clock.monotonic()

    lab.destroy(watch.pair.node)
    try:
        watch.await_successors()
    finally:
        lab.rebuild(watch.pair.node)

    check_moved_and_back(lab, watch, tell, hurt_at, "host gone")
