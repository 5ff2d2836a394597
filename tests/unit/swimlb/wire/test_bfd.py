"""The BFD side of *wire*: the sockets that sessions share."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from operator import attrgetter

import pytest

from announce.bfd import Arrival, Diagnostic, SessionConfig, SessionDown, Timing
from announce.net import bfd as net_bfd
from announce.net.bfd import MULTIHOP_PORT, SINGLE_HOP_PORT
from swimlb.observe.logs import EventLog
from swimlb.runtime.recorder import Recorder
from swimlb.wire import bfd
from swimlb.wire.bfd import BfdSessions, News
from tests.waiting import until

NEAR = SessionConfig(peer_address=IPv4Address("127.0.0.77"), is_passive=True)
FAR = replace(NEAR, is_multihop=True)
NAMED = replace(NEAR, source_address=IPv4Address("127.0.0.1"))
"""Where packets to the peer leave from anyhow."""
NEAR_V6 = replace(NEAR, peer_address=IPv6Address("::1"))


@contextmanager
def sessions(on_news: Callable[[str, News], None] = lambda _name, _news: None) -> Generator[BfdSessions]:
    log = EventLog(logging.getLogger(__name__))
    running = BfdSessions(random.Random(1), Recorder(), log, on_news, lambda: None)
    try:
        yield running
    finally:
        running.close()


def is_free(port: int, family: socket.AddressFamily = socket.AF_INET) -> bool:
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as other:
        if family == socket.AF_INET6:
            other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            other.bind(("", port))
        except OSError:
            return False
        return True


async def _hold_and_let_go() -> None:
    with sessions() as running:
        for name, config in (("a", NEAR), ("b", NEAR), ("far", FAR), ("six", NEAR_V6)):
            running.want(name, config)
        running.stop("a")
        running.stop("far")
        running.stop("six")

        assert not is_free(SINGLE_HOP_PORT)
        assert is_free(MULTIHOP_PORT)
        assert is_free(SINGLE_HOP_PORT, socket.AF_INET6)
        running.stop("b")
        assert is_free(SINGLE_HOP_PORT)


def test_a_port_is_held_only_as_long_as_a_session_needs_it() -> None:
    """Then another BFD daemon may have it."""
    asyncio.run(_hold_and_let_go())


def test_peers_that_share_a_path_share_its_session() -> None:
    """With the quickest detection of all, passive if all are; it ends with the last of them."""
    slow, quick = NEAR, replace(NEAR, timing=Timing(detect_multiplier=2), is_passive=False)

    async def play() -> None:
        with sessions() as running:
            running.want("a", slow)
            running.want("b", quick)
            assert running.views()["a"] == running.views()["b"]
            assert running.views()["a"].config == quick
            assert len(running._by_discriminator) == 1

            running.stop("b")
            assert running.views()["a"].config == slow
            assert "b" not in running.views()
            running.want("b", replace(slow, source_address=IPv4Address("127.0.0.2")))
            assert len(running._by_discriminator) == 2

    asyncio.run(play())


@pytest.mark.parametrize(("first", "second"), [(NEAR, NAMED), (NAMED, NEAR)], ids=["unnamed", "named"])
def test_peers_share_a_session_where_one_names_what_the_kernel_chooses_for_the_other(
    first: SessionConfig, second: SessionConfig
) -> None:
    """Both send from one address, so the router has one session for them."""
    quick = Timing(detect_multiplier=2)

    async def play() -> None:
        with sessions() as running:
            running.want("a", first)
            running.want("b", replace(second, timing=quick))

            assert running.views()["a"].config == running.views()["b"].config == replace(first, timing=quick)
            assert len(running._by_discriminator) == 1

    asyncio.run(play())


def test_peers_whose_paths_turn_out_to_be_one_come_to_share_its_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As at boot, when the host has no way to the router yet. Paths are wanted anew when its networks change."""

    async def play() -> None:
        with sessions() as running:
            with monkeypatch.context() as at_boot:
                at_boot.setattr(bfd, "local_address", attrgetter("source_address"))
                running.want("a", NEAR)
                running.want("b", NAMED)
                assert len(running._by_discriminator) == 2

            running.want("a", NEAR)
            running.want("b", NAMED)
            assert running.views()["a"] == running.views()["b"]
            assert len(running._by_discriminator) == 1

    asyncio.run(play())


