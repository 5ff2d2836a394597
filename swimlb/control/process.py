"""The life of the controller: follow the cluster, take part in the election, write while leading, stop in order."""

from __future__ import annotations

import asyncio
import random
import secrets
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from typing import assert_never

from prometheus_client.core import Metric

from swimlb.config import Options, Resolved
from swimlb.control.election import Election, Outcome
from swimlb.control.settings import ControlSettings
from swimlb.control.statuses import Statuses
from swimlb.control.surroundings import Surroundings
from swimlb.control.telling import Telling
from swimlb.control.webhooks import Webhooks
from swimlb.control.writing import ServiceCalls
from swimlb.controller import effects as fx
from swimlb.controller import events as ev
from swimlb.controller import lease as ls
from swimlb.controller.core import Controller
from swimlb.controller.records import ServiceView
from swimlb.kube import news as nw
from swimlb.kube.client import Client
from swimlb.kube.feed import CONTROLLER_KINDS, ClusterFeed
from swimlb.kube.resources import IP_ADDRESS_POOLS, SERVICES
from swimlb.kube.services import ServiceObject, service_view
from swimlb.kube.states import has_lost_pool, verdict_on
from swimlb.kube.store import Changes
from swimlb.model import Problem
from swimlb.observe.api_metrics import api_families
from swimlb.observe.controller_metrics import Standing, controller_families
from swimlb.observe.endpoint import serve_health
from swimlb.observe.logs import EventLog
from swimlb.observe.pool_metrics import pool_families
from swimlb.observe.problems import log_problems
from swimlb.observe.scraping import serve_scrapers
from swimlb.runtime.garbage import GarbageKeeper

STOP_TIME_MAX = 3.0
"""After SIGTERM: the last answers, and the Lease."""


