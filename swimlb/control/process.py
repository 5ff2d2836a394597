"""The life of the controller: follow the cluster, take part in the election, write while leading, stop in order."""

from __future__ import annotations

import asyncio
import random
import secrets
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any, assert_never

from prometheus_client.core import Metric

from swimlb.config import Options, Resolved
from swimlb.control.settings import ControlSettings
from swimlb.control.webhooks import Webhooks
from swimlb.control.writing import ServiceCalls
from swimlb.controller import effects as fx
from swimlb.controller import events as ev
from swimlb.controller import lease as ls
from swimlb.controller import upkeep as up
from swimlb.controller.core import Controller
from swimlb.controller.records import NoteType, ServiceView, State
from swimlb.kube import news as nw
from swimlb.kube.client import Client
from swimlb.kube.errors import ApiError, TooManyRequests, Unavailable
from swimlb.kube.events import EventWriter, Happening, Subject
from swimlb.kube.feed import CONTROLLER_KINDS, ClusterFeed
from swimlb.kube.lease import LeaseCalls, lease_of
from swimlb.kube.reflector import Condition, Reflector
from swimlb.kube.resources import CONFIGURATION_STATES, IP_ADDRESS_POOLS, LEASES, SERVICES
from swimlb.kube.services import ServiceObject, service_view
from swimlb.kube.states import (
    STATE_NAME,
    PoolObject,
    ShownCounts,
    ShownState,
    StateWriter,
    has_lost_pool,
    shown_counts,
    shown_state,
    verdict_on,
    write_counts,
)
from swimlb.kube.store import Changes
from swimlb.model import Problem, Severity
from swimlb.observe.controller_metrics import Standing, controller_families
from swimlb.observe.endpoint import serve_health, serve_metrics
from swimlb.observe.logs import EventLog
from swimlb.observe.pool_metrics import pool_families
from swimlb.runtime import outbox as ob
from swimlb.runtime.driver import Driver
from swimlb.runtime.garbage import GarbageKeeper
from swimlb.runtime.recorder import Recorder

COMPONENT = "swimlb-controller"
"""Who Events are from."""

EVENTS_WAITING_MAX = 4096
"""Events are for people: of more than these at once, the rest is left out."""

STOP_TIME_MAX = 3.0
"""After SIGTERM: the last answers, and the Lease."""

READ_AGAIN_AFTER = 1.0


