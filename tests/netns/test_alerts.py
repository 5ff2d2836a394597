"""A real Prometheus watches a lab: silent while all is well, and each alert fires on the fault that it is for."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypeAlias

import pytest

from announce.l2 import arp
from announce.net.bfd import SINGLE_HOP_PORT
from bench import watched_lab
from swimlb.dashboards import BOARDS, Board, with_choices
from swimlb.lab import namespaces
from swimlb.lab.http import get_from
from swimlb.lab.lab import Lab, usual_router
from swimlb.lab.prometheus import Prometheus
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import INSIDE, walkthrough
from swimlb.lab.waiting import pause, wait_until
from swimlb.speaker.hearing import INTERVAL
from tests.precedence import before_all_others

ROOT = Path(__file__).parents[2]
METRICS_PORT, HEALTH_PORT = 7472, 17472
OPTIONS = (
    *("--metrics-host", "0.0.0.0", "--metrics-port", str(METRICS_PORT)),
    *("--health-host", "0.0.0.0", "--health-port", str(HEALTH_PORT)),
)
SILENCE = 15
"""Seconds."""
FLAPS = 3
CROWD = 1500
"""Addresses on the LAN. A third of them are a node's, and taking those over is more than one turn's work."""
STALL = 0.8
PROVEN_AFTER = 2.5 * INTERVAL
"""By then everybody has asked, and been answered, once."""
FIRE_MAX = 60.0
LASTING = {
    *("SwimlbGossipRefused", "SwimlbRunningLate", "SwimlbAddressConflict", "SwimlbSlowFailover"),
    *("SwimlbBGPSessionFlapping", "SwimlbBFDSessionFlapping"),
}
"""They count what has happened within minutes."""
THE_MACHINES_OWN = {"SwimlbRunningLate"}
"""True where the machine that runs the tests is short of time."""
ADDRESS = "192.168.3.170"
NEW_ADDRESS = "192.168.3.240"

_BROKEN = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: broken, namespace: metallb-system}
spec: {addresses: ["192.168.3.300-192.168.3.301"]}
"""
_CROWD_POOL = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: crowd, namespace: metallb-system}
spec: {addresses: ["192.168.64.0/20"], autoAssign: false}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: crowd, namespace: metallb-system}
spec: {ipAddressPools: [crowd]}
"""
_SMALL_POOL = f"""
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {{name: small, namespace: metallb-system}}
spec: {{addresses: ["{NEW_ADDRESS}/32"]}}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {{name: small, namespace: metallb-system}}
spec: {{ipAddressPools: [small]}}
---
apiVersion: v1
kind: Service
metadata: {{name: last, annotations: {{metallb.io/address-pool: small}}}}
spec: {{type: LoadBalancer, ports: [{{port: 8080, protocol: TCP}}]}}
"""


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("alerts") / "manifests"
    watched_lab.write_manifests(directory)
    return directory


@pytest.fixture(scope="module")
def lab(sandbox: Sandbox, manifests: Path) -> Lab:
    lab = Lab(sandbox, walkthrough(3), manifests, OPTIONS, usual_router(sandbox, has_bfd=True))
    lab.build()
    lab.wait_until_joined()
    lab.wait_until_settled()
    return lab


@pytest.fixture(scope="module")
def prometheus(lab: Lab) -> Prometheus:
    targets = [f"{node.address}:{METRICS_PORT}" for node in lab.network.nodes]
    server = Prometheus(lab.sandbox, INSIDE.name, targets, ROOT / "charts/swimlb/files/alerts.yaml")
    server.start()
    wait_until(
        lambda: server.healthy_targets() == frozenset(targets),
        timeout=30,
        what="Prometheus to scrape all speakers",
        seen=server.healthy_targets,
    )
    return server


def owner(lab: Lab, address: str = ADDRESS) -> str:
    """The node that announces the address, by its own word."""
    found = [
        name
        for name, status in lab.statuses().items()
        if status is not None and any(one.address == address and one.is_announced_here for one in status.l2)
    ]
    assert len(found) == 1
    return found[0]


def test_nothing_fires_while_all_is_well(lab: Lab, prometheus: Prometheus) -> None:
    """Speakers that have just met, BGP sessions that came up: no fault is seen in any of it."""
    for _ in range(SILENCE):
        pause(1.0)
        assert prometheus.firing() <= THE_MACHINES_OWN


def test_what_a_speaker_tells_is_well_formed(lab: Lab) -> None:
    """promtool has no objection but to names that are MetalLB's; and each node says that it is ready."""
    for node in lab.network.nodes:
        client = lab.sandbox.namespace(INSIDE.name)
        told = get_from(client, node.address, METRICS_PORT, "/metrics")
        judged = subprocess.run(["promtool", "check", "metrics"], input=told.body, capture_output=True)
        complaints = [line for line in judged.stderr.decode().splitlines() if not line.startswith("metallb_")]

        assert told.status == 200
        assert complaints == []
        assert get_from(client, node.address, HEALTH_PORT, "/readyz").status == 200


