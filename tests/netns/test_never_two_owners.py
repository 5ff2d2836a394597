"""Real speakers on one LAN: gossip cut and nothing else, a cable pulled, a rival; and all of it for IPv6 too."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import datetime
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from announce.l2 import arp
from announce.l2.config import Config
from swimlb.lab import namespaces
from swimlb.lab.lab import Lab
from swimlb.lab.observers import ProbeRun, Referee
from swimlb.lab.topology import INSIDE, SWITCH, switch_port
from swimlb.lab.waiting import pause, wait_until
from swimlb.runtime import clock
from tests.netns.conftest import copy_manifests

ADDRESS, PORT = "192.168.3.170", 8080
ADDRESS6 = "2001:db8:3::10"
GOSSIP_PORT = 7946
RIVAL_MAC = "02:00:00:00:00:99"
IPV6_MANIFESTS = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: pool-v6, namespace: metallb-system}
spec: {addresses: ["2001:db8:3::10-2001:db8:3::1f"]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: lan-v6, namespace: metallb-system}
spec: {ipAddressPools: [pool-v6]}
---
apiVersion: v1
kind: Service
metadata: {name: web-v6}
spec:
  type: LoadBalancer
  ipFamilies: [IPv6]
  ports: [{name: http, port: 8081, protocol: TCP}]
"""


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = copy_manifests(tmp_path_factory.mktemp("manifests"), "nginx.yaml", "layer2.yaml")
    (directory / "ipv6.yaml").write_text(IPV6_MANIFESTS)
    return directory


@pytest.fixture
def referee(lab: Lab) -> Iterator[Referee]:
    with Referee(lab.sandbox) as running:
        yield running


def owner_of(lab: Lab, address: str = ADDRESS) -> str:
    owner = lab.require_status("worker-01").owner_of(address)
    assert owner is not None
    return owner


def cut_gossip(lab: Lab, node: str) -> None:
    """Drop what the others and this node say to each other by gossip, at the switch; all else passes."""
    port = switch_port(node)
    rules = "".join(
        f'    {direction} "{port}" {protocol} {which} {GOSSIP_PORT} drop\n'
        for direction in ("iifname", "oifname")
        for protocol in ("udp", "tcp")
        for which in ("sport", "dport")
    )
    text = f"table bridge gossip_cut {{\n  chain forward {{\n    type filter hook forward priority 1;\n{rules}  }}\n}}\n"
    namespaces.run(namespaces.execute(lab.sandbox.namespace(SWITCH), "nft", "-f", "-"), stdin=text)


def heal_gossip(lab: Lab) -> None:
    command = ("nft", "delete", "table", "bridge", "gossip_cut")
    namespaces.run(namespaces.execute(lab.sandbox.namespace(SWITCH), *command))


def logged(lab: Lab, node: str, event: str) -> list[dict[str, object]]:
    lines = map(json.loads, lab.log(node).read_text().splitlines())
    return [line for line in lines if line["event"] == event]


def reaches(lab: Lab, address: str) -> bool:
    """Whether a node's kernel takes a connection to the address, if only to refuse it."""
    with namespaces.entered(lab.sandbox.namespace(INSIDE.name)):
        client = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    with client:
        client.settimeout(0.1)
        try:
            client.connect((address, 9))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return True


def resolved(lab: Lab, address: str) -> str | None:
    mac = lab.resolve(address)
    return None if mac is None else lab.node_of_mac(mac)


