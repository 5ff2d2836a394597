"""Five nodes whose LAN falls apart: in halves, one way, for gossip alone, and a cable that comes and goes."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from swimlb.lab.lab import Lab
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import INSIDE, ROUTER
from swimlb.lab.waiting import pause
from swimlb.runtime import clock
from tests.netns.conftest import start_lab
from tests.netns.dual import (
    SETTLED_AFTER,
    Watch,
    addresses4,
    addresses6,
    find_pair,
    lateness,
    milliseconds,
    rest,
    write_manifests,
)

NODES = 5
OUTAGE_MAX = 1.5
OVERLAP_MAX = 1.0
"""From the first announcement of another owner to the last of the one who lets go."""
FLAPS = 20


@pytest.fixture(scope="module")
def lab(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    manifests = tmp_path_factory.mktemp("manifests")
    write_manifests(manifests, [*addresses4(10), *addresses6(10)])
    return start_lab(sandbox, manifests, NODES)


@pytest.fixture
def watch(lab: Lab) -> Iterator[Watch]:
    rest(lab)
    with Watch(lab, find_pair(lab)) as watching:
        yield watching


def others_than(lab: Lab, *nodes: str) -> list[str]:
    return [node.name for node in lab.network.nodes if node.name not in nodes]


def check_whole_again(lab: Lab, watch: Watch) -> None:
    """Every address of the pair has its owner back, alone, and the client is not misled."""
    settled_at = rest(lab)
    watch.await_answers_of(watch.pair.node)
    pause(0.5)
    claimed = {
        address: {
            lab.node_of_mac(mac) for mac in watch.referee.claimants(address, settled_at + SETTLED_AFTER)
        }
        for address in watch.pair.addresses
    }
    assert all(nodes <= {watch.pair.node} for nodes in claimed.values()), claimed
    assert all(lab.resolve(address) == lab.mac(watch.pair.node) for address in watch.pair.addresses)


def test_two_halves(lab: Lab, watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    """The client is with the greater part, the owner with the lesser: served by the greater, and by the owner again."""
    node = watch.pair.node
    lesser = [node, others_than(lab, node)[0]]
    greater = others_than(lab, *lesser)
    hurt_at = clock.monotonic()

    lab.part([lesser, [*greater, INSIDE.name, ROUTER.name]])
    try:
        successors = watch.await_successors()
        pause(1.0)
        apart = {
            address: {lab.node_of_mac(mac) for mac in watch.referee.claimants(address, hurt_at)}
            for address in watch.pair.addresses
        }
        outages = watch.outages(hurt_at)
    finally:
        lab.part([])
    healed_at = clock.monotonic()
    check_whole_again(lab, watch)

    overlaps = watch.overlaps(dict.fromkeys(successors, node), healed_at, clock.monotonic())
    healing = {address: watch.lost_for(address, healed_at) for address in watch.pair.addresses}
    with capsys.disabled():
        print(f"\n  3|2: longest outage {milliseconds(outages)}; {lateness(watch)}")
        print(f"  whole again: overlap {milliseconds(overlaps)}, lost for {milliseconds(healing)}", end="")
    assert set(successors.values()) <= set(greater)
    assert all(len(nodes - {node}) == 1 for nodes in apart.values()), apart
    assert max(outages.values()) < OUTAGE_MAX
    assert max(overlaps.values()) < OVERLAP_MAX


@pytest.mark.parametrize("who", ["the owner does not hear the others", "the others do not hear the owner"])
def test_one_way(lab: Lab, watch: Watch, capsys: pytest.CaptureFixture[str], who: str) -> None:
    """Nodes hear each other one way only; the client hears all of them, and has an answer throughout.

    Two claim for a moment only. Where the others do not hear the owner's claims, it is the owner that yields, when it has
    found that nobody hears it.
    """
    node = watch.pair.node
    others = others_than(lab, node)
    hurt_at = clock.monotonic()

    if who.startswith("the owner"):
        lab.deafen([node], to=others)
    else:
        lab.deafen(others, to=[node])
    try:
        pause(6.0)
        parted_for = clock.monotonic() - hurt_at
        claimants = {
            address: {lab.node_of_mac(mac) for mac in watch.referee.claimants(address, hurt_at)}
            for address in watch.pair.addresses
        }
        lost = {address: watch.lost_for(address, hurt_at) for address in watch.pair.addresses}
        doubled = watch.doubled_for(hurt_at)
    finally:
        lab.deafen([], to=[])
    check_whole_again(lab, watch)

    with capsys.disabled():
        print(f"\n  {who}, for {parted_for:.0f} s: lost for {milliseconds(lost)}, two claimed for", end=" ")
        print(f"{milliseconds(doubled)}; claimants {[len(nodes) for nodes in claimants.values()]}", end="")
    assert max(lost.values()) < OUTAGE_MAX
    assert max(doubled.values()) < 2 * OVERLAP_MAX  # In all: there may be more than one takeover.
    assert all(len(nodes) <= 2 for nodes in claimants.values()), claimants


def test_gossip_alone(lab: Lab, watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    """Two parts of one LAN hold each other for dead, and still there is one owner, and nobody is misled."""
    node = watch.pair.node
    lesser = [node, others_than(lab, node)[0]]
    hurt_at = clock.monotonic()

    lab.cut_gossip([lesser, others_than(lab, *lesser)])
    try:
        pause(6.0)
        doubled = watch.doubled_for(hurt_at)
        lost = {address: watch.lost_for(address, hurt_at) for address in watch.pair.addresses}
        claimed = watch.sole_claimants(clock.monotonic())
    finally:
        lab.cut_gossip([])
    check_whole_again(lab, watch)

    with capsys.disabled():
        print(
            f"\n  gossip alone cut 3|2: two claimed for {milliseconds(doubled)}, lost for {milliseconds(lost)}",
            end="",
        )
    assert max(doubled.values()) < OVERLAP_MAX
    assert max(lost.values()) < OVERLAP_MAX
    assert all(nodes == (node,) for nodes in claimed.values()), claimed


def test_a_flapping_cable(lab: Lab, watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    """Twenty times up and down at all paces: two never claim for long, and at the end all is as before."""
    rng = Random(20)
    node = watch.pair.node
    overlaps: list[float] = []
    begun = clock.monotonic()

    for _ in range(FLAPS):
        lab.cut(node)
        pause(rng.uniform(0.05, 0.7))
        lab.heal(node)
        healed_at = clock.monotonic()
        pause(rng.uniform(0.05, 1.0))
        # While the cable is up all claims are heard, so the one who yields has to be silent soon.
        overlaps += watch.overlaps(
            dict.fromkeys(watch.pair.addresses, node), healed_at, clock.monotonic()
        ).values()
    healed_at = clock.monotonic()
    claimants = {
        address: [lab.node_of_mac(mac) for mac in watch.referee.claimants(address, begun)]
        for address in watch.pair.addresses
    }
    check_whole_again(lab, watch)
    overlaps += watch.overlaps(
        dict.fromkeys(watch.pair.addresses, node), healed_at, clock.monotonic()
    ).values()

    with capsys.disabled():
        print(
            f"\n  {FLAPS} flaps in {healed_at - begun:.0f} s: claimed by {claimants}, by two at once for",
            end=" ",
        )
        print(f"{1000 * max(overlaps):.0f} ms at most, {1000 * sum(overlaps):.0f} ms in all", end="")
    assert max(overlaps) < OVERLAP_MAX
