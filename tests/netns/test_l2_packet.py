"""The responder on a real cable: the kernel of the other end resolves, and believes announcements."""

from __future__ import annotations

import asyncio
import random
import socket
from ipaddress import IPv4Address, IPv6Address

import pytest

from announce.l2 import (
    AnnouncementHeard,
    AnnounceRequested,
    ClaimKind,
    Config,
    FramesReceived,
    InterfaceFailed,
    OpenInterface,
    Responder,
    SendFailed,
    SendFrame,
    SocketFailed,
    WithdrawRequested,
)
from announce.l2.arp import BROADCAST, ArpFrame, Operation, announcement
from announce.net.filter import RANGES_MAX, merge
from announce.net.packet import PacketSockets, attach_filters
from swimlb.lab import namespaces
from swimlb.lab.sandbox import Sandbox
from tests.netns.l2_wire import CLIENT_MAC, FILTER_SETTLE, VIP, Cable, responding, run, until
from tests.unit.announce.l2.playbook import frame

pytestmark = pytest.mark.netns


@pytest.fixture
def cable(sandbox: Sandbox) -> Cable:
    return Cable(sandbox)


def test_the_client_s_kernel_resolves_an_announced_address(cable: Cable) -> None:
    """A neighbor that never heard an announcement asks, and gets the speaker's MAC."""

    async def play() -> None:
        async with responding(cable) as (host, _):
            host.feed(AnnounceRequested(VIP))
            with namespaces.entered(cable.client), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"", (str(VIP), 9))
            await until(lambda: cable.neighbor(VIP), "the neighbor entry")

    run(play())

    assert cable.neighbor(VIP) == cable.mac()


def test_an_announcement_corrects_what_the_client_believes(cable: Cable) -> None:
    """After a takeover the neighbors' caches point to the old owner: the announcement changes that."""
    namespaces.ip_batch([f"neighbor add {VIP} lladdr 02:00:00:00:00:99 nud stale dev eth0"], cable.client)

    async def play() -> None:
        async with responding(cable) as (host, _):
            host.feed(AnnounceRequested(VIP))
            await until(lambda: cable.neighbor(VIP) == cable.mac(), "the new MAC")

    run(play())


def test_announces_in_both_forms_at_the_times_of_the_pattern(cable: Cable) -> None:
    """At 0, 50 and 150 ms, a request and a reply each, to everyone."""

    async def play() -> None:
        async with responding(cable) as (host, station):
            host.feed(AnnounceRequested(VIP))
            await asyncio.sleep(0.5)

            heard = station.heard_about(VIP)

        assert [packet.operation for packet in heard] == [Operation.REQUEST, Operation.REPLY] * 3
        assert {(packet.destination, packet.target_address) for packet in heard} == {(BROADCAST, VIP)}

    run(play())


def test_is_silent_after_the_withdrawal(cable: Cable) -> None:
    """Not one answer comes to questions that are asked afterwards."""

    async def play() -> None:
        async with responding(cable) as (host, station):
            host.feed(AnnounceRequested(VIP))
            await asyncio.sleep(0.02)
            host.feed(WithdrawRequested(VIP))
            station.heard_about(VIP)

            for _ in range(20):
                station.ask(VIP)
                await asyncio.sleep(0.005)

            assert station.heard_about(VIP) == []

    run(play())


def test_the_kernel_keeps_other_people_s_questions_away(cable: Cable) -> None:
    """The process wakes for what it may answer, and for nothing else."""

    async def play() -> None:
        async with responding(cable) as (host, station):
            host.feed(AnnounceRequested(VIP))
            await asyncio.sleep(3 * FILTER_SETTLE)
            host.events.clear()
            host.frames.clear()

            for number in range(100):
                station.ask(IPv4Address("192.0.2.100") + number)
            station.ask(VIP)
            await until(lambda: host.frames, "the one question that concerns us")
            await asyncio.sleep(0.05)

            assert len(host.frames) == 1
            assert host.events == []
            assert host.told == []

    run(play())


def test_answers_a_burst_whole_and_in_order(cable: Cable) -> None:
    """More questions than are read in one go, and an odd one at the end: each is answered once."""
    addresses = [VIP + number for number in range(50)]
    claim = frame(Operation.REQUEST, VIP + 1, VIP, sender_mac=CLIENT_MAC)

    async def play() -> None:
        async with responding(cable) as (host, station):
            for address in addresses:
                host.feed(AnnounceRequested(address))
            await asyncio.sleep(3 * FILTER_SETTLE)
            host.events.clear()
            answered: list[ArpFrame] = []

            def answers() -> int:
                answered.extend(packet for packet in station.heard() if packet.destination == CLIENT_MAC)
                return len(answered)

            for address in addresses * 2:
                station.ask(address)
            station.send(claim)
            await until(lambda: answers() > 2 * len(addresses), "all answers")
            await asyncio.sleep(0.05)

            assert answers() == 2 * len(addresses) + 1
            assert [packet.sender_address for packet in answered] == [*addresses * 2, VIP]
            assert host.events == [FramesReceived("eth0", (claim,))]

    run(play())


