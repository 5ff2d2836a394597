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
