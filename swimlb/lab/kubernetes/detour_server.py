"""A way to the API server on which things go wrong: slow answers, refusals, watches that break or fall silent.

    python -m swimlb.lab.kubernetes.detour_server --port 6444 --server https://192.168.3.100:6443 --home DIRECTORY

It ends TLS with the API server's own certificate and passes on what identifies a client by a token; a client certificate
does not get through. `DIRECTORY/detour.sock` takes the faults, as `detour.Detour` sends them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import signal
import ssl
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from swimlb.lab.kubernetes.detour_words import SOCKET, Faults, Tally
from swimlb.runtime import clock

BODY_OCTETS_MAX = 8 << 20
CHUNK_OCTETS = 1 << 16
CONNECTIONS_MAX = 1000
RETRY_AFTER = 1

_HOP_BY_HOP = frozenset(
    {"connection", "content-length", "host", "keep-alive", "transfer-encoding", "upgrade"}
)


class DetourServer:
    """The server. `set` and `tally` are for whoever holds it, by its Unix socket or in the process."""

    def __init__(self, server: str, session: aiohttp.ClientSession, chance: random.Random) -> None:
        self._server = server
        self._session = session
        self._chance = chance
        self._faults = Faults()
        self._changed = asyncio.Event()
        self.tally = Tally()

    def set(self, faults: Faults) -> None:
        """From now on, for connections that are open, too."""
        self._faults = faults
        self._changed.set()
        self._changed = asyncio.Event()

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        is_watch = request.query.get("watch") in ("1", "true")
        self.tally.note(f"{'WATCH' if is_watch else request.method} {kind_of(request.path)}")
        await self._unless_silent()
        await asyncio.sleep(self._faults.delay)
        if self._chance.random() * 100 < self._faults.refused_percent:
            self.tally.refused += 1
            return _too_many_requests()
        async with self._session.request(
            request.method,
            self._server + request.raw_path,
            headers=_passed(request.headers),
            data=await request.read() or None,
            allow_redirects=False,
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers=_passed(answer.headers))
            await response.prepare(request)
            if not is_watch:
                await self._pass_back(answer, response)
            elif await self._has_broken(asyncio.create_task(self._pass_back(answer, response))):
                self.tally.broken += 1
                _break(request)
            return response

    async def _pass_back(self, answer: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
        async for chunk in answer.content.iter_any():
            await self._unless_silent()
            await response.write(chunk)
        await response.write_eof()

    async def _has_broken(self, watch: asyncio.Task[None]) -> bool:
        """Wait for the end of a watch: its own, or that of its lifetime, whatever that is by then."""
        begun = clock.monotonic()
        try:
            while not watch.done():
                lifetime, changed = self._faults.watch_lifetime, asyncio.create_task(self._changed.wait())
                left = None if lifetime is None else begun + lifetime - clock.monotonic()
                if left is not None and left <= 0:
                    changed.cancel()
                    return True
                await asyncio.wait((watch, changed), timeout=left, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
            await watch
            return False
        finally:
            watch.cancel()

    async def _unless_silent(self) -> None:
        while self._faults.is_silent:
            await self._changed.wait()


def kind_of(path: str) -> str:
    """The path of a request without the names in it: `/api/v1/namespaces/*/services/*/status`."""
    parts = path.strip("/").split("/")
    root = 2 if parts[0] == "api" else 3
    rest = parts[root:]
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        rest[1] = "*"
        names = 3
    else:
        names = 1
    rest[names : names + 1] = ["*"] * len(rest[names : names + 1])
    return "/" + "/".join([*parts[:root], *rest])


def _passed(headers: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() not in _HOP_BY_HOP}


def _too_many_requests() -> web.Response:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": "too many requests, please try again later",
        "reason": "TooManyRequests",
        "details": {"retryAfterSeconds": RETRY_AFTER},
        "code": 429,
    }
    return web.json_response(status, status=429, headers={"Retry-After": str(RETRY_AFTER)})


def _break(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def commands(detour: DetourServer) -> web.Application:
    """What the Unix socket takes: PUT /faults, GET /tally."""

    async def put_faults(request: web.Request) -> web.Response:
        try:
            detour.set(msgspec.json.decode(await request.read(), type=Faults))
        except msgspec.ValidationError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return web.Response()

    async def get_tally(_request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(detour.tally), content_type="application/json")

    application = web.Application()
    application.add_routes([web.put("/faults", put_faults), web.get("/tally", get_tally)])
    return application


@contextlib.asynccontextmanager
async def _site(application: web.Application) -> AsyncGenerator[web.AppRunner]:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.0, handler_cancellation=True)
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()


async def _serve(options: Any) -> None:
    home = Path(options.home)
    upstream = ssl.create_default_context(cafile=str(home / "ca.crt"))
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(home / "server.crt", home / "server.key")
    connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX, ssl=upstream)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        auto_decompress=False,
        read_bufsize=CHUNK_OCTETS,
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
    ) as session:
        detour = DetourServer(options.server, session, random.Random(options.seed))
        application = web.Application(client_max_size=BODY_OCTETS_MAX)
        application.router.add_route("*", "/{path:.*}", detour.pass_on)
        async with _site(application) as clients, _site(commands(detour)) as control:
            await web.UnixSite(control, str(home / SOCKET)).start()
            await web.TCPSite(clients, options.address, options.port, ssl_context=served).start()
            ended = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
            await ended.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m swimlb.lab.kubernetes.detour_server")
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--server", required=True)
    parser.add_argument("--home", required=True)
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