def test_one_owner_although_gossip_is_cut(
    lab: Lab, referee: Referee, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others hold the owner for dead, take over, hear it, and yield: nothing is lost, and nobody is misled."""
    owner = owner_of(lab)
    others = [node.name for node in lab.network.nodes if node.name != owner]
    with ProbeRun(lab.sandbox, ADDRESS, PORT) as probes:
        wait_until(lambda: probes.answering() == owner, timeout=5, what=f"{owner} to answer the client")
        begun = clock.monotonic()
        cut_gossip(lab, owner)
        try:
            wait_until(
                lambda: [line for node in others for line in logged(lab, node, "address_yielded")],
                timeout=20,
                what="a successor to yield",
            )
            pause(2.0)
            claims = [claim for claim in referee.claims() if claim.address == ADDRESS and claim.time >= begun]
            foreign = [claim.time for claim in claims if lab.node_of_mac(claim.mac) != owner]
            settled = [claim for claim in claims if claim.time > foreign[0] + 1.0]
            lost = [probe for probe in probes.since(begun).probes if not probe.is_answered]

            assert {lab.node_of_mac(claim.mac) for claim in settled} <= {owner}
            assert lab.resolve(ADDRESS) == lab.mac(owner)
        finally:
            heal_gossip(lab)
        lab.wait_until_joined()
        lab.wait_until_settled()
        pause(1.0)

        assert lab.resolve(ADDRESS) == lab.mac(owner)
        assert probes.answering() == owner
    with capsys.disabled():
        overlap = foreign[-1] - foreign[0]
        print(f"\n  gossip cut: the rival claimed for {overlap * 1000:.1f} ms; {len(lost)} probes lost")


def test_a_pulled_cable_ends_the_announcement_at_once(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """Within 50 ms the owner has given up what nobody can hear it announce."""
    owner = owner_of(lab)
    before = len(logged(lab, owner, "owner_changed"))

    lab.cut(owner)
    cut_at = clock.wall()
    try:
        wait_until(
            lambda: len(logged(lab, owner, "owner_changed")) > before, timeout=5, what="the owner to notice"
        )
    finally:
        lab.heal(owner)
    noticed = datetime.fromisoformat(str(logged(lab, owner, "owner_changed")[before]["time"])).timestamp()

    with capsys.disabled():
        print(
            f"\n  carrier lost: given up {1000 * (noticed - cut_at):.1f} ms after `ip link set down` returned"
        )
    assert noticed - cut_at <= 0.050
    lab.wait_until_joined()
    lab.wait_until_settled()


def test_a_stranger_is_named_and_defended_against(lab: Lab) -> None:
    """Somebody gives the address to a machine of the LAN: people are told its MAC, and the LAN who owns it."""
    owner = owner_of(lab)
    # What the test before made the owner announce is not to be taken for a defence.
    pause(Config().announce_at[-1])
    with namespaces.entered(lab.sandbox.namespace(INSIDE.name)):
        rival = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with rival, Referee(lab.sandbox) as referee:
        rival.bind(("eth0", 0))
        begun = clock.monotonic()
        mac = bytes.fromhex(RIVAL_MAC.replace(":", ""))
        for frame in arp.announcement(mac, IPv4Address(ADDRESS)):
            rival.send(frame)
        wait_until(
            lambda: [
                claim for claim in referee.claims() if claim.time > begun and claim.mac == lab.mac(owner)
            ],
            timeout=5,
            what="the owner to defend the address",
        )

    def told() -> list[dict[str, object]]:
        return [line for line in logged(lab, owner, "address_conflict") if line["mac"] == RIVAL_MAC]

    wait_until(told, timeout=5, what="the owner to tell of the rival")
    assert [line["member"] for line in told()] == [None]
    assert lab.resolve(ADDRESS) in (lab.mac(owner), None)


def test_an_ipv6_address_is_reached_and_moves(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """Neighbor discovery end to end: resolved by the client's kernel, and corrected when the owner dies."""
    wait_until(lambda: reaches(lab, ADDRESS6), timeout=10, what=f"{ADDRESS6} to be reached")
    owner = owner_of(lab, ADDRESS6)
    assert resolved(lab, ADDRESS6) == owner

    lab.cut(owner)
    cut_at = clock.monotonic()
    try:
        wait_until(lambda: reaches(lab, ADDRESS6), timeout=10, what="a successor to be reached")
        outage = clock.monotonic() - cut_at
        assert resolved(lab, ADDRESS6) not in (owner, None)
    finally:
        lab.heal(owner)
    lab.wait_until_joined()
    lab.wait_until_settled()
    wait_until(lambda: resolved(lab, ADDRESS6) == owner, timeout=5, what="the client to learn of the return")
    assert reaches(lab, ADDRESS6)
    with capsys.disabled():
        print(f"\n  IPv6: reached again {outage:.2f} s after the cut, by new connections")
