"""Health and metrics over HTTP, on loopback."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from swimlb.observe.endpoint import Authorize, Bearer, serve_health, serve_metrics
from swimlb.observe.families import gauge
from swimlb.observe.logs import EventLog

HOST = "127.0.49.2"
LOG = EventLog(logging.getLogger(__name__))


def free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return one.getsockname()[1]


@asynccontextmanager
async def metrics(authorize: Authorize | None = None) -> AsyncGenerator[str, None]:
    port = free_port()
    async with serve_metrics(HOST, port, lambda: [gauge("up_gauge", "About.", 1)], LOG, authorize=authorize):
        yield f"http://{HOST}:{port}/metrics"


async def get(url: str, token: str | None = None) -> tuple[int, str]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status, await answer.text()


def test_metrics_are_told() -> None:
    async def story() -> tuple[int, str]:
        async with metrics() as url:
            return await get(url)

    status, text = asyncio.run(story())

    assert status == 200
    assert "up_gauge 1.0" in text


@pytest.mark.parametrize(
    ("token", "status"),
    [(None, 401), ("unknown", 401), ("refused", 403), ("undecided", 503), ("admitted", 200)],
)
def test_only_who_may_reads_the_metrics(token: str | None, status: int) -> None:
    """Others are told what is missing."""

    async def authorize(one: str) -> Bearer:
        return Bearer(one)

    async def story() -> tuple[int, str]:
        async with metrics(authorize) as url:
            return await get(url, token)

    assert asyncio.run(story())[0] == status


def test_readiness_says_why_not() -> None:
    """For whoever looks at the Pod's events."""
    reasons: list[str | None] = ["the speaker is joining", None]

    async def story() -> list[tuple[int, str]]:
        port = free_port()
        async with serve_health(HOST, port, lambda: reasons.pop(0), LOG):
            url = f"http://{HOST}:{port}"
            return [await get(f"{url}/{path}") for path in ("healthz", "readyz", "readyz")]

    assert asyncio.run(story()) == [(200, "ok\n"), (503, "the speaker is joining\n"), (200, "ok\n")]


def test_a_port_in_use_is_told_and_nothing_else_suffers(caplog: pytest.LogCaptureFixture) -> None:
    """A speaker without metrics is better than none."""

    async def story() -> str:
        with socket.socket() as other:
            other.bind((HOST, 0))
            other.listen()
            async with serve_health(HOST, other.getsockname()[1], lambda: None, LOG):
                return "runs"

    assert asyncio.run(story()) == "runs"
    assert caplog.messages == ["listen_failed"]
