"""Seeds by name, on a loop whose resolver is asked for names that the test invents."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from membership import Endpoint
from membership.net.seeds import SeedResolver

Answer = list[str] | OSError | None


class Zone:
    """What names stand for; None means that the name server does not answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **names: Answer) -> None:
        self.names = names
        self.asked: list[str] = []
        self._loop_class = asyncio.SelectorEventLoop
        monkeypatch.setattr(self._loop_class, "getaddrinfo", self._getaddrinfo)

    async def _getaddrinfo(self, host: str, port: object, **_: object) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        answer = self.names.get(host, OSError(socket.EAI_NONAME, "unknown name"))
        if answer is None:
            await asyncio.sleep(60)
            raise AssertionError
        if isinstance(answer, OSError):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in answer]


class Told:
    def __init__(self) -> None:
        self.seeds: list[tuple[Endpoint, ...]] = []
        self.failures: list[tuple[str, str]] = []

    def resolver(self, *seeds: Endpoint, timeout: float = 0.02) -> SeedResolver:
        return SeedResolver(
            seeds,
            self.seeds.append,
            lambda name, reason: self.failures.append((name, reason)),
            interval=0.01,
            timeout=timeout,
        )


def play(resolver: SeedResolver, scene: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        task = asyncio.get_running_loop().create_task(resolver.run())
        async with asyncio.timeout(3):
            await scene()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110  # The resolver sets no Event.
        await asyncio.sleep(0.002)


A, B, C = (f"192.0.2.{number}" for number in (1, 2, 3))


def test_numeric_seeds_pass() -> None:
    """As they are, once, and without a resolver."""
    told = Told()

    async def scene() -> None:
        await told.resolver(Endpoint(A, 7946), Endpoint("2001:db8::1", 1)).run()

    asyncio.run(scene())

    assert told.seeds == [(Endpoint(A, 7946), Endpoint("2001:db8::1", 1))]


def test_all_addresses_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one order, whatever order the answer has, each with the seed's port; and again when they change."""
    zone, told = Zone(monkeypatch, pods=[B, A, B]), Told()

    async def scene() -> None:
        await until(lambda: len(told.seeds) == 1 and len(zone.asked) >= 3)
        zone.names["pods"] = [C, B]
        await until(lambda: len(told.seeds) == 2)

    play(told.resolver(Endpoint("pods", 7946), Endpoint(C, 1)), scene)

    assert told.seeds == [
        (Endpoint(A, 7946), Endpoint(B, 7946), Endpoint(C, 1)),
        (Endpoint(B, 7946), Endpoint(C, 7946), Endpoint(C, 1)),
    ]
    assert told.failures == []


def test_a_name_that_fails_keeps_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that is down takes nobody out of the ring; each kind of failure is told once."""
    zone, told = Zone(monkeypatch, pods=[A]), Told()

    async def scene() -> None:
        await until(lambda: len(told.seeds) == 1)
        zone.names["pods"] = OSError(socket.EAI_AGAIN, "try again")
        asked = len(zone.asked)
        await until(lambda: len(zone.asked) > asked + 3)
        zone.names["pods"] = [B]
        await until(lambda: len(told.seeds) == 2)

    play(told.resolver(Endpoint("pods", 7946)), scene)

    assert told.seeds == [(Endpoint(A, 7946),), (Endpoint(B, 7946),)]
    assert told.failures == [("pods", "try again")]


def test_a_name_that_hangs_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is told after the timeout, and no second question waits beside the first."""
    zone, told = Zone(monkeypatch, silent=None, pods=[A]), Told()

    async def scene() -> None:
        await until(lambda: zone.asked.count("pods") >= 3)

    play(told.resolver(Endpoint("silent", 7946), Endpoint("pods", 7946)), scene)

    assert told.seeds == [(Endpoint(A, 7946),)]
    assert told.failures == [("silent", "timeout")]
    assert zone.asked.count("silent") == 1


def test_what_cannot_be_a_name_is_told() -> None:
    """By the real resolver, which asks nobody for it."""
    told = Told()

    async def scene() -> None:
        await until(lambda: len(told.failures) == 2)

    play(told.resolver(Endpoint("x" * 300, 7946), Endpoint("a..b", 7946)), scene)

    assert told.seeds == [()]
    assert {name for name, _ in told.failures} == {"x" * 300, "a..b"}


def test_the_hosts_file_counts() -> None:
    """The system's resolver is asked, of which /etc/hosts is part."""
    told = Told()

    async def scene() -> None:
        await until(lambda: bool(told.seeds))

    play(told.resolver(Endpoint("localhost", 7946), timeout=2.0), scene)

    assert Endpoint("127.0.0.1", 7946) in told.seeds[0] or Endpoint("::1", 7946) in told.seeds[0]
