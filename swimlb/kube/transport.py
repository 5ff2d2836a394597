"""Requests to the API server and their answers: connections, credentials, deadlines, what to do when it is busy."""

from __future__ import annotations

import asyncio
import random
from asyncio import sslproto
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType

import aiohttp

from swimlb.kube.access import Access
from swimlb.kube.errors import TooManyRequests, Unauthorized, Unavailable, error_of, unavailable
from swimlb.kube.metrics import CallMetrics
from swimlb.kube.unreachable import explain
from swimlb.runtime import clock
from swimlb.runtime.pauses import at_least

DEADLINE = 10.0
"""Seconds for a whole call, waiting for a busy API server included."""

CONNECTIONS_MAX = 64
"""Watches hold one each, for hours; the rest is for calls. More calls wait for a connection, within their deadline."""

BODY_OCTETS_MAX = 256 << 20
"""Of one answer. A list of 100,000 Services that an API server gives whole, though pages were asked for, is as long."""

TLS_BUFFER_OCTETS = 32 << 10
"""Of a connection: two records of TLS. asyncio takes eight times as much, of which a dozen watches hold 3 MiB."""

ERROR_OCTETS_MAX = 1 << 16
"""So much of an error is read, where a stream was expected."""

ANSWER_TIME = 0.5
"""Seconds that a call made again must have left for its answer; with less, an API server that is busy would be taken
for one that is silent."""

RETRIES_MAX = 5
"""Of one call that the API server was too busy for."""

JSON = "application/json"
Parameters = Mapping[str, str | int | None]

_METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is asked of the API server."""

    verb: str
    """RBAC's word."""
    resource: str
    """What it is counted under."""
    path: str
    parameters: Parameters = field(default_factory=dict[str, str | int | None])
    """Empty ones are left out."""
    body: bytes | None = field(default=None, repr=False)
    content_type: str = ""


class Transport:
    """Makes calls, as an async context manager, since it keeps connections."""

    def __init__(self, access: Access, user_agent: str, metrics: CallMetrics) -> None:
        self._access = access
        self._user_agent = user_agent
        self._metrics = metrics
        self._rng = random.Random()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Transport:
        sslproto.SSLProtocol.max_size = TLS_BUFFER_OCTETS
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX, keepalive_timeout=60.0),
            headers={"User-Agent": self._user_agent, "Accept": JSON},
            # Each call has a deadline of its own.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(self, call: Call, deadline: float) -> bytes:
        """Again after 429, which says that nothing was done, and once after 401, with fresh credentials."""
        end = clock.monotonic() + deadline
        has_doubted = False
        for _ in range(RETRIES_MAX):
            try:
                return await self._attempt(call, end)
            except Unauthorized:
                self._access.credentials.doubt()
                if has_doubted:
                    raise
                has_doubted = True
            except TooManyRequests as error:
                pause = at_least(error.retry_after, self._rng)
                if clock.monotonic() + pause + ANSWER_TIME > end:
                    raise
                await asyncio.sleep(pause)
        return await self._attempt(call, end)

    @asynccontextmanager
    async def stream(self, call: Call, deadline: float) -> AsyncGenerator[aiohttp.StreamReader, None]:
        """The body of a long answer as it comes. The deadline is for its head; who reads sees to the rest.

        Raises an ApiError. While the body is read, aiohttp.ClientError and OSError tell of a broken connection.
        """
        begun, code = clock.monotonic(), 0
        try:
            async with asyncio.timeout(deadline):
                response = await self._send(call)
                code = response.status
                if code != 200:
                    answer = await response.content.read(ERROR_OCTETS_MAX)
                    response.close()
                    raise error_of(code, answer, response.headers)
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            code = 0
            raise self._no_answer(error, deadline) from error
        except Unauthorized:
            self._access.credentials.doubt()
            raise
        finally:
            self._metrics.note(call.verb, call.resource, code, clock.monotonic() - begun)
        try:
            yield response.content
        finally:
            _drop(response)

    async def _attempt(self, call: Call, end: float) -> bytes:
        begun, code = clock.monotonic(), 0
        try:
            async with asyncio.timeout(end - begun), await self._send(call) as response:
                answer = await _read(response)
                code = response.status
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            raise self._no_answer(error, end - begun) from error
        finally:
            self._metrics.note(call.verb, call.resource, code, clock.monotonic() - begun)
        if code >= 300:
            raise error_of(code, answer, response.headers)
        return answer

    async def _send(self, call: Call) -> aiohttp.ClientResponse:
        assert self._session is not None, "a Transport is used as an async context manager"
        identity = await self._access.credentials.identity()
        headers = dict(self._access.headers)
        if identity.token:
            headers["Authorization"] = f"Bearer {identity.token}"
        if call.content_type:
            headers["Content-Type"] = call.content_type
        trust = self._access.trust
        is_encrypted = self._access.server.startswith("https:")
        return await self._session.request(
            _METHODS[call.verb],
            self._access.server + call.path,
            params={key: str(value) for key, value in call.parameters.items() if value not in (None, "")},
            data=call.body,
            headers=headers,
            allow_redirects=False,
            proxy=self._access.proxy,
            ssl=trust.context(identity.certificate) if is_encrypted else True,
            server_hostname=trust.server_name if is_encrypted else None,
        )

    def _no_answer(self, error: BaseException, deadline: float) -> Unavailable:
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            self._access.trust.doubt()
        return unavailable(explain(error, self._access.server, deadline))


def _drop(response: aiohttp.ClientResponse) -> None:
    """With its connection: an answer without an end is in the way of the next call.

    At once, as TLS's goodbye is answered only after all that is on its way has been read, and by a dead peer never.
    """
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
    response.close()


async def _read(response: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    octets = 0
    async for part in response.content.iter_any():
        octets += len(part)
        if octets > BODY_OCTETS_MAX:
            raise unavailable(f"an answer of more than {BODY_OCTETS_MAX} octets")
        parts.append(part)
    return b"".join(parts)
