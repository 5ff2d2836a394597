"""The router side of *wire*, with real sockets on loopback."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Set
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from announce.bfd import SessionConfig
from swimlb.model import BfdProfile, BgpPeer, IpAddress
from swimlb.observe.logs import EventLog
from swimlb.runtime.recorder import Recorder
from swimlb.speaker.effects import ReconfigurePeer, StartPeer
from swimlb.wire import bfd
from swimlb.wire.peers import Peers
from tests.waiting import until

ADDRESS = IPv4Address("127.0.0.77")
ROUTER = BgpPeer(
    name="router", my_asn=64496, peer_asn=64496, peer_address=ADDRESS, bfd=BfdProfile(name="normal")
)


@asynccontextmanager
async def running(on_link: Set[IpAddress]) -> AsyncGenerator[Peers]:
    log = EventLog(logging.getLogger(__name__))
    async with asyncio.TaskGroup() as tasks:
        peers = Peers(
            "node-a",
            random.Random(1),
            Recorder(),
            log,
            lambda _: None,
            lambda: None,
            tasks,
            on_link.__contains__,
        )
        try:
            yield peers
        finally:
            peers.close()


def is_multihop(peers: Peers) -> bool:
    watch = peers.views()["router"].watch
    assert watch is not None
    return watch.config.is_multihop


async def _while_the_network_comes_and_goes() -> None:
    on_link: set[IpAddress] = set()
    async with running(on_link) as peers:
        peers.perform(StartPeer(ROUTER))
        assert is_multihop(peers)

        on_link.add(ADDRESS)
        peers.review_paths()
        assert not is_multihop(peers)

        on_link.clear()
        peers.review_paths()
        peers.perform(ReconfigurePeer(replace(ROUTER, bfd=BfdProfile(name="fast", transmit_interval_ms=100))))
        assert not is_multihop(peers)


def test_an_internal_peer_turns_out_to_be_near_when_the_nodes_address_comes() -> None:
    """And it stays so while the address is gone: another kind of watch would hide what this one is to find."""
    asyncio.run(_while_the_network_comes_and_goes())


async def _while_more_hops_are_allowed() -> None:
    external = replace(ROUTER, my_asn=64512)
    async with running(set()) as peers:
        peers.perform(StartPeer(external))
        assert not is_multihop(peers)

        peers.perform(ReconfigurePeer(replace(external, hops_max=3)))
        assert is_multihop(peers)


def test_a_router_that_may_be_further_off_than_it_might_be_before_is_watched_as_such() -> None:
    asyncio.run(_while_more_hops_are_allowed())


async def _while_a_route_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    there = IPv4Address("127.0.0.1")
    named = replace(ROUTER, name="named", source_address=there)
    async with running({ADDRESS}) as peers:
        with monkeypatch.context() as before:
            before.setattr(bfd, "local_address", from_elsewhere)
            peers.perform(StartPeer(ROUTER))
            peers.perform(StartPeer(named))
            assert watches(peers) == {"router": None, "named": there}

        # Nothing listens there, so that both attempts to connect come to an end.
        await until(lambda: len(set(watches(peers).values())) == 1)


def from_elsewhere(config: SessionConfig) -> IpAddress:
    return config.source_address or IPv4Address("127.0.0.2")


def watches(peers: Peers) -> dict[str, IpAddress | None]:
    """Where the BFD session of each peer was told to be sent from, None being wherever the route says."""
    return {
        name: view.watch.config.source_address
        for name, view in peers.views().items()
        if view.watch is not None
    }


def test_a_route_that_is_another_one_is_seen_when_a_session_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sessions of BFD on one path keep each other down, and with them those of BGP."""
    asyncio.run(_while_a_route_changes(monkeypatch))
