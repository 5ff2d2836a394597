"""The TCP shell against plain sockets on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest

from announce.bgp import (
    BytesReceived,
    BytesSent,
    CloseConnection,
    Connect,
    ConnectionAccepted,
    ConnectionClosed,
    ConnectionEstablished,
    ConnectionEvent,
    ConnectionFailed,
    Send,
)
from announce.net import tcp
from announce.net.own_addresses import addresses_beside
from announce.net.tcp import READ_OCTETS_MAX, PeerConnections
from announce.net.tcp_options import SocketOptions, set_key

LOOPBACK = IPv4Address("127.0.0.1")
BESIDE_LOOPBACK = addresses_beside(LOOPBACK)
PATIENCE = 5.0


class Shell:
    """Connections of one peer, and the events they raised."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._events: asyncio.Queue[ConnectionEvent] = asyncio.Queue()
        self.connections = PeerConnections(self._events.put_nowait, tasks)
        self.perform = self.connections.perform

    async def event(self) -> ConnectionEvent:
        async with asyncio.timeout(PATIENCE):
            return await self._events.get()

    def is_quiet(self) -> bool:
        return self._events.empty()


@asynccontextmanager
async def shell() -> AsyncGenerator[Shell]:
    async with asyncio.TaskGroup() as tasks:
        yield Shell(tasks)


class Router:
    """A listening socket, and the one connection it has taken."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        family = socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6
        self.listener = socket.create_server((address, 0), family=family)
        self.listener.setblocking(False)
        self.port: int = self.listener.getsockname()[1]
        self.connection = socket.socket()

    async def accept(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        self.connection.close()
        self.connection, self.remote = await asyncio.wait_for(loop.sock_accept(self.listener), PATIENCE)
        self.connection.setblocking(False)
        return self.connection

    async def read(self, octets: int = 65536) -> bytes:
        loop = asyncio.get_running_loop()
        return await asyncio.wait_for(loop.sock_recv(self.connection, octets), PATIENCE)

    def close(self) -> None:
        self.listener.close()
        self.connection.close()


@asynccontextmanager
async def connected() -> AsyncGenerator[tuple[Shell, Router]]:
    """A session's connection, number 1, that both ends know of."""
    with contextlib.closing(Router()) as router:
        async with shell() as one:
            one.perform(Connect(connection=1, address=LOOPBACK, port=router.port))
            await router.accept()
            assert await one.event() == ConnectionEstablished(1, LOOPBACK, BESIDE_LOOPBACK)
            yield one, router
            one.perform(CloseConnection(1))
            router.close()


def run(case: Coroutine[Any, Any, None]) -> None:
    """Each test is a coroutine; pytest needs no plugin for that."""
    asyncio.run(case)


def test_octets_travel_both_ways() -> None:
    async def case() -> None:
        async with connected() as (one, router):
            one.perform(Send(1, b"hello"))
            sent, read = await one.event(), await router.read()
            router.connection.send(b"world")
            received = await one.event()

            assert (sent, read) == (BytesSent(1, 5), b"hello")
            assert received == BytesReceived(1, b"world")

    run(case())


def test_what_the_kernel_does_not_take_is_reported_when_it_does() -> None:
    """This is what flow control in the core stands on."""

    async def case() -> None:
        async with connected() as (one, router):
            octets = 8 << 20
            one.perform(Send(1, b"x" * octets))
            await asyncio.sleep(0.05)
            is_quiet, read = one.is_quiet(), 0
            while read < octets:
                read += len(await router.read(1 << 20))

            assert is_quiet
            assert await one.event() == BytesSent(1, octets)

    run(case())


def test_reads_come_in_bounded_chunks() -> None:
    async def case() -> None:
        async with connected() as (one, router):
            router.connection.setblocking(True)
            router.connection.sendall(b"x" * (3 * READ_OCTETS_MAX))
            read = 0
            while read < 3 * READ_OCTETS_MAX:
                event = await one.event()
                assert isinstance(event, BytesReceived)
                assert 0 < len(event.data) <= READ_OCTETS_MAX
                read += len(event.data)

    run(case())


def test_the_end_of_a_connection_is_an_event() -> None:
    async def case() -> None:
        async with connected() as (one, router):
            router.connection.close()

            assert await one.event() == ConnectionClosed(1, "end of stream")

    run(case())


def test_a_reset_is_named() -> None:
    async def case() -> None:
        async with connected() as (one, router):
            router.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            router.connection.close()

            assert await one.event() == ConnectionClosed(1, "Connection reset by peer")

    run(case())


