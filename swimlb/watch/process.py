"""The life of *watch* in standalone mode: follow the manifests, check what is served here, answer people."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import Metric

from swimlb.health.checks import HealthChecks
from swimlb.model import Readiness, Severity
from swimlb.observe.endpoint import serve_health, serve_metrics
from swimlb.observe.logs import EventLog
from swimlb.runtime import records
from swimlb.runtime.link import Link
from swimlb.runtime.replica import Publisher, Subscriber
from swimlb.settings import Settings
from swimlb.speaker.inventory import key_of
from swimlb.speaker.links import SubnetRule
from swimlb.speaker.rules import RuleOptions
from swimlb.watch import api
from swimlb.watch.metrics import ReadingCounts, families
from swimlb.watch.standalone import Standalone
from swimlb.watch.status import Facts, status

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
        self._link = Link(link_fd, self._published, Subscriber(records.FACTS_SCHEMA), self._facts.learn)
        self._checks = HealthChecks(self._on_verdict, random.Random())
        self._has_published = False
        self._readings = ReadingCounts()

    async def run(self, supervisor_pid: int) -> None:
        """Until SIGTERM. SIGHUP: look at the files now rather than in a moment."""
        stop, wake = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: (stop.set(), wake.set()))
        loop.add_signal_handler(signal.SIGHUP, wake.set)
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        pids = {"supervisor": supervisor_pid, "watch": os.getpid()}
        socket = Path(self._settings.run_dir) / api.SOCKET_NAME
        self._link.start()
        try:
            async with (
                self._checks,
                api.serve(socket, lambda: self._status(pids)),
                serve_health(
                    self._settings.health_host, self._settings.health_port, self._unready, self._log
                ),
                serve_metrics(
                    self._settings.metrics_host, self._settings.metrics_port, self._metrics, self._log
                ),
            ):
                deadline = loop.time() + FIRST_VERDICTS_MAX
                while not stop.is_set():
                    self._follow()
                    if not self._has_published and (self._checks.are_all_known or loop.time() >= deadline):
                        self._publish()
                    await _wait(wake, POLL_INTERVAL if self._has_published else 0.02)
        finally:
            self._link.close()

    def _follow(self) -> None:
        if not self._standalone.poll():
            return
        self._readings.note(self._standalone.problems)
        for problem in self._standalone.problems:
            log = self._log.error if problem.severity is Severity.ERROR else self._log.warning
            log(
                "configuration_problem",
                object=problem.object,
                field=problem.field,
                message=problem.message,
                hint=problem.hint,
                file=problem.file,
                line=problem.line,
            )
        world = self._standalone.world
        for pending in world.pending:
            self._log.warning("service_pending", service=pending.service.key, reason=pending.reason)
        self._log.info("configuration_read", services=len(world.allocations), pending=len(world.pending))
        self._checks.replace(world.health_checks())
        if self._has_published:
            self._publish()

    def _on_verdict(self, service: str, is_ready: bool) -> None:
        self._log.info("health_changed", service=service, is_ready=is_ready)
        if self._has_published:
            self._publish()

    def _publish(self) -> None:
        self._has_published = True
        table = self._standalone.world.records()
        for service, is_ready in self._checks.verdicts().items():
            record = Readiness(service=service, is_ready=is_ready)
            table[key_of(record)] = records.encode(record)
        self._published.replace(table)
        self._link.flush()

    def _unready(self) -> str | None:
        """Nothing else than that *wire* serves: what is wrong with single objects is no reason to call a node unfit."""
        phase = self._facts.speaker.get("phase", "starting")
        return None if phase in ("running", "joining") else f"the speaker is {phase}"

    def _metrics(self) -> Iterator[Metric]:
        return families(
            self._settings.node,
            self._facts,
            self._standalone.world,
            self._standalone.problems,
            self._readings,
            is_config_loaded=self._has_published,
        )

    def _status(self, pids: dict[str, int]) -> dict[str, object]:
        standalone = self._standalone
        return status(
            self._settings.node,
            self._settings.profile,
            pids,
            standalone.world,
            standalone.problems,
            self._facts,
            RuleOptions(
                is_exclude_label_ignored=self._settings.is_exclude_label_ignored,
                subnet_rule=SubnetRule(self._settings.subnet),
            ),
        )


async def _wait(wake: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
            wake.clear()
    except TimeoutError:
        pass
