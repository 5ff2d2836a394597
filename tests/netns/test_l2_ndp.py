"""Neighbor discovery on a real cable: the kernel of the other end resolves, probes, and believes announcements."""

from __future__ import annotations

import asyncio
import os
from ipaddress import IPv6Address

import pytest

from announce.l2 import (
    AnnouncementHeard,
    AnnounceRequested,
    ClaimKind,
    InterfaceFailed,
    WithdrawRequested,
    ndp,
)
from swimlb.lab import namespaces
from swimlb.lab.sandbox import Sandbox
from tests.netns.l2_wire import CLIENT_MAC, FILTER_SETTLE, VIP6, Cable, Host, responding, run, until

pytestmark = pytest.mark.netns

GROUP = str(ndp.solicited_node(VIP6))
IMPATIENT = {
    "net/ipv6/neigh/eth0/base_reachable_time_ms": "300",
    "net/ipv6/neigh/eth0/delay_first_probe_time": "0",
    "net/ipv6/neigh/eth0/retrans_time_ms": "50",
}


@pytest.fixture
def cable(sandbox: Sandbox) -> Cable:
    return Cable(sandbox)


def groups(cable: Cable, interface: str = "eth0") -> set[str]:
    """What the speaker's kernel has joined."""
    found = namespaces.ip_json(cable.speaker, "maddress", "show", "dev", interface)
    return {entry["address"] for link in found for entry in link["maddr"] if "address" in entry}


def unicast_questions(host: Host) -> list[ndp.NdpFrame]:
    """Solicitations that went to the speaker's own MAC: probes of what a neighbor already knows."""
    heard = [ndp.decode(frame) for frame in host.frames]
    return [one for one in heard if one.destination_address == VIP6.packed]


def test_the_client_s_kernel_resolves_an_announced_address(cable: Cable) -> None:
    """A neighbor that never heard an announcement asks the group, and gets the speaker's MAC."""

    async def play() -> None:
        async with responding(cable) as (host, _):
            host.feed(AnnounceRequested(VIP6))
            cable.send_to(VIP6)
            await until(lambda: cable.neighbor(VIP6), "the neighbor entry")

    run(play())

    assert cable.neighbor(VIP6) == cable.mac()


def test_answers_the_probes_of_a_neighbor_that_knows_the_address_already(cable: Cable) -> None:
    """When what the client knows has expired it asks by unicast; without an answer it would forget the address."""
    namespaces.set_sysctls(cable.client, IMPATIENT)

    async def play() -> None:
        async with responding(cable) as (host, _):
            host.feed(AnnounceRequested(VIP6))
            cable.send_to(VIP6)
            await until(lambda: cable.neighbor(VIP6), "the first answer")
            await until(lambda: "STALE" in cable.neighbor_states(VIP6), "the entry to expire")

            def has_probed() -> bool:
                cable.send_to(VIP6)
                return bool(unicast_questions(host))

            await until(has_probed, "the probe")
            await asyncio.sleep(0.5)  # Three probes at 50 ms without an answer would be a failure by now.

            assert cable.neighbor_states(VIP6) in ({"REACHABLE"}, {"STALE"})

    run(play())


def test_an_announcement_corrects_what_the_client_believes(cable: Cable) -> None:
    """After a takeover the neighbors' caches point to the old owner: override changes that, even if it is fresh."""
    namespaces.ip_batch(
        [f"neighbor add {VIP6} lladdr 02:00:00:00:00:99 nud reachable dev eth0"], cable.client
    )

    async def play() -> None:
        async with responding(cable) as (host, _):
            host.feed(AnnounceRequested(VIP6))
            await until(lambda: cable.neighbor(VIP6) == cable.mac(), "the new MAC")

    run(play())


