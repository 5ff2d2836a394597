"""The TCP connections of one BGP peer, on asyncio: performs the connection effects, reports connection events.

Deadlines live in the core, which gives up a connection attempt by `CloseConnection`. The only wait here is the
one for a peer to take the last message.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import assert_never

from announce.bgp import (
    BytesReceived,
    BytesSent,
    CloseConnection,
    Connect,
    ConnectionAccepted,
    ConnectionClosed,
    ConnectionEffect,
    ConnectionEstablished,
    ConnectionEvent,
    ConnectionFailed,
    NextHopsChanged,
    Send,
)
from announce.net.own_addresses import addresses_beside
from announce.net.tcp_options import Endpoints, SocketOptions, limit_hops, prepared_socket, set_key, words

READ_OCTETS_MAX = 16 * 1024
"""At most this much is handed to the core at once: decoding it keeps the loop for a few milliseconds."""

CONNECTIONS_MAX = 16
"""Of one peer, those that linger included: a router has one, and two for a moment. Further ones are closed at once."""

LINGER = 1.0
"""How long a peer has to take the last message (mostly a NOTIFICATION) before the connection is cut."""


class PeerConnections:
    """Opens, takes, feeds and closes the connections of one `Peer`. Tasks end with the group they are given.

    The core numbers the connections that it asks for from 1 on; those that the peer opened are -1, -2, ...
    `on_event` may be called from within `perform`.
    """

    def __init__(
        self,
        on_event: Callable[[ConnectionEvent], None],
        tasks: asyncio.TaskGroup,
        options: SocketOptions | None = None,
    ) -> None:
        self._on_event = on_event
        self._tasks = tasks
        self._options = options or SocketOptions()
        self._accepted = 0
        self._dialing: dict[int, asyncio.Task[None]] = {}
        self._streams: dict[int, _Stream] = {}
        self._lingering = 0

    def accept(self, connection: socket.socket) -> None:
        """The peer has opened a connection."""
        if len(self._dialing) + len(self._streams) + self._lingering >= CONNECTIONS_MAX:
            connection.close()
            return
        self._accepted -= 1
        number = self._accepted
        self._dialing[number] = self._tasks.create_task(
            self._take(number, connection), name=f"bgp take {number}"
        )

    def reconfigure(self, options: SocketOptions, password: str | None) -> None:
        """Bring new settings into force on connections that are up: none of them ends."""
        old, self._options = self._options, options
        for stream in self._streams.values():
            with contextlib.suppress(OSError):  # It is at its end, which is told by itself.
                if options.ao == old.ao is None:
                    set_key(stream.socket, stream.peer, password)
                limit_hops(stream.socket, options)

    def review_next_hops(self) -> None:
        """The host's addresses are others."""
        for stream in [*self._streams.values()]:
            if (beside := addresses_beside(stream.local_address)) != stream.beside:
                stream.beside = beside
                self._on_event(NextHopsChanged(stream.number, beside))

    def perform(self, effect: ConnectionEffect) -> None:
        match effect:
            case Connect(connection=number):
                self._dialing[number] = self._tasks.create_task(self._dial(effect), name=f"bgp dial {number}")
            case Send(number, data):
                if (stream := self._streams.get(number)) is not None:
                    stream.send(data)
            case CloseConnection(number):
                self._close(number)
            case _:
                assert_never(effect)

    def close(self) -> None:
        """The core has ended, and with it all that it knew of: what the peer opened yet is closed, and no news."""
        for number, task in self._dialing.items():
            if number > 0:
                task.cancel()
        self._dialing.clear()

    def _close(self, number: int) -> None:
        if (task := self._dialing.pop(number, None)) is not None:
            task.cancel()
        if (stream := self._streams.pop(number, None)) is not None:
            self._lingering += 1
            self._tasks.create_task(self._finish(stream), name=f"bgp close {number}")

    async def _finish(self, stream: _Stream) -> None:
        try:
            await stream.close()
        finally:
            self._lingering -= 1

    async def _take(self, number: int, connection: socket.socket) -> None:
        try:
            with contextlib.ExitStack() as on_failure:
                on_failure.callback(connection.close)
                limit_hops(connection, self._options)
                loop = asyncio.get_running_loop()
                await loop.create_connection(lambda: _Stream(number, self), sock=connection)
                on_failure.pop_all()
        except OSError:
            self._dialing.pop(number, None)  # The core has not heard of it, so its end is no news either.

    async def _dial(self, order: Connect) -> None:
        loop = asyncio.get_running_loop()
        try:
            with contextlib.ExitStack() as on_failure:
                connection = on_failure.enter_context(
                    prepared_socket(self._options, Endpoints(order.address, order.source, order.password))
                )
                await loop.sock_connect(connection, (str(order.address), order.port))
                on_failure.pop_all()
            await loop.create_connection(lambda: _Stream(order.connection, self), sock=connection)
        except OSError as error:
            if self._dialing.pop(order.connection, None) is not None:
                self._on_event(ConnectionFailed(order.connection, words(error)))

    # What streams report.

    def opened(self, stream: _Stream) -> None:
        if self._dialing.pop(stream.number, None) is None:
            stream.abort()
            return
        self._streams[stream.number] = stream
        kind = ConnectionEstablished if stream.number > 0 else ConnectionAccepted
        stream.beside = addresses_beside(stream.local_address)
        self._on_event(kind(stream.number, stream.local_address, stream.beside))

    def vanished(self, number: int) -> None:
        """It was reset in the moment between connecting and being taken up."""
        if self._dialing.pop(number, None) is not None and number > 0:
            self._on_event(ConnectionFailed(number, os.strerror(errno.ECONNRESET)))

    def happened(self, event: BytesReceived | BytesSent) -> None:
        if event.connection in self._streams:
            self._on_event(event)

    def lost(self, number: int, reason: str) -> None:
        if self._streams.pop(number, None) is not None:
            self._on_event(ConnectionClosed(number, reason))