def test_the_numbers_are_those_of_the_lab(lab: Lab, prometheus: Prometheus) -> None:
    """Who announces what, over which sessions, from how full a pool."""
    announced = prometheus.query(f'metallb_speaker_announced{{ip="{ADDRESS}"}}')
    nodes = [labels["node"] for labels, _ in announced]
    by_bgp = prometheus.query('metallb_speaker_announced{protocol="bgp"}')
    in_use = prometheus.query('max by (pool) (metallb_allocator_addresses_in_use_total{pool="layer2-pool"})')

    assert nodes == [owner(lab)]
    assert len({labels["node"] for labels, _ in by_bgp}) == 3
    assert [value for _, value in prometheus.query("metallb_bgp_session_up")] == [1.0] * 3
    assert [value for _, value in in_use] == [3.0]


def test_packets_of_bfd_that_are_discarded_are_counted(lab: Lab, prometheus: Prometheus) -> None:
    with namespaces.entered(lab.sandbox.namespace(INSIDE.name)):
        stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with stranger:
        stranger.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
        stranger.sendto(b"no BFD at all", (lab.network.nodes[0].address, SINGLE_HOP_PORT))

    discarded = wait_until(
        lambda: prometheus.query("swimlb_bfd_dropped_packets_total > 0"), timeout=FIRE_MAX, what="the count"
    )
    assert [(labels["instance"], value) for labels, value in discarded] == [
        (f"{lab.network.nodes[0].address}:{METRICS_PORT}", 1.0)
    ]


@pytest.mark.parametrize("board", BOARDS, ids=[board.name for board in BOARDS])
def test_no_panel_is_without_data(prometheus: Prometheus, board: Board) -> None:
    """Whatever is chosen at the top is what there is by default: all."""
    empty = [
        (panel.title, query.expression)
        for panel in board.panels()
        for query in panel.queries
        if not prometheus.query(with_choices(query.expression, "1m"))
    ]

    assert empty == []


# The faults. Each generator breaks something, and mends it afterwards.


@contextmanager
def a_broken_object(lab: Lab) -> Generator[None]:
    with _manifest(lab, _BROKEN):
        yield


@contextmanager
def a_full_pool(lab: Lab) -> Generator[None]:
    with _manifest(lab, _SMALL_POOL):
        yield


@contextmanager
def a_stranger_that_was_first(lab: Lab) -> Generator[None]:
    """It has the address that a new Service is about to get."""
    client = lab.sandbox.namespace(INSIDE.name)
    namespaces.ip_batch([f"address add {NEW_ADDRESS}/32 dev eth0"], client)
    try:
        with _manifest(lab, _SMALL_POOL):
            yield
    finally:
        namespaces.ip_batch([f"address del {NEW_ADDRESS}/32 dev eth0"], client)


@contextmanager
def a_stranger_that_announces(lab: Lab) -> Generator[None]:
    """Its word comes again, so that no speaker takes it for what is left of a move."""
    with namespaces.entered(lab.sandbox.namespace(INSIDE.name)):
        stranger = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with stranger:
        stranger.bind(("eth0", 0))
        for _ in range(5):
            for frame in arp.announcement(bytes.fromhex("0200000000cc"), IPv4Address(ADDRESS)):
                stranger.send(frame)
            pause(0.5)
        yield


@contextmanager
def a_dead_speaker(lab: Lab) -> Generator[None]:
    lab.kill("worker-02")
    try:
        yield
    finally:
        lab.start("worker-02")


@contextmanager
def gossip_cut_in_two(lab: Lab) -> Generator[None]:
    lab.cut_gossip([["master-01"], ["worker-01", "worker-02"]])
    try:
        yield
    finally:
        lab.cut_gossip([])


@contextmanager
def gossip_cut_everywhere(lab: Lab) -> Generator[None]:
    """All parts are of one size, so that all speakers tell the same number."""
    lab.cut_gossip([[node.name] for node in lab.network.nodes])
    try:
        yield
    finally:
        lab.cut_gossip([])


