"""The TCP connections of one BGP peer, on asyncio: performs the connection effects, reports connection events.

Deadlines live in the core, which gives up a connection attempt by `CloseConnection`. The only wait here is the
one for a peer to take the last message.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable
from ipaddress import ip_address
from typing import assert_never

from announce.bgp import (
    BytesReceived,
    BytesSent,
    CloseConnection,
    Connect,
    ConnectionClosed,
    ConnectionEffect,
    ConnectionEstablished,
    ConnectionEvent,
    ConnectionFailed,
    Send,
)

READ_OCTETS_MAX = 16 * 1024
"""At most this much is handed to the core at once: decoding it keeps the loop for a few milliseconds."""

LINGER = 1.0
"""How long a peer has to take the last message (mostly a NOTIFICATION) before the connection is cut."""

_TCP_MD5SIG = 14
_DSCP_CS6 = 0xC0
"""Routing protocols go before other traffic in congested networks (RFC 4594)."""


class PeerConnections:
    """Opens, feeds and closes what one `Peer` asks for. Tasks end with the group they are given.

    `on_event` may be called from within `perform`.
    """

    def __init__(self, on_event: Callable[[ConnectionEvent], None], tasks: asyncio.TaskGroup) -> None:
        self._on_event = on_event
        self._tasks = tasks
        self._dialing: dict[int, asyncio.Task[None]] = {}
        self._streams: dict[int, _Stream] = {}

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

    def _close(self, number: int) -> None:
        if (task := self._dialing.pop(number, None)) is not None:
            task.cancel()
        if (stream := self._streams.pop(number, None)) is not None:
            self._tasks.create_task(stream.close(), name=f"bgp close {number}")

    async def _dial(self, order: Connect) -> None:
        loop = asyncio.get_running_loop()
        try:
            with contextlib.ExitStack() as on_failure:
                connection = on_failure.enter_context(_prepared_socket(order))
                await loop.sock_connect(connection, (str(order.address), order.port))
                on_failure.pop_all()
            await loop.create_connection(lambda: _Stream(order.connection, self), sock=connection)
        except OSError as error:
            if self._dialing.pop(order.connection, None) is not None:
                self._on_event(ConnectionFailed(order.connection, _words(error)))

    # What streams report.

    def opened(self, stream: _Stream) -> None:
        if self._dialing.pop(stream.number, None) is None:
            stream.abort()
            return
        self._streams[stream.number] = stream
        self._on_event(ConnectionEstablished(stream.number, stream.local_address))

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
        self._unsent = 0
        self._closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        # Nothing above what the kernel takes: `resume_writing` then says that all has gone.
        transport.set_write_buffer_limits(high=0)
        self.local_address = ip_address(transport.get_extra_info("sockname")[0])
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
        self._owner.lost(self.number, _words(exc) if exc else "end of stream")

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


def _prepared_socket(order: Connect) -> socket.socket:
    """All options that have to be there before the first packet."""
    is_ipv4 = order.address.version == 4
    prepared = socket.socket(socket.AF_INET if is_ipv4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        prepared.setblocking(False)
        prepared.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if is_ipv4:
            prepared.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _DSCP_CS6)
        else:
            prepared.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _DSCP_CS6)
        if order.password is not None:
            prepared.setsockopt(socket.IPPROTO_TCP, _TCP_MD5SIG, _tcp_md5sig(order, order.password.encode()))
        if order.source is not None:
            _bind(prepared, str(order.source))
    except BaseException:
        prepared.close()
        raise
    return prepared


def _bind(prepared: socket.socket, source: str) -> None:
    try:
        prepared.bind((source, 0))
    except OSError as error:
        raise OSError(f"source address {source}: {_words(error)}") from error


def _tcp_md5sig(order: Connect, key: bytes) -> bytes:
    """`struct tcp_md5sig` of linux/tcp.h: the peer's sockaddr_storage, flags, prefix length, key, interface."""
    if order.address.version == 4:
        address = struct.pack("=H2x4s", socket.AF_INET, order.address.packed)
    else:
        address = struct.pack("=H2x4x16s", socket.AF_INET6, order.address.packed)
    return struct.pack("=128sBBHi80s", address, 0, 0, len(key), 0, key)


def _words(error: BaseException) -> str:
    """The kernel's words: asyncio puts its own in their place."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
