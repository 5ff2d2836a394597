"""The life of *watch* in standalone mode: follow the manifests, check what is served here, answer people."""

from __future__ import annotations

import asyncio
import os
import random
import signal

from swimlb.health.checks import HealthChecks
from swimlb.model import Readiness
from swimlb.observe.logs import EventLog
from swimlb.observe.problems import log_problems
from swimlb.runtime import records
from swimlb.runtime.link import Link
from swimlb.runtime.replica import LinkError, Publisher, Subscriber
from swimlb.settings import Settings
from swimlb.speaker.inventory import key_of
from swimlb.watch.answers import Answers
from swimlb.watch.metrics import ReadingCounts
from swimlb.watch.standalone import Standalone
from swimlb.watch.status import Facts

POLL_INTERVAL = 0.5
"""How soon an edit is noticed. Looking costs one stat per file."""

FIRST_VERDICTS_MAX = 5.0
"""How long the first health checks may keep *wire* waiting. What is unknown then counts as not ready."""


class Watch:
    def __init__(self, settings: Settings, standalone: Standalone, link_fd: int, log: EventLog) -> None:
        self._settings = settings
        self._standalone = standalone
        self._log = log
        self._facts = Facts()
        self._published = Publisher(records.SCHEMA)
        self._link = Link(
            link_fd, self._published, Subscriber(records.FACTS_SCHEMA), self._facts.learn, self._on_misfit
        )
        self._stop, self._wake = asyncio.Event(), asyncio.Event()
        self._misfit: LinkError | None = None
        self._checks = HealthChecks(self._on_verdict, random.Random())
        self._has_published = False
        self._served: frozenset[str] = frozenset()
        """Services of the last table."""
        self._readings = ReadingCounts()

    async def run(self, supervisor_pid: int) -> None:
        """Until SIGTERM. SIGHUP: look at the files now rather than in a moment. Raises LinkError."""
        stop, wake = self._stop, self._wake
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: (stop.set(), wake.set()))
        loop.add_signal_handler(signal.SIGHUP, wake.set)
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        answers = Answers(
            settings=self._settings,
            source=self._standalone,
            own_problems=lambda: self._standalone.problems,
            facts=self._facts,
            readings=self._readings,
            pids={"supervisor": supervisor_pid, "watch": os.getpid()},
            has_published=lambda: self._has_published,
            log=self._log,
        )
        self._link.start()
        try:
            async with self._checks, answers.serve():
                deadline = loop.time() + FIRST_VERDICTS_MAX
                while not stop.is_set():
                    self._follow()
                    if not self._has_published and (self._checks.are_all_known or loop.time() >= deadline):
                        self._publish()
                    await _wait(wake, POLL_INTERVAL if self._has_published else 0.02)
        finally:
            self._link.close()
        if self._misfit is not None:
            raise self._misfit

    def _on_misfit(self, error: LinkError) -> None:
        self._misfit = error
        self._stop.set()
        self._wake.set()

    def _follow(self) -> None:
        if not self._standalone.poll():
            return
        self._readings.note(self._standalone.problems)
        log_problems(self._log, self._standalone.problems)
        world = self._standalone.world
        for pending in world.pending:
            self._log.warning("service_pending", service=pending.service.key, reason=pending.reason)
        self._log.info("configuration_read", services=len(world.allocations), pending=len(world.pending))
        self._checks.replace(world.health_checks(), self._served)
        if self._has_published:
            self._publish()

    def _on_verdict(self, service: str, is_ready: bool) -> None:
        self._log.info("health_changed", service=service, is_ready=is_ready)
        if self._has_published:
            self._publish()

    def _publish(self) -> None:
        self._has_published = True
        world = self._standalone.world
        table = world.records()
        self._served = frozenset(one.service.key for one in world.allocations)
        for service, is_ready in self._checks.verdicts().items():
            record = Readiness(service=service, is_ready=is_ready)
            table[key_of(record)] = records.encode(record)
        self._published.replace(table)
        self._link.flush()


async def _wait(wake: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
            wake.clear()
    except TimeoutError:
        pass
