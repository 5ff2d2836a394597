"""The local status API: HTTP over a Unix socket in the run directory, so that nobody but root on the node asks.

curl --unix-socket /run/swimlb/api.sock http://localhost/v1/status
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

SOCKET_NAME = "api.sock"
"""In the run directory."""


@asynccontextmanager
async def serve(socket: Path, status: Callable[[], dict[str, Any]]) -> AsyncGenerator[None, None]:
    """Answer `GET /v1/status` and `GET /healthz` while the context lasts; the socket goes with it."""

    async def get_status(_: web.Request) -> web.Response:
        return web.json_response(status())

    async def get_healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    application = web.Application()
    application.router.add_get("/v1/status", get_status)
    application.router.add_get("/healthz", get_healthz)
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    try:
        socket.unlink(missing_ok=True)
        await web.UnixSite(runner, str(socket)).start()
        socket.chmod(0o600)
        yield
    finally:
        await runner.cleanup()
        socket.unlink(missing_ok=True)