class Control:
    """One replica."""

    def __init__(self, settings: ControlSettings, client: Client, log: EventLog, rng: random.Random) -> None:
        self._settings = settings
        self._log = log
        self._instance = settings.pod or socket.gethostname()
        self._identity = f"{self._instance}_{secrets.token_hex(4)}"
        options = Options(system_namespace=settings.namespace, lb_class=settings.lb_class)
        self._options = options
        self._calls = ServiceCalls(client, options, log)
        self._lease = LeaseCalls(client, settings.namespace, settings.lease_name)
        self._event_writer = EventWriter(client, COMPONENT, self._instance)
        self._state_writer = StateWriter(client, settings.namespace, settings.pod)
        self._client = client
        self._tasks: asyncio.TaskGroup
        self._stopped = asyncio.Event()
        self._uids: dict[str, str] = {}
        recorder = Recorder()
        self._machine = Controller(rng, quarantine=settings.quarantine or None)
        self._elector = ls.Elector(self._identity, rng, settings.timing)
        self._happenings = ob.Outbox[str, Happening](rng, ob.Pace(in_flight_max=2))
        self._control = Driver("controller", self._machine, self._perform, recorder)
        self._election = Driver("election", self._elector, self._elect, recorder)
        self._upkeep = Driver("upkeep", up.Upkeep(rng), self._keep_up, recorder)
        self._telling = Driver("events", self._happenings, self._publish, recorder)
        self._told_problems: frozenset[Problem] = frozenset()
        self._refused: set[str] = set()
        """Statuses that the API server does not take; told once."""
        self._is_electing = False
        self._is_lease_refused = False
        self._feed = ClusterFeed(client, options, self._on_news, kinds=CONTROLLER_KINDS, rng=rng)
        self._webhooks = Webhooks(settings, client, lambda: self._feed.documents, log)
        self._services = self._reflector(
            SERVICES, self._reduce_service, self._on_services, into=ServiceObject
        )
        self._followed: list[Reflector[Any]] = [
            self._services,
            self._reflector(LEASES, lease_of, self._on_lease, **self._named(settings.lease_name)),
            self._reflector(
                IP_ADDRESS_POOLS, shown_counts, self._on_pools, into=PoolObject, namespace=settings.namespace
            ),
            self._reflector(CONFIGURATION_STATES, shown_state, self._on_state, **self._named(STATE_NAME)),
        ]

    async def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        garbage = GarbageKeeper()
        garbage.start()
        settings = self._settings
        try:
            async with AsyncExitStack() as stack:
                for context in (
                    serve_health(settings.health_host, settings.health_port, self._unready, self._log),
                    serve_metrics(settings.metrics_host, settings.metrics_port, self._families, self._log),
                ):
                    await stack.enter_async_context(context)
                async with asyncio.TaskGroup() as tasks:
                    self._tasks = tasks
                    running = [tasks.create_task(one.run()) for one in (self._feed, *self._followed)]
                    if settings.webhook_port:
                        running.append(tasks.create_task(self._webhooks.run()))
                    await self._stopped.wait()
                    for driver in (self._control, self._election, self._upkeep, self._telling):
                        driver.close()
                    for task in running:
                        task.cancel()
                    raise _Stopped
        except* _Stopped:
            self._log.info("controller_stopped")
        finally:
            garbage.close()

    def _stop(self) -> None:
        if not self._is_electing:
            self._stopped.set()
            return
        self._log.info("controller_stopping", is_leading=self._elector.is_leading)
        asyncio.get_running_loop().call_later(STOP_TIME_MAX, self._stopped.set)
        self._control.feed(ev.StopRequested())

    # What people and machines see

    def _unready(self) -> str | None:
        if not self._feed.is_synced or not self._services.store.is_synced:
            troubles = [f"{one.resource.name}: {one.message}" for one in self._feed.conditions]
            return "; ".join(["the cluster has not been read yet", *troubles])
        return None

    def _families(self) -> Iterator[Metric]:
        resolved = self._feed.resolved
        standing = Standing(
            is_configured=self._feed.is_synced,
            is_stale=bool(resolved.stale) or has_lost_pool(resolved),
            is_leading=self._elector.is_leading,
            writes_in_flight=self._machine.in_flight,
            writes_waiting=self._machine.waiting,
        )
        return iter([*pool_families(self._machine.counts()), *controller_families(standing)])

    # What is followed

    def _reflector(
        self,
        resource: Any,
        reduce: Callable[[Any], Any],
        sink: Callable[[Changes[Any]], None],
        **options: Any,
    ) -> Reflector[Any]:
        return Reflector(
            self._client,
            resource,
            reduce,
            sink,
            on_condition=self._on_condition,
            rng=random.Random(),
            **options,
        )

    def _named(self, name: str) -> dict[str, Any]:
        return {"namespace": self._settings.namespace, "field_selector": f"metadata.name={name}"}

    def _reduce_service(self, content: ServiceObject) -> ServiceView | None:
        return service_view(content, self._options)

    def _on_services(self, changes: Changes[ServiceView]) -> None:
        for key in changes.gone:
            if (uid := self._uids.pop(key, None)) is not None:
                self._control.feed(ev.ServiceGone(key, uid))
        for key, view in changes.put.items():
            self._uids[key] = view.uid
            self._control.feed(ev.ServiceSeen(view))
        self._begin_election()

    def _on_lease(self, changes: Changes[ls.Lease]) -> None:
        if not self._is_electing:
            return
        for lease in changes.put.values():
            self._election.feed(ls.LeaseSeen(lease))
        if changes.gone:
            self._election.feed(ls.LeaseSeen(None))

    def _on_pools(self, _: Changes[ShownCounts]) -> None:
        shown: dict[str, ShownCounts] = self._followed[2].values
        counts = {key.partition("/")[2]: one.counts for key, one in shown.items()}
        self._upkeep.feed(up.PoolsShown(counts))

    def _on_state(self, _: Changes[ShownState]) -> None:
        shown: list[ShownState] = list(self._followed[3].values.values())
        self._upkeep.feed(up.StateShown(shown[0].state if shown else None))

    def _on_news(self, news: Sequence[nw.News]) -> None:
        for one in news:
            match one:
                case nw.Configured(resolved):
                    self._configure(resolved)
                case nw.ConditionChanged(condition):
                    self._on_condition(condition)
                case nw.Synced():
                    self._log.info("cluster_read", pools=len(self._feed.resolved.configuration.pools))
                    self._begin_election()
                case nw.ServiceChanged() | nw.EndpointsChanged() | nw.NodeChanged():
                    pass  # Not followed by this feed.
                case _:
                    assert_never(one)

    def _configure(self, resolved: Resolved) -> None:
        if self._feed.standing.is_missing(IP_ADDRESS_POOLS):
            # No definition of pools is no order to take all addresses away.
            return
        fresh = [problem for problem in resolved.problems if problem not in self._told_problems]
        self._told_problems = frozenset(resolved.problems)
        for problem in fresh:
            log = self._log.error if problem.severity is Severity.ERROR else self._log.warning
            log(
                "configuration_problem",
                object=problem.object,
                field=problem.field,
                message=problem.message,
                hint=problem.hint,
            )
        pools = resolved.configuration.pools
        self._control.feed(ev.ConfigurationChanged(pools=pools, has_lost_pool=has_lost_pool(resolved)))
        self._upkeep.feed(up.Judged(verdict_on(resolved)))

    def _on_condition(self, condition: Condition) -> None:
        if condition.trouble is None:
            self._log.info("following", resource=condition.resource.name)
            return
        self._log.error(
            "cannot_follow",
            resource=condition.resource.name,
            trouble=condition.trouble.value,
            message=condition.message,
            hint=condition.hint,
        )

    # Election

    def _begin_election(self) -> None:
        """Who knows nothing yet does not stand."""
        if self._is_electing or not self._feed.is_synced or not self._services.store.is_synced:
            return
        self._is_electing = True
        self._spawn(self._read_lease())

    def _elect(self, effect: ls.Effect) -> None:
        match effect:
            case ls.ReadLease():
                self._spawn(self._read_lease())
            case ls.WriteLease(lease):
                self._spawn(self._write_lease(lease))
            case ls.Lead(term, until, is_clean):
                self._log.info("leading", term=term, after_clean_stop=is_clean, identity=self._identity)
                self._control.feed(ev.Elected(term, until, is_clean))
                self._upkeep.feed(up.LeadershipChanged(True))
            case ls.KeepLeading(until):
                self._control.feed(ev.Renewed(until))
            case ls.StopLeading(reason):
                self._log.warning("leading_ended", reason=reason)
                self._control.feed(ev.Deposed())
                self._upkeep.feed(up.LeadershipChanged(False))
            case ls.Resigned():
                self._stopped.set()
            case _:
                assert_never(effect)

    async def _read_lease(self) -> None:
        event: ls.Event = ls.LeaseReadFailed()
        try:
            async with asyncio.timeout(self._settings.timing.renew_deadline):
                event = await self._lease.read()
        except TimeoutError:
            pass
        self._election.feed(event)

    async def _write_lease(self, lease: ls.Lease) -> None:
        event: ls.Event = ls.LeaseWriteFailed()
        try:
            async with asyncio.timeout(self._settings.timing.renew_deadline):
                event = await self._lease.write(lease)
            self._is_lease_refused = False
        except TimeoutError:
            pass
        except ApiError as error:
            if not self._is_lease_refused and not isinstance(error, Unavailable | TooManyRequests):
                self._is_lease_refused = True
                self._log.error(
                    "lease_refused",
                    lease=f"{self._settings.namespace}/{self._settings.lease_name}",
                    reason=str(error),
                    hint="let the role of the controller create and update this Lease; it is tried again",
                )
        self._election.feed(event)

    # Writing

    def _perform(self, effect: fx.Effect) -> None:
        match effect:
            case fx.ReadWorld(term):
                self._spawn(self._read_world(term))
            case fx.Write():
                self._spawn(self._write(effect))
            case fx.Tell(key, uid, notes):
                namespace, _, name = key.partition("/")
                subject = Subject(SERVICES, namespace, name, uid)
                for note in notes:
                    log = self._log.warning if note.type is NoteType.WARNING else self._log.info
                    log("service_told", service=key, reason=note.reason, message=note.message)
                    self._tell(
                        Happening(subject=subject, type=note.type, reason=note.reason, message=note.message)
                    )
            case fx.Contended(key):
                self._log.warning(
                    "service_contended",
                    service=key,
                    hint="another controller writes this Service's status; stop it, or give it another class",
                )
            case fx.AddressesChanged():
                self._upkeep.feed(up.AddressesChanged())
            case fx.Drained(is_clean):
                self._election.feed(ls.ResignRequested(is_clean))
            case _:
                assert_never(effect)

    async def _read_world(self, term: int) -> None:
        while self._elector.is_leading and not self._stopped.is_set():
            try:
                views = await self._calls.read_world()
            except ApiError as error:
                self._log.warning("services_unread", reason=str(error))
                await asyncio.sleep(READ_AGAIN_AFTER)
                continue
            self._control.feed(ev.WorldRead(term, views))
            return

    async def _write(self, effect: fx.Write) -> None:
        for event in await self._calls.perform(effect):
            self._control.feed(event)

    def _tell(self, happening: Happening) -> None:
        if self._happenings.waiting < EVENTS_WAITING_MAX:
            self._telling.feed(ob.Put(happening.name, happening))

    def _publish(self, send: ob.Send[str, Happening]) -> None:
        self._spawn(self._publish_one(send))

    async def _publish_one(self, send: ob.Send[str, Happening]) -> None:
        try:
            await self._event_writer.publish(send.item)
        except (TooManyRequests, Unavailable) as error:
            self._telling.feed(ob.Failed(send.key, error.retry_after))
        except ApiError as error:
            # Its namespace is going, or we may not: it was for people, and they have the condition.
            self._log.warning("event_refused", service=send.item.subject.name, reason=str(error))
            self._telling.feed(ob.Dropped(send.key))
        else:
            self._telling.feed(ob.Done(send.key))

    def _keep_up(self, effect: up.Effect) -> None:
        match effect:
            case up.Count():
                self._upkeep.feed(up.Counted(self._machine.counts()))
            case ob.Send(key, item):
                self._spawn(self._write_status(key, item))

    async def _write_status(self, key: str, item: up.Item) -> None:
        """Of a pool, or the ConfigurationState. What is refused is told once, and tried again."""
        try:
            if isinstance(item, State):
                await self._state_writer.write(item)
            else:
                await write_counts(self._client, self._settings.namespace, item)
        except ApiError as error:
            is_busy = isinstance(error, TooManyRequests | Unavailable)
            if not is_busy and key not in self._refused:
                self._refused.add(key)
                self._log.error("status_refused", object=key, reason=str(error), hint="it is tried again")
            retry_after = error.retry_after if isinstance(error, TooManyRequests | Unavailable) else None
            self._upkeep.feed(ob.Failed(key, retry_after))
        else:
            self._refused.discard(key)
            self._upkeep.feed(ob.Done(key))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.create_task(work)


class _Stopped(Exception):
    """Ends the task group."""
