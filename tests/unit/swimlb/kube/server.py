"""A server on loopback that answers as a test scripts it: the API server at its worst."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web

T = TypeVar("T")
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass
class Seen:
    """One request, as the server saw it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """Answers each request by the next handler of the script; the last one answers all that follow."""

    url: str
    script: list[Handler]
    seen: list[Seen] = field(default_factory=list[Seen])

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.seen.append(Seen(request.method, request.path, dict(request.query), dict(request.headers), body))
        handler = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return await handler(request)


@asynccontextmanager
async def serving(*script: Handler, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Server, None]:
    server = Server("", list(script))
    runner = web.ServerRunner(web.Server(server.answer), handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


def json_answer(content: Any, status: int = 200, **headers: str) -> Handler:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(content, status=status, headers=names)

    return handler


def refusal(status: int, reason: str, message: str = "no", **headers: str) -> Handler:
    details = {"kind": "services", "name": "web"} if reason == "NotFound" else {}
    return json_answer(
        {"kind": "Status", "code": status, "reason": reason, "message": message, "details": details},
        status,
        **headers,
    )


def silence(seconds: float = 30.0) -> Handler:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return web.Response()

    return handler


def run(body: Coroutine[Any, Any, T]) -> T:
    """A test never hangs."""

    async def bounded() -> T:
        async with asyncio.timeout(30):
            return await body

    return asyncio.run(bounded())
