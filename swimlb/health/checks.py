"""Makes the health checks of this node: TCP connects and HTTP GETs, each in a task of its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack

import aiohttp

from swimlb.health.verdict import Verdict
from swimlb.model import HealthCheck, ProbeKind

CHECKS_MAX = 1000
"""More are not started: their Services count as not ready. A node with so many endpoints wants an orchestrator."""


class HealthChecks:
    """Keeps one task per Service that has a check. `on_verdict(service, is_ready)` is called when one changes."""

    def __init__(self, on_verdict: Callable[[str, bool], None], rng: random.Random) -> None:
        self._on_verdict = on_verdict
        self._rng = rng
        self._wanted: dict[str, HealthCheck] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._group: asyncio.TaskGroup | None = None
        self._session: aiohttp.ClientSession | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> HealthChecks:
        # As many at once as there are checks: one that waits for its turn behind dead endpoints would run out of its time.
        connector = aiohttp.TCPConnector(limit=0)
        self._session = await self._stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        self._group = await self._stack.enter_async_context(asyncio.TaskGroup())
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks.values():
            task.cancel()
        await self._stack.aclose()

    def replace(self, checks: Mapping[str, HealthCheck], served: Collection[str] = ()) -> None:
        """Make exactly these checks from now on. One that is unchanged goes on as it is.

        An edit is no news of the endpoint: all nodes see it at the same moment, and none would serve until its first
        attempt has ended. So a check that has changed begins with the verdict there was, and one of a Service that was
        `served` without a check so far begins with yes.
        """
        assert self._group is not None, "HealthChecks is used as an async context manager"
        wanted = dict(sorted(checks.items())[:CHECKS_MAX])
        for service in [service for service, check in self._wanted.items() if wanted.get(service) != check]:
            self._tasks.pop(service).cancel()
            if service not in wanted:
                self._verdicts.pop(service, None)
        for service in wanted.keys() & set(served) - self._wanted.keys():
            self._verdicts[service] = Verdict(True)
        for service in wanted.keys() - self._tasks.keys():
            self._tasks[service] = self._group.create_task(self._check_for_ever(service, wanted[service]))
        self._wanted = wanted

    def verdicts(self) -> dict[str, bool]:
        """Services whose check has ended at least once."""
        return {
            service: verdict.is_ready
            for service, verdict in self._verdicts.items()
            if verdict.is_ready is not None
        }

    @property
    def are_all_known(self) -> bool:
        """Every check has ended at least once: what this node says of itself is the truth."""
        return self._wanted.keys() <= self.verdicts().keys()

    async def _check_for_ever(self, service: str, check: HealthCheck) -> None:
        while True:
            before = self._verdicts.get(service, Verdict())
            after = before.after(await self._attempt(check), check)
            self._verdicts[service] = after
            if after.is_ready is not None and after.is_ready != before.is_ready:
                self._on_verdict(service, after.is_ready)
            # Not in step with the checks of a thousand other Services.
            await asyncio.sleep(check.period * self._rng.uniform(0.9, 1.0))

    async def _attempt(self, check: HealthCheck) -> bool:
        try:
            async with asyncio.timeout(check.timeout):
                if check.kind is ProbeKind.HTTP:
                    return await self._get(check)
                _, writer = await asyncio.open_connection(check.host, check.port)
                writer.close()
                return True
        except (OSError, ValueError, aiohttp.ClientError):
            # ValueError: a host or header that cannot be said, whatever was made of it before.
            return False

    async def _get(self, check: HealthCheck) -> bool:
        assert self._session is not None
        host = f"[{check.host}]" if ":" in check.host else check.host
        url = f"http://{host}:{check.port}{check.path}"
        headers = {"Connection": "close", **dict(check.headers)}
        async with self._session.get(url, headers=headers, allow_redirects=False) as response:
            return 200 <= response.status < 400
