"""The lab's instruments against a network whose faults are known exactly: what they report is what was done."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from swimlb.lab import faults, http, namespaces
from swimlb.lab.measure import longest_outage
from swimlb.lab.observers import ProbeRun, Referee
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import INSIDE, SWITCH, Host, switch_port
from swimlb.lab.waiting import pause, wait_until

SERVICE = "192.0.2.10"
PORT = 8080
NODES = {"node-a": "192.0.2.1", "node-b": "192.0.2.2"}
CLIENT = Host(INSIDE.name, "192.0.2.100")
BURST, BURST_FIRST = 2000, IPv4Address("198.18.0.0")


@pytest.fixture(scope="module")
def network(sandbox: Sandbox) -> Sandbox:
    """Two nodes with the Service address on `lo` and a workload, and a client. Nobody answers ARP for the address."""
    sandbox.add_namespaces(SWITCH, CLIENT.name, *NODES)
    switch = sandbox.namespace(SWITCH)
    namespaces.build_switch(switch)
    namespaces.plug_in(switch, {switch_port(name): sandbox.namespace(name) for name in (*NODES, CLIENT.name)})
    namespaces.configure(sandbox.namespace(CLIENT.name), addresses={"eth0": f"{CLIENT.address}/24"})
    for name, address in NODES.items():
        namespaces.configure(
            sandbox.namespace(name), addresses={"eth0": f"{address}/24", "lo": f"{SERVICE}/32"}
        )
        namespaces.set_sysctls(sandbox.namespace(name), namespaces.NODE_SYSCTLS)
        sandbox.start_module(
            f"backend/{name}", "swimlb.lab.backend", "--name", name, "--port", str(PORT), namespace=name
        )
    return sandbox


def give_address_to(network: Sandbox, owner: str) -> None:
    """Let the kernel of one node answer ARP for the Service address, and the client ask again."""
    for name in NODES:
        value = "0" if name == owner else "1"
        namespaces.set_sysctls(network.namespace(name), {"net/ipv4/conf/all/arp_ignore": value})
    network.run(CLIENT.name, "ip", "neigh", "flush", "all")


@pytest.fixture
def probes(network: Sandbox) -> Iterator[ProbeRun]:
    """Probes of the Service address, which node-a answers."""
    give_address_to(network, "node-a")
    with ProbeRun(network, SERVICE, PORT, CLIENT) as run:
        wait_until(lambda: run.answering() == "node-a", timeout=5, what="node-a to answer probes")
        yield run
    faults.apply(network.namespace(SWITCH), {}, [])
    for name in NODES:
        faults.set_link(network.namespace(SWITCH), name, is_up=True)


def test_an_outage_is_measured_as_long_as_the_link_was_down(network: Sandbox, probes: ProbeRun) -> None:
    faults.set_link(network.namespace(SWITCH), "node-a", is_up=False)
    pause(0.4)
    faults.set_link(network.namespace(SWITCH), "node-a", is_up=True)
    pause(0.3)
    probes.stop()

    longest = longest_outage(probes.recording().probes)
    assert longest is not None
    assert 0.39 <= longest.duration <= 0.55
    assert (longest.before, longest.after) == ("node-a", "node-a")


def test_the_answers_name_the_node_that_gave_them(network: Sandbox, probes: ProbeRun) -> None:
    """The client has moved when its kernel has asked again who has the address, and not before."""
    give_address_to(network, "node-b")

    wait_until(lambda: probes.answering() == "node-b", timeout=5, what="node-b to answer probes")

    assert set(probes.recording().answers_by_node()) == {"node-a", "node-b"}
    assert http.get_from(network.namespace(CLIENT.name), SERVICE, PORT) == http.Response(200, b"node-b\n")


def test_loss_is_what_was_asked_for(network: Sandbox, probes: ProbeRun) -> None:
    """Half of the frames each way leaves a quarter of the round trips."""
    faults.apply(network.namespace(SWITCH), {"node-a": 50}, [])
    pause(3.0)
    probes.stop()

    latest = probes.recording().probes[-500:]
    share = sum(probe.is_answered for probe in latest) / len(latest)
    assert 0.15 <= share <= 0.35


def test_a_partition_keeps_groups_apart_and_leaves_the_rest_alone(network: Sandbox, probes: ProbeRun) -> None:
    faults.apply(network.namespace(SWITCH), {}, [[CLIENT.name], ["node-a"]])
    wait_until(lambda: probes.answering() is None, timeout=5, what="probes to be lost")

    give_address_to(network, "node-b")

    wait_until(lambda: probes.answering() == "node-b", timeout=5, what="node-b, in no group, to answer")


def test_the_referee_sees_who_claims_an_address(network: Sandbox, probes: ProbeRun) -> None:
    macs = {name: namespaces.mac_of(network.namespace(name)) for name in NODES}
    with Referee(network) as referee:
        give_address_to(network, "node-b")

        claims = wait_until(
            lambda: [claim for claim in referee.claims() if claim.address == SERVICE],
            timeout=5,
            what="an ARP reply for the Service address",
        )

    assert {(claim.port, claim.mac, claim.is_reply) for claim in claims} == {
        (switch_port("node-b"), macs["node-b"], True)
    }


def announce_at_once(network: Sandbox, count: int) -> None:
    """As many ARP announcements as a node sends that takes over a thousand addresses, one straight after the other."""
    with namespaces.entered(network.namespace("node-a")):
        link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    mac = bytes.fromhex(namespaces.mac_of(network.namespace("node-a")).replace(":", ""))
    header = b"\xff" * 6 + mac + bytes.fromhex("0806 0001 0800 06 04 0001")
    with link:
        link.bind(("eth0", 0))
        for number in range(count):
            address = (BURST_FIRST + number).packed
            link.send(header + mac + address + bytes(6) + address)


def test_a_burst_of_claims_is_seen_whole(network: Sandbox) -> None:
    """Though the referee is kept waiting: an address whose claim it missed would be one that nobody took over."""
    with Referee(network) as referee:
        (process,) = (
            one
            for label, one in network.ledger.processes.items()
            if label.startswith("referee/") and one.is_alive
        )

        def claimed() -> int:
            return len({one.address for one in referee.claims() if one.address.startswith("198.18.")})

        process.send(signal.SIGSTOP)
        announce_at_once(network, BURST)
        process.send(signal.SIGCONT)

        wait_until(lambda: claimed() == BURST, timeout=10, what="all claims to be written down", seen=claimed)


def test_a_machine_without_a_link_makes_probes_lost_and_not_an_error(network: Sandbox) -> None:
    """Its kernel refuses to send: for the client that is an outage like any other."""
    client = network.namespace(CLIENT.name)
    with ProbeRun(network, SERVICE, PORT, CLIENT) as run:
        namespaces.ip_batch(["link set eth0 down"], client)
        pause(0.5)
        namespaces.ip_batch(["link set eth0 up"], client)
        wait_until(lambda: run.answering() is not None, timeout=5, what="answers after the link is up again")

    longest = longest_outage(run.recording().probes)
    assert longest is not None
    assert longest.duration >= 0.45


def test_the_log_of_a_module_that_cannot_start_is_in_the_error(network: Sandbox, tmp_path: Path) -> None:
    log = tmp_path / "backend.log"

    process = network.start_module(
        "second", "swimlb.lab.backend", "--name", "x", "--port", str(PORT), namespace="node-a", log=log
    )

    wait_until(lambda: not process.is_alive, timeout=5, what="the second workload to fail")
    assert "Address already in use" in log.read_text()
