"""What *watch* answers to people and their tools, whatever the source of its knowledge is: status API, metrics, health."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from prometheus_client.core import Metric

from swimlb.model import Problem
from swimlb.observe.endpoint import serve_health
from swimlb.observe.logs import EventLog
from swimlb.observe.scraping import serve_scrapers
from swimlb.settings import Settings
from swimlb.speaker.links import SubnetRule
from swimlb.speaker.rules import RuleOptions
from swimlb.watch import api
from swimlb.watch.metrics import ReadingCounts, families
from swimlb.watch.status import Facts, status
from swimlb.watch.world import World

if TYPE_CHECKING:
    from swimlb.kube.client import Client


class Source(Protocol):
    """Where *watch* has from what is to be served."""

    @property
    def world(self) -> World: ...

    @property
    def problems(self) -> tuple[Problem, ...]: ...

    def describe(self) -> dict[str, Any]:
        """For people: what it is, and how old."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    settings: Settings
    source: Source
    own_problems: Callable[[], tuple[Problem, ...]]
    """Those of the source that are about this node: metrics tell of them alone."""
    facts: Facts
    readings: ReadingCounts
    pids: dict[str, int]
    has_published: Callable[[], bool]
    """Whether *wire* has been told what to serve."""
    log: EventLog
    client: Client | None = None
    """To the API server, if there is one."""

    @asynccontextmanager
    async def serve(self) -> AsyncGenerator[None, None]:
        """While the context lasts."""
        settings = self.settings
        socket = Path(settings.run_dir) / api.SOCKET_NAME
        async with (
            api.serve(socket, self._status),
            serve_health(settings.health_host, settings.health_port, self._unready, self.log),
            serve_scrapers(settings, settings.node, self.metrics, self.log, self.client),
        ):
            yield

    def _unready(self) -> str | None:
        """Nothing else than that *wire* serves: what is wrong with single objects is no reason to call a node unfit."""
        phase = self.facts.speaker.get("phase", "starting")
        return None if phase in ("running", "joining") else f"the speaker is {phase}"

    def metrics(self) -> Iterator[Metric]:
        told = families(
            self.settings.node,
            self.facts,
            self.source.world,
            self.own_problems(),
            self.readings,
            is_config_loaded=self.has_published(),
        )
        if self.client is None:
            return told
        from swimlb.observe.api_metrics import api_families

        return chain(told, api_families(self.client.metrics))

    def _status(self) -> dict[str, Any]:
        settings = self.settings
        return status(
            settings.node,
            settings.profile,
            self.pids,
            self.source.world,
            self.source.problems,
            self.facts,
            rule_options(settings),
            self.source.describe(),
        )


def rule_options(settings: Settings) -> RuleOptions:
    """The rules by which this node's *wire* elects."""
    return RuleOptions(
        is_exclude_label_ignored=settings.is_exclude_label_ignored, subnet_rule=SubnetRule(settings.subnet)
    )