@contextmanager
def a_network_cut_in_two(lab: Lab) -> Generator[None]:
    """Prometheus reaches both halves."""
    lab.part([["master-01"], ["worker-01", "worker-02"]])
    try:
        yield
    finally:
        lab.part([])


@contextmanager
def no_workload(lab: Lab) -> Generator[None]:
    nodes = [node.name for node in lab.network.nodes]
    for node in nodes:
        lab.stop_backend(node)
    try:
        yield
    finally:
        for node in nodes:
            lab.start_backend(node)


@contextmanager
def a_dead_router(lab: Lab) -> Generator[None]:
    lab.router.stop()
    try:
        yield
    finally:
        lab.router.start()


@contextmanager
def a_router_that_ends_sessions(lab: Lab) -> Generator[None]:
    for _ in range(FLAPS):
        wait_for_sessions(lab)
        lab.router.vtysh("clear bgp *")
    yield
    wait_for_sessions(lab)


@contextmanager
def a_router_whose_bfd_stalls(lab: Lab) -> Generator[None]:
    """For longer than the detection time, again and again: each time BFD takes the BGP session with it."""
    for _ in range(FLAPS):
        wait_until(
            lambda: set(bfd_states(lab)) == {"up"}, timeout=FIRE_MAX, what="BFD", seen=lambda: bfd_states(lab)
        )
        lab.router.pause_bfd()
        try:
            wait_until(lambda: "up" not in bfd_states(lab), timeout=FIRE_MAX, what="BFD to notice")
        finally:
            lab.router.resume_bfd()
    yield
    wait_for_sessions(lab)


def bfd_states(lab: Lab) -> list[str]:
    sessions = [one for status in lab.statuses().values() if status is not None for one in status.bgp]
    return [one.bfd.state for one in sessions if one.bfd is not None]


def wait_for_sessions(lab: Lab) -> None:
    wait_until(
        lambda: [one.is_established for one in lab.router.sessions().values()] == [True] * 3,
        timeout=FIRE_MAX,
        what="the BGP sessions",
        seen=lab.router.sessions,
    )


@contextmanager
def gossip_that_nobody_can_read(lab: Lab) -> Generator[None]:
    with namespaces.entered(lab.sandbox.namespace(INSIDE.name)):
        stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with stranger:
        for _ in range(100):
            stranger.sendto(b"\xff no gossip", (lab.network.nodes[0].address, 7946))
            pause(0.05)
        yield


@contextmanager
def a_process_that_gets_no_time(lab: Lab) -> Generator[None]:
    wire = lab.speaker_process("worker-02", "wire")
    try:
        for _ in range(6):
            os.kill(wire.pid, signal.SIGSTOP)
            pause(0.4)
            os.kill(wire.pid, signal.SIGCONT)
            pause(1.2)
        yield
    finally:
        os.kill(wire.pid, signal.SIGCONT)


@contextmanager
def a_node_that_is_slow_to_take_over(lab: Lab) -> Generator[None]:
    """It stalls when it has announced the first of hundreds of addresses of a node that is cut off."""
    dead, slow, _ = (node.name for node in lab.network.nodes)
    with _manifest(lab, "---".join([_CROWD_POOL, *map(_one_of_crowd, range(CROWD))])):
        wait_until(
            lambda: all(status and len(status.l2) > CROWD for status in lab.statuses().values()),
            timeout=FIRE_MAX,
            what="the crowd to be announced",
        )
        lab.wait_until_settled()
        lost = {IPv4Address(one.address) for one in lab.require_status(dead).l2 if one.is_announced_here}
        wire = lab.speaker_process(slow, "wire")
        with announcements(lab, slow) as announced:
            lab.cut(dead)
            try:
                with before_all_others():  # Speakers have precedence: they would have announced everything.
                    next(address for address in announced if address in lost)
                    wire.send(signal.SIGSTOP)
                pause(STALL)
                wire.send(signal.SIGCONT)
                yield
            finally:
                wire.send(signal.SIGCONT)
                lab.heal(dead)


@contextmanager
def announcements(lab: Lab, node: str) -> Generator[Iterator[IPv4Address]]:
    """The addresses that the node tells everybody on the LAN that it has, as it does."""
    with namespaces.entered(lab.sandbox.namespace(INSIDE.name)):
        listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(arp.ETHERTYPE_ARP))
    with listener:
        listener.bind(("eth0", arp.ETHERTYPE_ARP))
        listener.settimeout(FIRE_MAX)
        mac = bytes.fromhex(lab.mac(node).replace(":", ""))
        frames = iter(lambda: listener.recv(64), b"")
        yield (IPv4Address(frame[28:32]) for frame in frames if frame[6:12] == mac)


