"""Peers that open the connection themselves, on loopback: who is taken, and who is not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, closing
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest

from announce.net import listeners
from announce.net.listeners import Admission, Listeners
from announce.net.tcp_options import AoKeyIds, Endpoints, IpAddress, SocketOptions, prepared_socket

PATIENCE = 5.0
A, B = IPv4Address("127.0.0.11"), IPv4Address("127.0.0.12")


class Door:
    """A node's listeners, and who came in by which name."""

    def __init__(self, port: int) -> None:
        self._came: asyncio.Queue[tuple[str, socket.socket]] = asyncio.Queue()
        self.failures: list[str] = []
        self.port = port
        self.listeners = Listeners(
            lambda name, connection: self._came.put_nowait((name, connection)), self.failures.append, port
        )

    async def came(self) -> tuple[str, str]:
        """Name and address of the next one."""
        name, connection = await asyncio.wait_for(self._came.get(), PATIENCE)
        with closing(connection):
            return name, connection.getpeername()[0]

    async def call(self, source: IpAddress, *, to: str = "127.0.0.1", password: str | None = None) -> str:
        """Connect as a peer does: what it sees first, as far as it gets."""
        target = ip_address(to)
        options = Endpoints(target, source, password)
        with closing(prepared_socket(SocketOptions(), options)) as made:
            loop = asyncio.get_running_loop()
            try:
                async with asyncio.timeout(0.3):
                    await loop.sock_connect(made, (to, self.port))
                    return "closed" if await loop.sock_recv(made, 1) == b"" else "data"
            except TimeoutError:
                return "no answer" if _is_connecting(made) else "taken"
            except ConnectionResetError:
                return "closed"
            except ConnectionRefusedError:
                return "refused"


def _is_connecting(made: socket.socket) -> bool:
    return made.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 2  # TCP_SYN_SENT


@asynccontextmanager
async def door() -> AsyncGenerator[Door]:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port: int = probe.getsockname()[1]
    one = Door(port)
    try:
        yield one
    finally:
        one.listeners.close()


def run(case: Coroutine[Any, Any, None]) -> None:
    asyncio.run(case)


def test_only_who_is_admitted_comes_in() -> None:
    async def case() -> None:
        async with door() as one:
            one.listeners.admit("a", Admission(peer=A))
            call = asyncio.create_task(one.call(A))
            came = await one.came()
            await call

            assert came == ("a", str(A))
            assert await one.call(B) == "closed"
            assert one.listeners.strangers == 1

    run(case())


def test_nothing_listens_when_nobody_is_admitted() -> None:
    async def case() -> None:
        async with door() as one:
            before = await one.call(A)
            one.listeners.admit("a", Admission(peer=A))
            one.listeners.dismiss("a")

            assert (before, await one.call(A)) == ("refused", "refused")

    run(case())


def test_a_password_is_asked_for_by_the_kernel() -> None:
    """Without it, or with another one, there is no answer at all; others need none."""

    async def case() -> None:
        async with door() as one:
            one.listeners.admit("a", Admission(peer=A, password="secret"))
            one.listeners.admit("b", Admission(peer=B))

            assert await one.call(A) == "no answer"
            assert await one.call(A, password="wrong") == "no answer"
            right = asyncio.create_task(one.call(A, password="secret"))
            assert await one.came() == ("a", str(A))
            await right
            open_one = asyncio.create_task(one.call(B))
            assert await one.came() == ("b", str(B))
            await open_one

    run(case())


def test_a_new_password_is_in_force_at_once() -> None:
    async def case() -> None:
        async with door() as one:
            one.listeners.admit("a", Admission(peer=A, password="old"))
            one.listeners.admit("a", Admission(peer=A, password="new"))

            assert await one.call(A, password="old") == "no answer"
            right = asyncio.create_task(one.call(A, password="new"))
            assert await one.came() == ("a", str(A))
            await right
            one.listeners.admit("a", Admission(peer=A))
            bare = asyncio.create_task(one.call(A))
            assert await one.came() == ("a", str(A))
            await bare

    run(case())