class Control:
    """One replica."""

    def __init__(self, settings: ControlSettings, client: Client, log: EventLog, rng: random.Random) -> None:
        self._settings = settings
        self._log = log
        self._client = client
        self._instance = settings.pod or socket.gethostname()
        self._identity = f"{self._instance}_{secrets.token_hex(4)}"
        self._options = Options(system_namespace=settings.namespace, lb_class=settings.lb_class)
        self._around = around = Surroundings(settings, client, log, rng)
        self._calls = ServiceCalls(client, self._options, around.complaints)
        self._machine = Controller(rng, quarantine=settings.quarantine or None)
        self._driver = around.driver("controller", self._machine, self._perform)
        self._election = Election(around, self._identity, self._on_outcome)
        self._statuses = Statuses(around, self._machine.counts)
        self._telling = Telling(around, self._instance)
        self._feed = ClusterFeed(client, self._options, self._on_news, kinds=CONTROLLER_KINDS, rng=rng)
        self._webhooks = Webhooks(settings, client, lambda: self._feed.documents, log)
        self._services = around.reflector(
            SERVICES, self._reduce_service, self._on_services, into=ServiceObject
        )
        self._uids: dict[str, str] = {}
        """Of the Services that the watch has told of."""
        self._told_problems: frozenset[Problem] = frozenset()
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        garbage, settings = GarbageKeeper(), self._settings
        garbage.start()
        try:
            async with AsyncExitStack() as stack:
                for context in (
                    serve_health(settings.health_host, settings.health_port, self._unready, self._log),
                    serve_scrapers(settings, self._instance, self._families, self._log, self._client),
                ):
                    await stack.enter_async_context(context)
                async with asyncio.TaskGroup() as tasks:
                    self._around.tasks = tasks
                    followed = (self._services, self._election.reflector, *self._statuses.reflectors)
                    for one in (self._feed, *followed):
                        tasks.create_task(one.run())
                    if settings.webhook_port:
                        tasks.create_task(self._webhooks.run())
                    await self._stopped.wait()
                    for part in (self._driver, self._election, self._statuses, self._telling):
                        part.close()
                    raise _Stopped
        except* _Stopped:
            self._log.info("controller_stopped")
        finally:
            garbage.close()

    def _stop(self) -> None:
        if not self._election.has_begun:
            self._stopped.set()
            return
        self._log.info("controller_stopping", is_leading=self._election.is_leading)
        asyncio.get_running_loop().call_later(STOP_TIME_MAX, self._stopped.set)
        self._driver.feed(ev.StopRequested())

    # What people and machines see

    def _unready(self) -> str | None:
        if self._has_read_cluster:
            return self._webhooks.unready()
        troubles = [f"{one.resource.name}: {one.message}" for one in self._feed.conditions]
        return "; ".join(["the cluster has not been read yet", *troubles])

    def _families(self) -> Iterator[Metric]:
        resolved = self._feed.resolved
        standing = Standing(
            is_configured=self._feed.is_synced,
            is_stale=bool(resolved.stale) or has_lost_pool(resolved),
            is_leading=self._election.is_leading,
            writes_in_flight=self._machine.in_flight,
            writes_waiting=self._machine.waiting,
        )
        return iter(
            [
                *pool_families(self._machine.counts()),
                *controller_families(standing),
                *api_families(self._client.metrics),
            ]
        )

    # What is followed

    @property
    def _has_read_cluster(self) -> bool:
        return self._feed.is_synced and self._services.store.is_synced

    def _reduce_service(self, content: ServiceObject) -> ServiceView | None:
        return service_view(content, self._options)

    def _on_services(self, changes: Changes[ServiceView]) -> None:
        for key in changes.gone:
            if (uid := self._uids.pop(key, None)) is not None:
                self._driver.feed(ev.ServiceGone(key, uid))
        for key, view in changes.put.items():
            self._uids[key] = view.uid
            self._driver.feed(ev.ServiceSeen(view))
        self._stand()

    def _on_news(self, news: Sequence[nw.News]) -> None:
        for one in news:
            match one:
                case nw.Configured(resolved):
                    self._configure(resolved)
                case nw.ConditionChanged(condition):
                    self._around.tell_condition(condition)
                case nw.Synced():
                    self._log.info("cluster_read", pools=len(self._feed.resolved.configuration.pools))
                    self._stand()
                case nw.ServiceChanged() | nw.EndpointsChanged() | nw.NodeChanged():
                    pass  # Not followed by this feed.
                case _:
                    assert_never(one)

    def _configure(self, resolved: Resolved) -> None:
        if self._feed.standing.is_missing(IP_ADDRESS_POOLS):
            # No definition of pools is no order to take all addresses away.
            return
        log_problems(self._log, (one for one in resolved.problems if one not in self._told_problems))
        self._told_problems = frozenset(resolved.problems)
        pools = resolved.configuration.pools
        self._driver.feed(ev.ConfigurationChanged(pools=pools, has_lost_pool=has_lost_pool(resolved)))
        self._statuses.judge(verdict_on(resolved))

    def _stand(self) -> None:
        """Who knows nothing yet does not stand for election."""
        if self._has_read_cluster and not self._election.has_begun:
            self._election.begin()

    def _on_outcome(self, outcome: Outcome) -> None:
        match outcome:
            case ls.Lead(term, until, is_clean):
                self._log.info("leading", term=term, after_clean_stop=is_clean, identity=self._identity)
                self._driver.feed(ev.Elected(term, until, is_clean))
                self._statuses.lead(True)
            case ls.KeepLeading(until):
                self._driver.feed(ev.Renewed(until))
            case ls.StopLeading(reason):
                self._log.warning("leading_ended", reason=reason)
                self._driver.feed(ev.Deposed())
                self._statuses.lead(False)
            case ls.Resigned():
                self._stopped.set()
            case _:
                assert_never(outcome)

    # What is done

    def _perform(self, effect: fx.Effect) -> None:
        match effect:
            case fx.ReadWorld(term):
                self._around.spawn(self._read_world(term))
            case fx.Write():
                self._around.spawn(self._write(effect))
            case fx.Tell():
                self._telling.tell(effect)
            case fx.Contended(key):
                self._log.warning(
                    "service_contended",
                    service=key,
                    hint="another controller writes this Service's status; stop it, or give it another class",
                )
            case fx.Unfenced(key):
                self._log.warning(
                    "service_not_fenced",
                    service=key,
                    hint="its status cannot be written, see write_refused; the others have waited for that, and go on without",
                )
            case fx.AddressesChanged():
                self._statuses.note_addresses_changed()
            case fx.Drained(is_clean):
                self._statuses.lead(False)
                self._election.resign(is_clean)
            case _:
                assert_never(effect)

    async def _read_world(self, term: int) -> None:
        def is_wanted() -> bool:
            return self._election.term == term and not self._stopped.is_set()

        views = await self._calls.read_world(is_wanted, self._around.rng)
        if views is not None:
            self._driver.feed(ev.WorldRead(term, views))

    async def _write(self, effect: fx.Write) -> None:
        for event in await self._calls.perform(effect):
            self._driver.feed(event)


class _Stopped(Exception):
    """Ends the task group."""