def _one_of_crowd(number: int) -> str:
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: crowd-{number}, annotations: {{metallb.io/address-pool: crowd}}}}
spec: {{type: LoadBalancer, ports: [{{port: 8080, protocol: TCP}}]}}
"""


@contextmanager
def _manifest(lab: Lab, text: str) -> Generator[None]:
    path = lab.manifests / "fault.yaml"
    path.write_text(text)
    try:
        yield
    finally:
        path.unlink()


Fault: TypeAlias = Callable[[Lab], AbstractContextManager[None]]


@pytest.mark.parametrize(
    ("fault", "alerts"),
    [
        (a_router_that_ends_sessions, {"SwimlbBGPSessionFlapping"}),
        (a_router_whose_bfd_stalls, {"SwimlbBFDSessionFlapping"}),
        (a_broken_object, {"MetalLBStaleConfig"}),
        (no_workload, {"SwimlbAddressUnowned"}),
        (
            a_full_pool,
            {
                "MetalLBAddressPoolExhausted",
                "MetalLBAddressPoolUsage75Percent",
                "MetalLBAddressPoolUsage85Percent",
                "MetalLBAddressPoolUsage95Percent",
            },
        ),
        (a_stranger_that_was_first, {"SwimlbAddressInUse"}),
        (a_dead_router, {"MetalLBBGPSessionDown"}),
        (gossip_that_nobody_can_read, {"SwimlbGossipRefused"}),
        (a_dead_speaker, {"SwimlbMemberDead"}),
        (gossip_cut_in_two, {"SwimlbRingSplit"}),
        (gossip_cut_everywhere, {"SwimlbRingSplit"}),
        (a_network_cut_in_two, {"SwimlbTwoOwners"}),
        (a_process_that_gets_no_time, {"SwimlbRunningLate"}),
        (a_stranger_that_announces, {"SwimlbAddressConflict"}),
        (a_node_that_is_slow_to_take_over, {"SwimlbSlowFailover"}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_an_alert_fires_on_its_fault(
    lab: Lab, prometheus: Prometheus, fault: Fault, alerts: set[str]
) -> None:
    """Not before, and it ends when the fault does, but for those that count what has happened within minutes."""
    before = prometheus.firing()

    with fault(lab):
        wait_until(
            lambda: alerts <= prometheus.firing(),
            timeout=FIRE_MAX,
            what=f"{', '.join(sorted(alerts))} to fire",
            seen=prometheus.firing,
        )

    assert not alerts & before - THE_MACHINES_OWN
    lab.wait_until_joined()
    lab.wait_until_settled()
    if alerts - LASTING:
        wait_until(
            lambda: not alerts & prometheus.firing(),
            timeout=FIRE_MAX,
            what=f"{', '.join(sorted(alerts))} to end",
            seen=prometheus.firing,
        )


def test_a_failover_is_counted_and_timed(lab: Lab, prometheus: Prometheus) -> None:
    """One move because of a failure at the node that takes over, announced well within the second."""
    first = owner(lab)
    others = f'instance!="{lab.network.node(first).address}:{METRICS_PORT}"'

    def total(series: str) -> float:
        return sum(value for _, value in prometheus.query(series))

    def failures() -> float:
        return total(f'swimlb_moves_total{{cause="failure",{others}}}')

    def takeovers() -> tuple[float, float]:
        """All, and those within a second."""
        return (
            total(f"swimlb_failover_duration_seconds_count{{{others}}}"),
            total(f'swimlb_failover_duration_seconds_bucket{{le="1.0",{others}}}'),
        )

    before, (all_before, within_before) = failures(), takeovers()
    lab.kill(first)
    try:
        wait_until(lambda: failures() > before, timeout=30, what="the takeover to be counted", seen=failures)
        timed, within = takeovers()
    finally:
        lab.start(first)

    assert timed - all_before >= 1
    assert within - within_before == timed - all_before


def test_a_node_that_gets_no_questions_is_told_of(lab: Lab, prometheus: Prometheus) -> None:
    """The last one here: for a minute more the others pass the node over."""
    lab.wait_until_joined()
    lab.wait_until_settled()
    pause(PROVEN_AFTER)
    assert "SwimlbMemberDeaf" not in prometheus.firing()

    lab.drop_questions(owner(lab))
    try:
        wait_until(
            lambda: "SwimlbMemberDeaf" in prometheus.firing(),
            timeout=FIRE_MAX,
            what="SwimlbMemberDeaf to fire",
            seen=prometheus.firing,
        )
    finally:
        lab.drop_questions(None)