def test_answers_while_addresses_change(cable: Cable) -> None:
    """No question is lost in any state of the filter."""

    async def play() -> None:
        async with responding(cable) as (host, station):
            host.feed(AnnounceRequested(VIP))
            await asyncio.sleep(0.3)
            station.heard_about(VIP)
            heard: list[ArpFrame] = []

            for number in range(100):
                host.feed(AnnounceRequested(IPv4Address("198.51.100.0") + 2 * number))
                station.ask(VIP)
                await asyncio.sleep(0.002)
                heard += station.heard_about(VIP)
            await asyncio.sleep(0.05)
            heard += station.heard_about(VIP)

            assert len([packet for packet in heard if packet.destination == CLIENT_MAC]) == 100

    run(play())


def test_does_not_answer_a_question_in_a_vlan_that_the_host_does_not_have(cable: Cable) -> None:
    """The kernel takes the tag off and shows the frame to the parent interface: an answer would leave untagged."""

    async def play() -> None:
        async with responding(cable) as (host, station):
            host.feed(AnnounceRequested(VIP))
            await asyncio.sleep(0.3)
            station.heard_about(VIP)

            station.ask(VIP, vlan=7)
            await asyncio.sleep(0.1)

            assert station.heard_about(VIP) == []

    run(play())


def test_hears_a_rival(cable: Cable) -> None:
    """A foreign announcement passes the filter and is told with the rival's MAC."""

    async def play() -> None:
        async with responding(cable) as (host, station):
            host.feed(AnnounceRequested(VIP))
            await asyncio.sleep(3 * FILTER_SETTLE)

            station.send(*announcement(CLIENT_MAC, VIP))
            await until(lambda: len(host.told) >= 2, "the claim")

            claim = AnnouncementHeard(VIP, CLIENT_MAC, "eth0", ClaimKind.GRATUITOUS)
            assert [told for told in host.told if isinstance(told, AnnouncementHeard)] == [claim, claim]

    run(play())


def test_follows_the_interface_down_and_up_and_to_another_mac(cable: Cable) -> None:
    """Each time the neighbors are told anew, without anyone asking for it."""

    async def play() -> None:
        async with responding(cable) as (host, station):
            host.feed(AnnounceRequested(VIP))
            namespaces.ip_batch(["link set eth0 down"], cable.speaker)
            await until(lambda: not host.responder.interfaces_of(VIP), "the interface to be closed")
            station.heard_about(VIP)

            namespaces.ip_batch(["link set eth0 address 02:00:00:00:00:77 up"], cable.speaker)
            await until(lambda: host.responder.interfaces_of(VIP), "the interface to be open")
            await asyncio.sleep(0.1)

            assert {packet.sender_mac.hex(":") for packet in station.heard_about(VIP)} == {
                "02:00:00:00:00:77"
            }
            station.ask(VIP)
            await until(lambda: station.heard_about(VIP), "an answer")

    run(play())


def test_follows_a_renamed_interface(cable: Cable) -> None:
    """A name is only a name: the address stays reachable."""

    async def play() -> None:
        async with responding(cable) as (host, station):
            host.feed(AnnounceRequested(VIP))
            namespaces.ip_batch(
                ["link set eth0 down", "link set eth0 name lan0", "link set lan0 up"], cable.speaker
            )
            await until(lambda: host.responder.interfaces_of(VIP) == frozenset({"lan0"}), "the new name")
            station.heard_about(VIP)

            station.ask(VIP)
            await until(lambda: station.heard_about(VIP), "an answer")

    run(play())


def test_announces_on_an_interface_that_appears_later(cable: Cable) -> None:
    """Nothing has to be restarted for a new network card."""

    async def play() -> None:
        async with responding(cable) as (host, _):
            host.feed(AnnounceRequested(VIP))

            namespaces.ip_batch(
                ["link add lan1 type veth peer name far1", "link set lan1 up", "link set far1 up"],
                cable.speaker,
            )
            await until(lambda: {"eth0", "lan1"} <= host.responder.interfaces_of(VIP), "lan1")
            namespaces.ip_batch(["link del lan1"], cable.speaker)
            await until(lambda: host.responder.interfaces_of(VIP) == frozenset({"eth0"}), "lan1 to be gone")

            assert not [told for told in host.told if isinstance(told, InterfaceFailed)]

    run(play())


def test_refusals_of_the_system_are_events(cable: Cable) -> None:
    """An interface that does not exist, and one that is down."""

    async def play() -> None:
        events: list[object] = []
        sockets = PacketSockets(events.append, Responder(Config(), random.Random(1)).answers)
        with namespaces.entered(cable.speaker):
            sockets.perform(OpenInterface("nowhere"))
            sockets.perform(OpenInterface("eth0"))
        namespaces.ip_batch(["link set eth0 down"], cable.speaker)
        sockets.perform(SendFrame("eth0", bytes(60)))
        sockets.close()

        assert events == [
            SocketFailed("nowhere", "cannot receive from it: No such device"),
            SendFailed("eth0", "cannot send: Network is down"),
        ]

    run(play())


def test_the_kernel_takes_the_largest_filter(cable: Cable) -> None:
    """10,000 scattered addresses of each family, and in place of it another one of that size."""
    addresses = [IPv4Address("198.18.0.0") + 7 * number for number in range(10_000)]
    addresses_v6 = [IPv6Address("2001:db8::") + 7 * number for number in range(10_000)]
    assert len(merge(map(int, addresses), RANGES_MAX)) == RANGES_MAX

    with namespaces.entered(cable.speaker):
        arp = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        ndp = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    with arp, ndp:
        attach_filters(arp, ndp, 2, frozenset({*addresses, *addresses_v6}))
        attach_filters(arp, ndp, 2, frozenset({*addresses[1:], *addresses_v6[1:]}))
