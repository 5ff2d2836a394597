"""Following the interfaces through a netlink socket that loses messages, as the kernel's does."""

from __future__ import annotations

import asyncio
import errno
import struct
from collections import deque
from typing import Any, cast

from announce.l2 import Interface, InterfaceAdded, InterfaceChanged, InterfaceEvent
from announce.net.links import DATAGRAMS_PER_WAKE, LinkMonitor
from tests.unit.announce.net.test_stacked_links import ETHERNET, link_message

UP, LOWER_UP = 0x1, 0x10000
_HEADER = struct.Struct("=IHHII")
_NEWLINK, _GETLINK, _DONE = 16, 18, 3
_DUMP_INTR = 0x10


class Kernel:
    """One interface, and a netlink socket with room for so many messages (net/netlink/af_netlink.c).

    From the first message that does not fit all are dropped until the reader has emptied the socket; that some were, is said
    once.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._queue: deque[bytes] = deque()
        self._is_congested = self._has_error = False
        self._flags = ETHERNET
        self.is_interrupted = False
        """The next dump passes the interface by, as another one goes meanwhile: so its first message afterwards tells."""

    def change(self, flags: int) -> None:
        self._flags = flags
        if self._is_congested:
            return
        if len(self._queue) < self._room:
            self._queue.append(self._link())
        else:
            self._is_congested = self._has_error = True

    def send(self, request: bytes) -> None:
        """A dump does not ask for room."""
        _, kind, _, sequence, _ = _HEADER.unpack_from(request)
        if kind == _GETLINK and self.is_interrupted:
            self.is_interrupted = False
            bridge_port = struct.pack("=BxHiII", 7, 1, 9, 0, 0)
            self._queue.append(_HEADER.pack(32, _NEWLINK, 2 | _DUMP_INTR, sequence, 0) + bridge_port)
        elif kind == _GETLINK:
            self._queue.append(self._link())
        self._queue.append(_HEADER.pack(20, _DONE, 2, sequence, 0) + bytes(4))

    def recvfrom(self, _: int) -> tuple[bytes, tuple[int, int]]:
        if self._has_error:
            self._has_error = False
            raise OSError(errno.ENOBUFS, "No buffer space available")
        datagram = self._queue.popleft() if self._queue else None
        if not self._queue:
            self._is_congested = False
        if datagram is None:
            raise BlockingIOError
        return datagram, (0, 0)

    @property
    def is_readable(self) -> bool:
        return bool(self._queue) or self._has_error

    def _link(self) -> bytes:
        return link_message("eth0", 2, flags=self._flags)


class Watch:
    """A monitor that reads from a kernel, and what it has told."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.told: list[InterfaceEvent] = []
        self._monitor = LinkMonitor(self.told.append)
        self._monitor._socket = cast("Any", kernel)
        self._monitor._begin_dump()

    def read_one(self) -> None:
        self._monitor._receive_one()

    async def follow(self) -> None:
        """Until there is nothing to read, and nothing else to be done."""
        for _ in range(100):
            if self._kernel.is_readable:
                self._monitor._receive()
            await asyncio.sleep(0)


def interface(flags: int) -> Interface:
    return Interface(
        name="eth0",
        index=2,
        mac=bytes([2, 0, 0, 0, 0, 2]),
        is_up=bool(flags & UP),
        has_carrier=bool(flags & LOWER_UP),
    )


def test_a_change_after_the_loss_of_others_is_not_lost() -> None:
    """The kernel drops it, too, as long as the socket is not empty: only what is asked for after that is the truth."""

    async def play() -> None:
        kernel = Kernel(room=10)
        watch = Watch(kernel)
        await watch.follow()
        for _ in range(11):
            kernel.change(ETHERNET)

        watch.read_one()
        kernel.change(ETHERNET & ~LOWER_UP)
        await watch.follow()

        down = interface(ETHERNET & ~LOWER_UP)
        assert watch.told == [InterfaceAdded(interface(ETHERNET)), InterfaceChanged(down)]

    asyncio.run(play())


def test_asks_anew_although_a_turn_ends_with_the_last_message() -> None:
    """Nothing would wake it up after that."""

    async def play() -> None:
        kernel = Kernel(room=DATAGRAMS_PER_WAKE - 1)
        watch = Watch(kernel)
        await watch.follow()
        for _ in range(DATAGRAMS_PER_WAKE - 1):
            kernel.change(ETHERNET)
        kernel.change(ETHERNET & ~LOWER_UP)

        await watch.follow()

        down = interface(ETHERNET & ~LOWER_UP)
        assert watch.told == [InterfaceAdded(interface(ETHERNET)), InterfaceChanged(down)]

    asyncio.run(play())


def test_a_dump_that_was_interrupted_is_made_again() -> None:
    """It lacks what has not changed, of which nothing would ever be told."""

    async def play() -> None:
        kernel = Kernel(room=10)
        kernel.is_interrupted = True
        watch = Watch(kernel)
        await watch.follow()

        assert watch.told == [InterfaceAdded(interface(ETHERNET))]

    asyncio.run(play())
