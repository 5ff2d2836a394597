"""HTTP for machines: health for the kubelet, metrics for Prometheus.

The text of a large exposition takes tens of milliseconds to make. It is made in a thread, with turns short enough that
the event loop of the process waits no longer than a few milliseconds for its own (`bench/metrics.py`).
"""

from __future__ import annotations

import asyncio
import gc
import ssl
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from enum import Enum
from typing import TypeAlias

from aiohttp import web
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from swimlb.observe.logs import EventLog

SWITCH_INTERVAL = 0.001
"""Seconds after which a thread lets others go on. Python's own 5 ms, several times in a row, are felt."""

SCRAPES_AT_ONCE_MAX = 2
"""More than Prometheus and somebody who looks by hand; whoever comes beyond that is asked to come again."""

Collect: TypeAlias = Callable[[], Iterable[Metric]]
"""Called in the event loop, to note what there is; what it gives is gone through in a thread."""


class Bearer(Enum):
    """What is known of whoever shows a token."""

    ADMITTED = "admitted"
    UNKNOWN = "unknown"
    """It is nobody's token, or nobody's any more."""
    REFUSED = "refused"
    """Somebody's, who may not."""
    UNDECIDED = "undecided"
    """Who decides cannot be asked."""


Authorize: TypeAlias = Callable[[str], Awaitable[Bearer]]
"""Whether the bearer of this token may read the metrics."""

_REFUSALS = {
    Bearer.UNKNOWN: (401, "a bearer token of this cluster is needed"),
    Bearer.REFUSED: (403, "the bearer of this token may not get /metrics"),
    Bearer.UNDECIDED: (503, "the API server cannot be asked who this is; come again"),
}


@asynccontextmanager
async def serve_health(
    host: str, port: int, unready: Callable[[], str | None], log: EventLog
) -> AsyncGenerator[None, None]:
    """`GET /healthz`: this process runs. `GET /readyz`: 200, or 503 with the reason that `unready` gives.

    Port 0: not at all. A port that is in use is logged; the rest of the process does its work without.
    """

    async def get_healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def get_readyz(_: web.Request) -> web.Response:
        reason = unready()
        return web.Response(text=f"{reason or 'ok'}\n", status=200 if reason is None else 503)

    application = web.Application()
    application.router.add_get("/healthz", get_healthz)
    application.router.add_get("/readyz", get_readyz)
    async with listening(application, host, port, "health", log):
        yield


@asynccontextmanager
async def serve_metrics(
    host: str,
    port: int,
    collect: Collect,
    log: EventLog,
    *,
    tls: ssl.SSLContext | None = None,
    authorize: Authorize | None = None,
) -> AsyncGenerator[None, None]:
    """`GET /metrics` in Prometheus' text format; with `authorize`, only for bearers of a token that it admits.

    Port 0: not at all. A port that is in use is logged; the rest of the process does its work without.
    """
    running = 0

    async def get_metrics(request: web.Request) -> web.Response:
        nonlocal running
        if authorize is not None:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            is_shown = scheme.lower() == "bearer" and token
            bearer = await authorize(token) if is_shown else Bearer.UNKNOWN
            if bearer is not Bearer.ADMITTED:
                return _refusal(bearer)
        if running >= SCRAPES_AT_ONCE_MAX:
            return web.Response(status=503, headers={"Retry-After": "1"}, text="enough scrapes are running\n")
        running += 1
        try:
            # Thousands of short-lived objects would make the collector look at all there are, while everybody waits.
            gc.disable()
            text = await asyncio.to_thread(exposition, collect())
        finally:
            running -= 1
            if not running:
                gc.enable()
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_get("/metrics", get_metrics)
    before = sys.getswitchinterval()
    async with listening(application, host, port, "metrics", log, tls):
        sys.setswitchinterval(SWITCH_INTERVAL)
        try:
            yield
        finally:
            sys.setswitchinterval(before)


def _refusal(bearer: Bearer) -> web.Response:
    status, text = _REFUSALS[bearer]
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}.get(status)
    return web.Response(status=status, text=f"{text}\n", headers=headers)


class _Families:
    """What `generate_latest` asks: one collector that has been collected already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def exposition(families: Iterable[Metric]) -> bytes:
    """Prometheus' text format, version 0.0.4."""
    return generate_latest(_Families(families))


@asynccontextmanager
async def listening(
    application: web.Application,
    host: str,
    port: int,
    purpose: str,
    log: EventLog,
    tls: ssl.SSLContext | None = None,
) -> AsyncGenerator[None, None]:
    """An empty host stands for all addresses, of IPv4 and IPv6."""
    if not port:
        yield
        return
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host or None, port, ssl_context=tls).start()
        except OSError as error:
            log.error(
                "listen_failed",
                purpose=purpose,
                address=f"{host}:{port}",
                reason=error.strerror or str(error),
                hint=f"end what uses the port, or choose another by --{purpose}-port",
            )
        yield
    finally:
        await runner.cleanup()
