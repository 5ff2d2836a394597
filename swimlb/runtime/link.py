"""The socketpair between *wire* and *watch* on an event loop: frames of `replica`, one packet each.

Nobody ever waits for the other side: a full channel leaves the changes in the publisher, where they coalesce.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from swimlb.runtime.replica import Batch, Publisher, Subscriber, hello, is_hello

FRAME_OCTETS_MAX = 512 * 1024
FRAMES_PER_WAKE = 64
"""So that a long table does not keep the loop from its timers."""


class Link:
    """One end. `published` goes out, `on_batch` gets what the other end publishes."""

    def __init__(
        self, fd: int, published: Publisher, subscriber: Subscriber, on_batch: Callable[[Batch], None]
    ) -> None:
        self._socket = socket.socket(fileno=fd)
        self._socket.setblocking(False)
        self._published = published
        self._subscriber = subscriber
        self._on_batch = on_batch
        self._unsent: bytes | None = hello()
        self._is_writing = False

    def start(self) -> None:
        asyncio.get_running_loop().add_reader(self._socket, self._read)
        self.flush()

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        loop.remove_writer(self._socket)
        self._socket.close()

    def flush(self) -> None:
        """The publisher may have something to say."""
        if not self._is_writing:
            self._is_writing = True
            asyncio.get_running_loop().add_writer(self._socket, self._write)

    def _read(self) -> None:
        for _ in range(FRAMES_PER_WAKE):
            try:
                frame = self._socket.recv(FRAME_OCTETS_MAX)
            except BlockingIOError:
                return
            if not frame:
                # The supervisor holds both ends, so this is its end, and SIGTERM is on its way.
                asyncio.get_running_loop().remove_reader(self._socket)
                return
            if is_hello(frame):
                self._published.begin()
                self.flush()
            elif (batch := self._subscriber.receive(frame)) is not None:
                self._on_batch(batch)

    def _write(self) -> None:
        for _ in range(FRAMES_PER_WAKE):
            frame = self._unsent or self._published.next_frame()
            if frame is None:
                self._is_writing = False
                asyncio.get_running_loop().remove_writer(self._socket)
                return
            self._unsent = frame
            try:
                self._socket.send(frame)
            except BlockingIOError:
                return
            self._unsent = None