class _Stream(asyncio.BufferedProtocol):
    """One connection. Events are raised straight from the socket's callback: in one turn of the loop that comes
    before timers, so that a process which was held up reads what the peer sent before its HoldTimer runs out.
    """

    def __init__(self, number: int, owner: PeerConnections) -> None:
        self.number = number
        self._owner = owner
        self._buffer = bytearray(READ_OCTETS_MAX)
        self.beside: tuple[IPv4Address | IPv6Address, ...] = ()
        """All addresses of the interface of ours, as they were told last."""
        self._unsent = 0
        self._closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        # Nothing above what the kernel takes: `resume_writing` then says that all has gone.
        transport.set_write_buffer_limits(high=0)
        self.socket: socket.socket = transport.get_extra_info("socket")
        local, peer = (transport.get_extra_info(name) for name in ("sockname", "peername"))
        if local is None or peer is None:
            transport.abort()
            self._owner.vanished(self.number)
            return
        self.local_address, self.peer = ip_address(local[0]), ip_address(peer[0])
        self._owner.opened(self)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._owner.happened(BytesReceived(self.number, bytes(self._buffer[:nbytes])))

    def send(self, data: bytes) -> None:
        if self._transport.is_closing():
            return  # `connection_lost` is on its way.
        self._unsent += len(data)
        self._transport.write(data)
        if not self._transport.get_write_buffer_size():
            self._report_sent()

    def resume_writing(self) -> None:
        self._report_sent()

    def _report_sent(self) -> None:
        octets, self._unsent = self._unsent, 0
        self._owner.happened(BytesSent(self.number, octets))

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()
        if exc is not None:
            self._read_last_words()
        self._owner.lost(self.number, words(exc) if exc else "end of stream")

    def _read_last_words(self) -> None:
        """A write has failed, and asyncio reads no more: but a NOTIFICATION that came before may say why."""
        with contextlib.suppress(OSError):
            while octets := os.read(self.socket.fileno(), len(self._buffer)):
                self._owner.happened(BytesReceived(self.number, octets))

    async def close(self) -> None:
        """Deliver what was sent, then close.

        Closing at once would answer octets that are still on their way to us by a reset, which makes the peer
        drop a NOTIFICATION that it has not read yet. So the peer is told of the end, and closes first.
        """
        try:
            async with asyncio.timeout(LINGER):
                self._transport.write_eof()
                await self._closed.wait()
        except (TimeoutError, OSError):
            pass  # It had its time, or it is gone already.
        finally:
            self._transport.abort()

    def abort(self) -> None:
        self._transport.abort()