def test_a_host_that_wants_the_address_for_itself_is_refused(cable: Cable) -> None:
    """The client's kernel probes before it uses an address (RFC 4862), and our answer makes it give up."""

    async def play() -> None:
        async with responding(cable) as (host, _):
            host.feed(AnnounceRequested(VIP6))
            await asyncio.sleep(0.3)
            namespaces.ip_batch([f"address add {VIP6}/64 dev eth0"], cable.client)

            def is_refused() -> bool:
                shown = namespaces.ip_json(cable.client, "-6", "address", "show", "dev", "eth0")
                return any(
                    entry.get("dadfailed")
                    for link in shown
                    for entry in link["addr_info"]
                    if entry["local"] == str(VIP6)
                )

            await until(is_refused, "the duplicate to be noticed")

    run(play())


def test_hears_a_rival(cable: Cable) -> None:
    """A foreign announcement passes the filter and is told with the rival's MAC."""

    async def play() -> None:
        async with responding(cable) as (host, station):
            host.feed(AnnounceRequested(VIP6))
            await asyncio.sleep(3 * FILTER_SETTLE)

            station.send(ndp.announcement(CLIENT_MAC, VIP6))
            await until(lambda: host.told, "the claim")

            assert host.told[0] == AnnouncementHeard(VIP6, CLIENT_MAC, "eth0", ClaimKind.GRATUITOUS)

    run(play())


def test_the_kernel_joins_the_group_and_leaves_it(cable: Cable) -> None:
    """So that cards and snooping switches let questions through."""

    async def play() -> None:
        async with responding(cable) as (host, _):
            host.feed(AnnounceRequested(VIP6))
            joined = groups(cable)
            host.feed(WithdrawRequested(VIP6))

            assert GROUP in joined
            assert GROUP not in groups(cable)

    run(play())


def test_joins_on_an_interface_that_appears_later(cable: Cable) -> None:
    """MetalLB never does."""

    async def play() -> None:
        async with responding(cable) as (host, _):
            host.feed(AnnounceRequested(VIP6))
            namespaces.ip_batch(
                ["link add lan1 type veth peer name far1", "link set lan1 up", "link set far1 up"],
                cable.speaker,
            )
            await until(lambda: "lan1" in host.responder.interfaces_of(VIP6), "lan1")

            assert GROUP in groups(cable, "lan1")

    run(play())


def test_joins_as_soon_as_the_interface_has_ipv6(cable: Cable) -> None:
    """An MTU below 1280 takes IPv6 from an interface. ARP goes on there, and NDP comes back by itself."""

    async def play() -> None:
        namespaces.ip_batch(["link set eth0 mtu 1000"], cable.speaker)
        async with responding(cable) as (host, _):
            host.feed(AnnounceRequested(VIP6))
            failures = [told for told in host.told if isinstance(told, InterfaceFailed)]
            namespaces.ip_batch(["link set eth0 mtu 1500"], cable.speaker)
            await until(lambda: GROUP in groups(cable), "the group to be joined")

            assert [failure.interface for failure in failures] == ["eth0"]

    run(play())


def test_more_groups_than_one_socket_may_join(cable: Cable) -> None:
    """A thousand addresses with different endings, and no descriptor left behind."""
    addresses = [IPv6Address(int(VIP6) + number) for number in range(1000)]
    before = len(os.listdir("/proc/self/fd"))

    async def play() -> None:
        async with responding(cable) as (host, _):
            for address in addresses:
                host.feed(AnnounceRequested(address))
            wanted = {str(ndp.solicited_node(address)) for address in addresses}

            assert wanted <= groups(cable)

    run(play())
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_kernel_does_not_answer_for_an_address_on_lo(cable: Cable) -> None:
    """A node without the address's ownership holds it on `lo`: it must be silent, to questions and to probes."""
    namespaces.ip_batch([f"address add {VIP6}/128 dev lo preferred_lft 0"], cable.speaker)
    namespaces.set_sysctls(cable.client, IMPATIENT)
    stale = f"neighbor replace {VIP6} lladdr {cable.mac()} nud stale dev eth0"

    async def play() -> None:
        cable.send_to(VIP6)
        await until(lambda: "FAILED" in cable.neighbor_states(VIP6), "the question to remain unanswered")
        namespaces.ip_batch([stale], cable.client)
        cable.send_to(VIP6)
        await until(lambda: "FAILED" in cable.neighbor_states(VIP6), "the probe to remain unanswered")

    run(play())
