"""The socketpair between *wire* and *watch* on an event loop: frames of `replica`, one packet each.

Nobody ever waits for the other side: a full channel leaves the changes in the publisher, where they coalesce. The
supervisor holds both ends, so that neither process sees the other one end; where the link does break, the supervisor is
gone, and what is left to do, a planned stop, is done without it.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import Callable

from swimlb.runtime.records import RECORD_OCTETS_MAX
from swimlb.runtime.replica import Batch, LinkError, Publisher, Subscriber, hello, is_hello, subject

FRAME_OCTETS_MAX = RECORD_OCTETS_MAX + 4096
"""A record with its key. Linux takes packets of twice `net.core.wmem_max`, which is 212,992 by default."""
FRAMES_PER_WAKE = 64
"""So that a long table does not keep the loop from its timers."""


class Link:
    """One end. `published` goes out, `on_batch` gets what the other end publishes."""

    def __init__(
        self,
        fd: int,
        published: Publisher,
        subscriber: Subscriber,
        on_batch: Callable[[Batch], None],
        on_misfit: Callable[[LinkError], None],
    ) -> None:
        """`on_misfit` hears, at most once, that the other end speaks another version; nothing is read afterwards."""
        self._socket = socket.socket(fileno=fd)
        self._socket.setblocking(False)
        self._published = published
        self._subscriber = subscriber
        self._on_batch = on_batch
        self._on_misfit = on_misfit
        self._unsent: bytes | None = hello()
        self._is_writing = False
        self._is_over = False

    def start(self) -> None:
        asyncio.get_running_loop().add_reader(self._socket, self._read)
        self.flush()

    def close(self) -> None:
        self._end()
        self._socket.close()

    def flush(self) -> None:
        """The publisher may have something to say."""
        if not self._is_writing and not self._is_over:
            self._is_writing = True
            asyncio.get_running_loop().add_writer(self._socket, self._write)

    def _read(self) -> None:
        for _ in range(FRAMES_PER_WAKE):
            try:
                frame = self._socket.recv(FRAME_OCTETS_MAX)
            except BlockingIOError:
                return
            except ConnectionError:
                frame = b""
            if not frame:
                # The supervisor holds both ends, so this is its end, and SIGTERM is on its way.
                self._end()
                return
            try:
                if is_hello(frame):
                    self._published.begin()
                    self.flush()
                    continue
                batch = self._subscriber.receive(frame)
            except LinkError as error:
                self._end()
                self._on_misfit(error)
                return
            if batch is not None:
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
                self._send(frame)
            except BlockingIOError:
                return
            except ConnectionError:
                self._end()
                return
            self._unsent = None

    def _send(self, frame: bytes) -> None:
        """What is too long is left out, and the other end goes on with what it had."""
        try:
            if len(frame) > FRAME_OCTETS_MAX:
                raise OSError(errno.EMSGSIZE, "too long")
            self._socket.send(frame)
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                raise
            what = f"{subject(frame)} is too long ({len(frame)} octets)"
            print(f"swimlb: {what} to be told to the other process, and left out", file=sys.stderr)

    def _end(self) -> None:
        self._is_over = True
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        loop.remove_writer(self._socket)