def from_elsewhere(config: SessionConfig) -> IPv4Address | IPv6Address:
    """By another way than before."""
    return config.source_address or IPv4Address("127.0.0.2")


def test_peers_that_share_a_session_go_on_sharing_it_while_there_is_no_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another way parts them, and none does not: it is that of before when it comes back, as a rule."""

    async def play() -> None:
        with sessions() as running:
            running.want("a", NEAR)
            running.want("b", NAMED)
            with monkeypatch.context() as cut_off:
                cut_off.setattr(bfd, "local_address", attrgetter("source_address"))
                running.want("a", NEAR)
                running.want("b", NAMED)
                assert len(running._by_discriminator) == 1

            monkeypatch.setattr(bfd, "local_address", from_elsewhere)
            running.want("b", NAMED)
            assert len({view.config.source_address for view in running.views().values()}) == 2

    asyncio.run(play())


def test_all_that_share_a_session_hear_of_its_end_whatever_the_first_one_does() -> None:
    """BGP answers by looking at the paths anew, and a peer that gets another session has lost this one all the same."""
    told: list[str] = []

    async def play() -> None:
        def part(name: str, _news: News) -> None:
            told.append(name)
            running.want("b", FAR)

        with sessions(part) as running:
            running.want("a", NEAR)
            running.want("b", NEAR)
            [shared] = running._by_discriminator.values()
            running._perform(shared, SessionDown(diagnostic=Diagnostic.CONTROL_DETECTION_TIME_EXPIRED))

    asyncio.run(play())
    assert told == ["a", "b"]


def test_a_passive_session_whose_port_was_taken_gets_it_when_it_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It sends nothing, so that no packet would be a reason to try."""
    monkeypatch.setattr(bfd, "RETRY_TIME", 0.02)

    async def play() -> None:
        with sessions() as running:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.bind(("", SINGLE_HOP_PORT))
                running.want("a", NEAR)
                await asyncio.sleep(0.1)
                assert "is another BFD daemon running" in (running.views()["a"].problem or "")
            await until(lambda: running.views()["a"].problem is None)
            assert not is_free(SINGLE_HOP_PORT)

    asyncio.run(play())


def test_a_passive_session_gets_another_socket_in_a_vrf_that_is_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No packet of its own would show that the old one is deaf. To a socket a VRF is a device like any other."""
    monkeypatch.setattr(bfd, "RETRY_TIME", 0.02)
    lo_anew = {"lo": 4711}

    async def play() -> None:
        with sessions() as running:
            running.want("a", replace(NEAR, device="lo"))
            [deaf] = running._receivers.values()
            await asyncio.sleep(0.1)
            assert [*running._receivers.values()] == [deaf]

            monkeypatch.setattr(net_bfd, "index_of", lo_anew.get)
            await until(lambda: [*running._receivers.values()] != [deaf])
            assert [one.is_deaf for one in running._receivers.values()] == [False]
            assert running.views()["a"].problem is None

    asyncio.run(play())


def test_reasons_that_strangers_make_up_take_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bfd, "DROP_REASONS_MAX", 2)
    with sessions() as running:
        for ttl in (1, 2, 3, 4, 1):
            arrival = Arrival(peer_address=NEAR.peer_address, interface="eth0", ttl=ttl, is_multihop=False)
            running.receive(b"", arrival)

    assert sum(running.drops.values()) == 5
    assert len(running.drops) == 3
    assert running.drops["other"] == 2
