"""Health checks against real listeners on loopback."""

from __future__ import annotations

import asyncio
import random
import socket
from dataclasses import replace

import pytest

from swimlb.health.checks import HealthChecks
from swimlb.model import HealthCheck, ProbeKind
from tests.waiting import until


def listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def check_of(port: int, **changes: float) -> HealthCheck:
    return replace(
        HealthCheck(kind=ProbeKind.TCP, port=port, period=0.01, timeout=0.5, failure_threshold=2), **changes
    )


def telling(told: list[tuple[str, bool]]) -> HealthChecks:
    return HealthChecks(lambda service, is_ready: told.append((service, is_ready)), random.Random(1))


def test_an_edit_changes_no_verdict_by_itself() -> None:
    """All nodes see it at once, and none would serve until its first attempt has ended."""
    told: list[tuple[str, bool]] = []

    async def play() -> None:
        with listener() as alive:
            port = alive.getsockname()[1]
            async with telling(told) as checks:
                checks.replace({"default/web": check_of(port)})
                assert checks.verdicts() == {}
                await until(lambda: checks.verdicts() == {"default/web": True})

                checks.replace({"default/web": check_of(port, period=0.02)})
                assert checks.verdicts() == {"default/web": True}
                alive.close()
                await until(lambda: checks.verdicts() == {"default/web": False})
                checks.replace({})
                assert checks.verdicts() == {}

    asyncio.run(play())
    assert told == [("default/web", True), ("default/web", False)]


def test_a_check_that_is_added_to_a_served_service_begins_with_yes() -> None:
    """And ends with no, if nobody answers: after as many attempts as that takes."""
    told: list[tuple[str, bool]] = []

    async def play() -> None:
        with listener() as dead:
            port = dead.getsockname()[1]
        async with telling(told) as checks:
            checks.replace({"default/old": check_of(port), "default/new": check_of(port)}, {"default/old"})
            assert checks.verdicts() == {"default/old": True}
            await until(lambda: checks.verdicts() == {"default/old": False, "default/new": False})

    asyncio.run(play())
    assert sorted(told) == [("default/new", False), ("default/old", False)]


@pytest.mark.parametrize("kind", ProbeKind)
@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example", "a\0b"])
def test_a_host_that_cannot_be_said_does_not_answer(kind: ProbeKind, host: str) -> None:
    """And ends nothing else."""

    async def play() -> None:
        async with telling([]) as checks:
            checks.replace({"default/web": replace(check_of(80), kind=kind, host=host)})
            await until(lambda: checks.verdicts() == {"default/web": False})

    asyncio.run(play())


def test_dead_endpoints_keep_no_other_one_from_being_asked() -> None:
    """However many of them take a question and never answer it."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    async def play() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1") as alive, telling([]) as checks:
            with listener() as dead:
                silent = {
                    f"default/dead-{number}": replace(
                        check_of(dead.getsockname()[1], timeout=60.0), kind=ProbeKind.HTTP
                    )
                    for number in range(100)
                }
                checks.replace(silent)
                await asyncio.sleep(0)
                port = alive.sockets[0].getsockname()[1]
                good = replace(check_of(port), kind=ProbeKind.HTTP)

                checks.replace({**silent, "default/web": good})

                await until(lambda: checks.verdicts() == {"default/web": True})

    asyncio.run(play())
