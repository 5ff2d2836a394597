"""The link between the two processes, with real sockets: what becomes of it when something is wrong."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from swimlb.runtime.link import Link
from swimlb.runtime.records import RECORD_OCTETS_MAX
from swimlb.runtime.replica import Batch, LinkError, Publisher, Subscriber
from tests.waiting import until


@dataclass
class End:
    """One process's end, and what it has heard."""

    published: Publisher
    link: Link
    batches: list[Batch] = field(default_factory=list[Batch])
    misfits: list[LinkError] = field(default_factory=list[LinkError])


def end(sock: socket.socket, schema: int = 1) -> End:
    batches: list[Batch] = []
    misfits: list[LinkError] = []
    published = Publisher(schema)
    link = Link(sock.detach(), published, Subscriber(1), batches.append, misfits.append)
    return End(published, link, batches, misfits)


def played(scene: Callable[[socket.socket, socket.socket], Coroutine[Any, Any, None]]) -> None:
    """On a loop on which no callback may fail, and which sleeps when there is nothing to do."""
    failures: list[Any] = []

    async def play() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: failures.append(context))
        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for one in ends:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        with ends[0], ends[1]:
            await scene(*ends)

    asyncio.run(play())
    assert failures == []


@pytest.mark.parametrize("has_read", [True, False])
def test_the_end_of_the_other_side_ends_nothing_here(has_read: bool) -> None:
    """With the supervisor killed *watch* ends first, and *wire* is to hand over its addresses for seconds yet."""

    async def scene(ours: socket.socket, theirs: socket.socket) -> None:
        here = end(ours)
        here.link.start()
        here.published.start()
        await asyncio.sleep(0.02)
        theirs.setblocking(False)
        if has_read:
            with suppress(BlockingIOError):
                while theirs.recv(1 << 20):
                    pass
        theirs.close()
        await asyncio.sleep(0.02)
        here.published.put("speaker", b"draining")
        here.link.flush()
        await asyncio.sleep(0.02)
        here.link.close()

    played(scene)


def test_another_version_is_told_once() -> None:
    """Whoever hears of it ends its process, for both to be started anew."""

    async def scene(ours: socket.socket, theirs: socket.socket) -> None:
        here, there = end(ours), end(theirs, schema=2)
        for one in (here, there):
            one.published.start()
            one.link.start()
        await asyncio.sleep(0.05)
        there.published.put("a", b"1")
        there.link.flush()
        await asyncio.sleep(0.05)
        here.link.close()
        there.link.close()

        assert [str(error) for error in here.misfits] == ["the other process has schema 0x2, this one 0x1"]
        assert (here.batches, there.misfits) == ([], [])

    played(scene)


def test_what_is_too_long_is_left_out_and_the_rest_arrives(capsys: pytest.CaptureFixture[str]) -> None:
    """One record as long as may be does."""
    longest, longer = bytes(RECORD_OCTETS_MAX), bytes(RECORD_OCTETS_MAX + 8192)

    async def scene(ours: socket.socket, theirs: socket.socket) -> None:
        here, there = end(ours), end(theirs)
        here.published.replace({"a": b"1", "b": longer, "c": longest})
        for one in (here, there):
            one.link.start()
        await until(lambda: there.batches)
        here.link.close()
        there.link.close()

        assert there.batches[0] == Batch({"a": b"1", "c": longest}, frozenset())

    played(scene)
    assert "swimlb: b is too long (270" in capsys.readouterr().err