def test_a_key_that_two_share_stays_while_one_of_them_does() -> None:
    async def case() -> None:
        async with door() as one:
            for name, local in (("first", "127.0.0.1"), ("second", "127.0.0.2")):
                one.listeners.admit(name, Admission(peer=A, local=IPv4Address(local), password="secret"))
            one.listeners.dismiss("second")

            assert await one.call(A) == "no answer"
            right = asyncio.create_task(one.call(A, password="secret"))
            assert await one.came() == ("first", str(A))
            await right

    run(case())


def test_a_peer_keeps_its_key_when_another_one_of_the_same_address_goes() -> None:
    """The kernel holds one key for an address: the one that was set last."""

    async def case() -> None:
        async with door() as one:
            for name, local, password in (("first", "127.0.0.1", "new"), ("second", "127.0.0.2", "old")):
                one.listeners.admit(name, Admission(peer=A, local=IPv4Address(local), password=password))
            one.listeners.dismiss("second")

            assert await one.call(A) == "no answer"
            right = asyncio.create_task(one.call(A, password="new"))
            assert await one.came() == ("first", str(A))
            await right

    run(case())


@pytest.mark.parametrize("is_first", [True, False], ids=["when it begins to listen", "while it listens"])
def test_who_has_no_key_stays_out_and_nobody_else(is_first: bool) -> None:
    """A key that no kernel takes, of an algorithm that there is not: refused with TCP-AO and without."""
    nonsense = Admission(
        peer=A, password="secret", ao=AoKeyIds(send_id=1, receive_id=1, algorithm="hmac(nonsense)")
    )

    async def case() -> None:
        async with door() as one:
            for name in ("a", "b") if is_first else ("b", "a"):
                one.listeners.admit(name, nonsense if name == "a" else Admission(peer=B))
            other = asyncio.create_task(one.call(B))
            assert await one.came() == ("b", str(B))
            await other

            assert await one.call(A) == "closed"
            (failure,) = one.failures
            assert failure.startswith(f"{A} is not let in, as there is no key for it: ")

    run(case())


def test_of_two_peers_at_one_address_the_local_one_tells() -> None:
    async def case() -> None:
        async with door() as one:
            one.listeners.admit("first", Admission(peer=A, local=IPv4Address("127.0.0.1")))
            one.listeners.admit("second", Admission(peer=A, local=IPv4Address("127.0.0.2")))
            for to, name in (("127.0.0.1", "first"), ("127.0.0.2", "second")):
                call = asyncio.create_task(one.call(A, to=to))
                assert await one.came() == (name, str(A))
                await call
            assert await one.call(A, to="127.0.0.3") == "closed"

    run(case())


def test_ipv6() -> None:
    async def case() -> None:
        async with door() as one:
            one.listeners.admit("six", Admission(peer=IPv6Address("::1")))
            call = asyncio.create_task(one.call(IPv6Address("::1"), to="::1"))

            assert await one.came() == ("six", "::1")
            await call

    run(case())


def test_a_port_that_is_taken_is_told_once_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be bgpd's, which somebody is about to stop."""
    monkeypatch.setattr(listeners, "RETRY_TIME", 0.05)

    async def case() -> None:
        async with door() as one:
            with closing(socket.create_server(("0.0.0.0", one.port))):
                one.listeners.admit("a", Admission(peer=A))
                await asyncio.sleep(0.2)
            await asyncio.sleep(0.2)
            call = asyncio.create_task(one.call(A))

            assert await one.came() == ("a", str(A))
            assert one.failures == [f"cannot listen on port {one.port}: Address already in use"]
            await call

    run(case())


def test_a_vrf_that_is_not_there_is_told() -> None:
    async def case() -> None:
        async with door() as one:
            one.listeners.admit("a", Admission(peer=A, vrf="red"))

            assert one.failures == [
                f"cannot listen on port {one.port} in VRF red: interface red: No such device"
            ]

    run(case())
