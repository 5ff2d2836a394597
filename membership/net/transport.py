"""UDP and TCP on asyncio: turns what sockets say into events, and a Memberlist's effects into packets.

One socket of each kind on one address and port. Packets leave from the listening socket, because the
gossip port is what identifies a member. No waiting is without a deadline, and no error is kept silent: what
the system refuses comes back as an event, never from inside `perform`.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import assert_never

from membership.address import Endpoint
from membership.effects import CloseStream, OpenStream, SendPacket, SendStream, TransportEffect
from membership.events import (
    Event,
    PacketReceived,
    PacketUnsendable,
    StreamAccepted,
    StreamFailed,
)
from membership.net.connection import Connection
from membership.net.refusals import ask_for_refusals, read_refusals

_PACKETS_PER_WAKE = 64
"""Then other work gets its turn; what is left wakes us again."""
_PACKET_OCTETS_MAX = 65_536
_RECEIVE_BUFFER_OCTETS = 2 * 1024 * 1024
_STREAMS_MAX = 128


class BindError(OSError):
    """The operator's: the address or port cannot be used. Nothing is left open."""


class Transport:
    """`await start()`, then `perform` effects; events come through `on_event`; at the end `await stop()`."""

    def __init__(self, bind: Endpoint, on_event: Callable[[Event], None], stream_timeout: float) -> None:
        """`stream_timeout` is for streams that others open; OpenStream brings its own."""
        self._bind = bind
        self._on_event = on_event
        self._stream_timeout = stream_timeout
        self._udp: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._connections: dict[int, Connection] = {}
        self._dials: dict[int, asyncio.Task[None]] = {}
        self._last_accepted = 0

    async def start(self) -> None:
        """Open both sockets, or raise BindError."""
        loop = asyncio.get_running_loop()
        udp = _open(self._bind, socket.SOCK_DGRAM)
        try:
            tcp = _open(self._bind, socket.SOCK_STREAM)
        except BindError:
            udp.close()
            raise
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_OCTETS)
        self._server = await loop.create_server(self._accept, sock=tcp, backlog=_STREAMS_MAX)
        ask_for_refusals(udp)
        self._udp = udp
        loop.add_reader(udp, self._read_packets, udp)

    async def stop(self) -> None:
        """Close all at once. What was performed before has been handed to the kernel, streams excepted."""
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp)
            self._udp.close()
            self._udp = None
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._dials.values():
            task.cancel()
        await asyncio.gather(*self._dials.values(), return_exceptions=True)
        for connection in list(self._connections.values()):
            connection.abort()
        self._connections.clear()

    def perform(self, effect: TransportEffect) -> None:
        match effect:
            case SendPacket():
                self._send_packet(effect)
            case OpenStream():
                task = asyncio.get_running_loop().create_task(self._dial(effect))
                self._dials[effect.stream] = task
                task.add_done_callback(lambda _: self._dials.pop(effect.stream, None))
            case SendStream():
                if (connection := self._connections.get(effect.stream)) is not None:
                    connection.send(effect.payload)
            case CloseStream():
                self._close(effect.stream)
            case _:
                assert_never(effect)

    def _send_packet(self, packet: SendPacket) -> None:
        if self._udp is None:
            return
        try:
            self._send_again_if_refused(self._udp, packet)
        except BlockingIOError:
            pass  # A full send buffer loses packets as any queue on the way does.
        except OSError as error:
            self._report(PacketUnsendable(packet.target, _reason(error)))

    def _send_again_if_refused(self, udp: socket.socket, packet: SendPacket) -> None:
        try:
            udp.sendto(packet.payload, packet.target)
        except BlockingIOError:
            raise
        except OSError:
            # It may be about an earlier packet to somebody else, told to us in place of sending this one.
            for target, reason in read_refusals(udp):
                self._report(PacketUnsendable(target, reason))
            udp.sendto(packet.payload, packet.target)

    def _read_packets(self, udp: socket.socket) -> None:
        for count in range(_PACKETS_PER_WAKE):
            if self._udp is not udp:
                return  # An event has led to stop().
            try:
                payload, source = udp.recvfrom(_PACKET_OCTETS_MAX)
            except BlockingIOError:
                if count == 0:
                    # Nothing to read, so it is an error that has woken us; it stays until it is read.
                    self._read_refusals(udp)
                return
            except OSError:
                # An ICMP error of an earlier packet: the queue of errors says of which.
                self._read_refusals(udp)
                continue
            self._on_event(PacketReceived(Endpoint(source[0], source[1]), payload))

    def _read_refusals(self, udp: socket.socket) -> None:
        for target, reason in read_refusals(udp):
            if self._udp is udp:
                self._on_event(PacketUnsendable(target, reason))

    def _accept(self) -> Connection:
        """The server's protocol factory: a number for each connection that comes in."""
        self._last_accepted -= 1
        number = self._last_accepted
        connection = Connection(number, self._on_event, lambda: self._connections.pop(number, None))

        def made(source: Endpoint) -> None:
            if len(self._connections) >= _STREAMS_MAX:
                connection.abort()
                return
            self._connections[number] = connection
            connection.expire_at(asyncio.get_running_loop().time() + self._stream_timeout)
            self._on_event(StreamAccepted(number, source))

        connection.on_made = made
        return connection

    async def _dial(self, order: OpenStream) -> None:
        loop = asyncio.get_running_loop()
        number, deadline = order.stream, loop.time() + order.timeout
        connection = Connection(number, self._on_event, lambda: self._connections.pop(number, None))
        try:
            async with asyncio.timeout_at(deadline):
                await loop.create_connection(lambda: connection, order.target.host, order.target.port)
        except TimeoutError:
            self._report(StreamFailed(number, "timeout"))
        except OSError as error:
            self._report(StreamFailed(number, _reason(error)))
        else:
            self._connections[number] = connection
            connection.expire_at(deadline)
            connection.send(order.payload)

    def _close(self, number: int) -> None:
        if (task := self._dials.get(number)) is not None:
            task.cancel()
        if (connection := self._connections.pop(number, None)) is not None:
            connection.close()

    def _report(self, event: Event) -> None:
        """Later, and not now: whoever performs effects may be in the middle of a list of them."""
        asyncio.get_running_loop().call_soon(self._on_event, event)


def _open(bind: Endpoint, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ":" in bind.host else socket.AF_INET
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    try:
        if kind == socket.SOCK_STREAM:
            # A restart must not wait for the old connections' TIME_WAIT.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(bind)
        if kind == socket.SOCK_STREAM:
            sock.listen(_STREAMS_MAX)
    except OSError as error:
        sock.close()
        raise BindError(error.errno, _explain(bind, kind, error)) from error
    return sock


def _explain(bind: Endpoint, kind: socket.SocketKind, error: OSError) -> str:
    name = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
    match error.errno:
        case errno.EADDRINUSE:
            hint = (
                "another gossip member is running here (MetalLB's speaker?): stop it or choose another port"
            )
        case errno.EADDRNOTAVAIL:
            hint = "this host does not have the address: give one of its own"
        case errno.EACCES:
            hint = "a port below 1024 needs a privilege: choose a higher one"
        case _:
            hint = "check the address and port"
    return f"cannot bind {name} {bind}: {error.strerror}; {hint}"


def _reason(error: OSError) -> str:
    """`ECONNREFUSED` and the like."""
    return errno.errorcode.get(error.errno or 0, type(error).__name__)
