"""Bridges and macvlans on a real cable: the upper interface answers, and what is its port does not.

VLANs and bonds are not in every kernel: `tests/unit/announce/net/test_stacked_links.py` has their messages.
"""

from __future__ import annotations

import asyncio

import pytest

from announce.l2 import AnnounceRequested
from announce.l2.events import IpAddress
from announce.l2.ndp import solicited_node
from swimlb.lab import namespaces
from swimlb.lab.sandbox import Sandbox
from tests.netns.l2_wire import VIP, VIP6, Cable, Host, Station, responding, run, until

pytestmark = pytest.mark.netns

BRIDGE = ["link add br0 type bridge", "link set br0 up", "link set eth0 master br0"]
MACVLAN = ["link add lan1 link eth0 type macvlan mode bridge", "link set lan1 up"]


@pytest.fixture
def cable(sandbox: Sandbox) -> Cable:
    return Cable(sandbox)


def groups(cable: Cable, interface: str) -> set[str]:
    (entry,) = namespaces.ip_json(cable.speaker, "maddress", "show", "dev", interface)
    return {membership["address"] for membership in entry["maddr"] if "address" in membership}


async def resolved(cable: Cable, address: IpAddress) -> str | None:
    """The MAC that the client's kernel finds by asking, whatever it knew before."""
    namespaces.ip_batch(["neighbor flush all"], cable.client)
    cable.send_to(address)
    await until(lambda: cable.neighbor(address), f"an answer for {address}")
    return cable.neighbor(address)


async def answering_macs(host: Host, station: Station) -> list[str]:
    """All who answer one question; the takeover's announcements are over for the moment, or told apart by their kind."""
    await asyncio.sleep(0.3)
    station.heard_about(VIP)
    station.ask(VIP)
    await asyncio.sleep(0.1)
    return [frame.sender_mac.hex(":") for frame in station.heard_about(VIP)]


@pytest.mark.parametrize("is_bridged_before", [True, False], ids=["before", "while it runs"])
def test_a_bridge_answers_for_its_port(cable: Cable, is_bridged_before: bool) -> None:
    """By ARP and by neighbor discovery, whose group is joined on the bridge; each question has one answer."""

    async def play() -> None:
        if is_bridged_before:
            namespaces.ip_batch(BRIDGE, cable.speaker)
        async with responding(cable) as (host, station):
            host.feed(AnnounceRequested(VIP))
            host.feed(AnnounceRequested(VIP6))
            if not is_bridged_before:
                namespaces.ip_batch(BRIDGE, cable.speaker)
            await until(lambda: host.responder.interfaces_of(VIP6) == frozenset({"br0"}), "the bridge alone")
            mac = namespaces.mac_of(cable.speaker, "br0")

            assert await answering_macs(host, station) == [mac]
            assert str(solicited_node(VIP6)) in groups(cable, "br0")
            assert await resolved(cable, VIP6) == mac

    run(play())


def test_a_port_that_leaves_its_bridge_answers_itself(cable: Cable) -> None:
    """The address is never without an interface for longer than the kernel's message takes."""
    namespaces.ip_batch(BRIDGE, cable.speaker)

    async def play() -> None:
        async with responding(cable) as (host, station):
            host.feed(AnnounceRequested(VIP))
            namespaces.ip_batch(["link set eth0 nomaster", "link del br0"], cable.speaker)
            await until(lambda: host.responder.interfaces_of(VIP) == frozenset({"eth0"}), "eth0 alone")

            assert await answering_macs(host, station) == [cable.mac()]

    run(play())


def test_a_macvlan_answers_by_its_own_mac(cable: Cable) -> None:
    """It is no port of what it stands on: an advertisement may name it, and the lower interface is silent then."""
    namespaces.ip_batch(MACVLAN, cable.speaker)

    async def play() -> None:
        async with responding(cable) as (host, station):
            only = frozenset({"lan1"})
            host.feed(AnnounceRequested(VIP, only))
            host.feed(AnnounceRequested(VIP6, only))
            await until(lambda: host.responder.interfaces_of(VIP6) == only, "lan1")
            mac = namespaces.mac_of(cable.speaker, "lan1")

            assert mac != cable.mac()
            assert await answering_macs(host, station) == [mac]
            assert str(solicited_node(VIP6)) in groups(cable, "lan1")
            assert await resolved(cable, VIP6) == mac

    run(play())