def test_what_the_peer_said_before_its_reset_is_heard_though_a_write_fails() -> None:
    """A NOTIFICATION and the reset behind it may both be there before anybody has read the first."""

    async def case() -> None:
        async with connected() as (one, router):
            router.connection.send(b"why")
            router.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            router.connection.close()
            one.perform(Send(1, b"x"))
            events = [await one.event() for _ in range(3)]

            assert events[:2] == [BytesSent(1, 1), BytesReceived(1, b"why")]
            assert isinstance(events[2], ConnectionClosed)

    run(case())


def test_closing_delivers_what_was_sent_even_if_the_peer_goes_on_sending() -> None:
    """A NOTIFICATION is worth nothing if a reset overtakes it. And nothing is reported after the order to close."""

    async def case() -> None:
        async with connected() as (one, router):
            router.connection.send(b"more")
            one.perform(Send(1, b"notification"))
            one.perform(CloseConnection(1))
            await asyncio.sleep(0.05)
            router.connection.send(b"and more")
            read = await router.read() + await router.read()
            sent = await one.event()
            router.connection.close()

            assert read == b"notification"
            assert sent == BytesSent(1, 12)
            assert one.is_quiet()

    run(case())


def test_a_peer_that_does_not_close_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("announce.net.tcp.LINGER", 0.05)

    async def case() -> None:
        async with connected() as (one, router):
            one.perform(CloseConnection(1))
            end = await router.read()
            await asyncio.sleep(0.1)
            router.connection.send(b"still here")  # Answered by a reset.
            await asyncio.sleep(0.05)

            assert end == b""
            with pytest.raises(ConnectionError):
                router.connection.send(b"and here")

    run(case())


def test_a_refused_connection_is_an_event() -> None:
    async def case() -> None:
        with contextlib.closing(Router()) as router:
            port = router.port
        async with shell() as one:
            one.perform(Connect(connection=3, address=LOOPBACK, port=port))

            assert await one.event() == ConnectionFailed(3, "Connection refused")

    run(case())


def test_a_source_address_is_used_or_named() -> None:
    async def case() -> None:
        with contextlib.closing(Router()) as router:
            async with shell() as one:
                source = IPv4Address("127.0.0.9")
                one.perform(Connect(connection=1, address=LOOPBACK, port=router.port, source=source))
                await router.accept()
                established = await one.event()
                one.perform(CloseConnection(1))
                router.connection.close()
                foreign = IPv4Address("192.0.2.1")
                one.perform(Connect(connection=2, address=LOOPBACK, port=router.port, source=foreign))
                failed = await one.event()

        assert established == ConnectionEstablished(1, source, (source,))
        assert router.remote[0] == "127.0.0.9"
        assert failed == ConnectionFailed(2, "source address 192.0.2.1: Cannot assign requested address")

    run(case())


def test_an_attempt_that_is_given_up_leaves_nothing() -> None:
    """No event comes of it, and the socket is closed (an open one would be a warning, which fails the test)."""

    async def case() -> None:
        with contextlib.closing(Router()) as router:
            async with shell() as one:
                one.perform(Connect(connection=1, address=LOOPBACK, port=router.port))
                await asyncio.sleep(0)
                one.perform(CloseConnection(1))
                await asyncio.sleep(0.05)

                assert one.is_quiet()

    run(case())


def test_a_peer_that_connects_without_end_has_so_many_connections_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also such as linger count, since each of them takes memory."""
    monkeypatch.setattr(tcp, "CONNECTIONS_MAX", 2)

    async def case() -> None:
        loop = asyncio.get_running_loop()
        with contextlib.closing(Router()) as router, contextlib.ExitStack() as callers:

            async def call() -> socket.socket:
                caller = callers.enter_context(socket.create_connection(router.listener.getsockname()))
                caller.setblocking(False)
                accepted, _ = await loop.sock_accept(router.listener)
                accepted.setblocking(False)
                one.connections.accept(accepted)
                return caller

            async with shell() as one:
                lingering = await call()
                assert isinstance(await one.event(), ConnectionAccepted)
                one.perform(CloseConnection(-1))
                await call()
                assert isinstance(await one.event(), ConnectionAccepted)
                refused = await call()
                assert await asyncio.wait_for(loop.sock_recv(refused, 1), PATIENCE) == b""
                assert one.is_quiet()

                assert await asyncio.wait_for(loop.sock_recv(lingering, 1), PATIENCE) == b""
                lingering.close()
                async with asyncio.timeout(PATIENCE):
                    while one.is_quiet():
                        await call()
                        await asyncio.sleep(0.01)
                one.perform(CloseConnection(-2))
                one.perform(CloseConnection(-3))

    run(case())


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_connection_that_is_reset_before_it_is_taken_up_was_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel then no longer knows who the peer was. Of an attempt of our own it is told that it has failed."""

    async def case() -> None:
        loop = asyncio.get_running_loop()
        mistakes: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, mistake: mistakes.append(mistake))
        connect = loop.sock_connect
        with contextlib.closing(Router()) as router:
            async with shell() as one:
                caller = socket.create_connection(router.listener.getsockname())
                accepted = await router.accept()
                reset(caller)
                one.connections.accept(accepted)
                for _ in range(20):
                    await asyncio.sleep(0)
                assert (accepted.fileno(), one.is_quiet()) == (-1, True)

                async def connect_and_be_reset(*arguments: Any) -> None:
                    await connect(*arguments)
                    reset(await router.accept())

                monkeypatch.setattr(loop, "sock_connect", connect_and_be_reset)
                one.perform(Connect(connection=1, address=LOOPBACK, port=router.port))
                assert await one.event() == ConnectionFailed(1, "Connection reset by peer")
        assert mistakes == []

    run(case())


def test_a_connection_that_comes_when_all_is_over_is_closed_and_no_news() -> None:
    """It was taken from the listening socket a moment before the peer was stopped."""

    async def case() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            async with shell() as one:
                with socket.create_connection(listener.getsockname()) as caller:
                    accepted, _ = listener.accept()
                    accepted.setblocking(False)
                    caller.setblocking(False)
                    one.connections.accept(accepted)
                    one.connections.close()

                    async with asyncio.timeout(PATIENCE):
                        assert await asyncio.get_running_loop().sock_recv(caller, 1) == b""
                    assert one.is_quiet()

    run(case())


def test_ipv6() -> None:
    async def case() -> None:
        with contextlib.closing(Router("::1")) as router:
            async with shell() as one:
                one.perform(Connect(connection=1, address=IPv6Address("::1"), port=router.port))
                await router.accept()

                assert await one.event() == ConnectionEstablished(1, IPv6Address("::1"), BESIDE_LOOPBACK)
                one.perform(CloseConnection(1))
                router.connection.close()

    run(case())


def test_orders_about_connections_that_are_gone_are_nothing() -> None:
    """The core may order before it hears of the end."""

    async def case() -> None:
        async with connected() as (one, router):
            router.connection.close()
            await one.event()
            one.perform(Send(1, b"too late"))
            one.perform(CloseConnection(1))

            assert one.is_quiet()

    run(case())


def test_a_connection_that_the_peer_opened_is_numbered_downwards() -> None:
    """So its number is none that the core will ever ask for."""

    async def case() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            async with shell() as one:
                for number in (-1, -2):
                    caller = socket.create_connection(listener.getsockname())
                    accepted, _ = listener.accept()
                    accepted.setblocking(False)
                    one.connections.accept(accepted)
                    with caller:
                        established = await one.event()
                        one.perform(Send(number, b"hello"))
                        sent = await one.event()
                        one.perform(CloseConnection(number))

                        assert established == ConnectionAccepted(number, LOOPBACK, BESIDE_LOOPBACK)
                        assert (sent, caller.recv(5)) == (BytesSent(number, 5), b"hello")

    run(case())


@asynccontextmanager
async def guarded(password: str) -> AsyncGenerator[tuple[Shell, Router]]:
    """A connection by TCP MD5."""
    with contextlib.closing(Router()) as router:
        set_key(router.listener, LOOPBACK, password)
        async with shell() as one:
            one.perform(Connect(connection=1, address=LOOPBACK, port=router.port, password=password))
            await router.accept()
            await one.event()
            yield one, router
            one.perform(CloseConnection(1))
            router.close()


def test_a_password_is_rotated_on_a_connection_that_is_up() -> None:
    """What the router sends by the old key is dropped, and sent again when it has the new one: nothing is lost."""

    async def case() -> None:
        async with guarded("old") as (one, router):
            one.connections.reconfigure(SocketOptions(), "new")
            router.connection.send(b"too early")
            await asyncio.sleep(0.1)
            is_quiet = one.is_quiet()
            set_key(router.connection, LOOPBACK, "new")
            received = await one.event()

            assert is_quiet
            assert received == BytesReceived(1, b"too early")

    run(case())


def test_a_limit_of_hops_comes_into_force_on_a_connection_that_is_up() -> None:
    """Loopback's packets have a TTL of 64 unless told otherwise."""

    async def case() -> None:
        async with connected() as (one, router):
            one.connections.reconfigure(SocketOptions(hops_max=1), None)
            router.connection.send(b"from afar")
            await asyncio.sleep(0.1)
            is_quiet = one.is_quiet()
            router.connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)

            assert is_quiet
            assert await one.event() == BytesReceived(1, b"from afar")

    run(case())


def test_next_hops_are_the_addresses_of_the_interface() -> None:
    assert {LOOPBACK, IPv6Address("::1")} <= set(BESIDE_LOOPBACK)
    assert addresses_beside(IPv4Address("192.0.2.77")) == (IPv4Address("192.0.2.77"),)
