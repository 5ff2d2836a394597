"""What this node tells the cluster of itself: the shell around `swimlb.reporting`, between *wire*'s facts and the API server."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Any, cast

import msgpack

from swimlb.kube.announcements import AnnouncementObject, AnnouncementWriter, Owner, read_announcement
from swimlb.kube.client import Client
from swimlb.kube.complaints import Complaints
from swimlb.kube.errors import ApiError, Forbidden, NotFound, TooManyRequests
from swimlb.kube.reflector import Condition, Reflector
from swimlb.kube.resources import SERVICE_BGP_STATUSES, SERVICE_L2_STATUSES, Resource
from swimlb.kube.store import Changes
from swimlb.reporting.statuses import (
    Announced,
    Content,
    Create,
    Delete,
    Effect,
    Event,
    ObjectsSeen,
    Refused,
    SetContent,
    Statuses,
    StatusObject,
    TellAssigned,
    Written,
)
from swimlb.runtime.driver import Driver
from swimlb.runtime.replica import Batch
from swimlb.watch.service_events import ServiceEvents

FORBIDDEN_PAUSE = 30.0
"""Seconds after which a write is tried again that a role or a missing definition does not allow: for all of its kind."""

_PREFIX = "announced/"


def announced_changes(batch: Batch, by: str) -> dict[str, Content | None]:
    """What a batch of facts says of Services that this node announces by `by`, "l2" or "bgp"."""
    end = f"/{by}"
    changes: dict[str, Content | None] = {
        key[len(_PREFIX) : -len(end)]: None
        for key in batch.removed
        if key.startswith(_PREFIX) and key.endswith(end)
    }
    for key, value in batch.put.items():
        if key.startswith(_PREFIX) and key.endswith(end):
            fact = cast("dict[str, Any]", msgpack.unpackb(value))
            changes[fact["service"]] = tuple(fact["peers" if by == "bgp" else "interfaces"] or ())
    return changes


def _phase_of(batch: Batch) -> str | None:
    """What a batch of facts says of the phase that *wire* is in, if anything."""
    fact = batch.put.get("speaker")
    return None if fact is None else cast("dict[str, Any]", msgpack.unpackb(fact)).get("phase")


class StatusKeeper:
    """Keeps the objects of one kind: `ServiceL2Status` or `ServiceBGPStatus`."""

    def __init__(
        self,
        writer: AnnouncementWriter,
        by: str,
        on_assigned: Callable[[str], None],
        on_condition: Callable[[Condition], None],
        complaints: Complaints,
        tasks: asyncio.TaskGroup,
        rng: random.Random,
    ) -> None:
        self._writer = writer
        self._by = by
        self._on_assigned = on_assigned
        self._complaints = complaints
        self._tasks = tasks
        is_exclusive = writer.resource is SERVICE_L2_STATUSES
        owner = "" if writer.owner is None else writer.owner.uid
        self._statuses = Statuses(writer.node, owner, rng, is_exclusive=is_exclusive)
        self._driver: Driver[Event, Effect] = Driver(f"{by} statuses", self._statuses, self._perform)
        self._reflector: Reflector[StatusObject] = Reflector(
            writer.client,
            writer.resource,
            read_announcement,
            self._on_objects,
            into=AnnouncementObject,
            namespace=writer.namespace,
            # Of what many nodes write, each only looks at its own.
            label_selector=None if is_exclusive else f"metallb.io/node={writer.node}",
            on_condition=on_condition,
            rng=random.Random(rng.getrandbits(64)),
        )
        self._unsynced: dict[str, StatusObject] = {}
        self._is_synced = False

    async def run(self) -> None:
        try:
            await self._reflector.run()
        finally:
            self._driver.close()

    def learn(self, batch: Batch) -> None:
        """What *wire* says."""
        self._driver.feed(Announced(announced_changes(batch, self._by)))

    def _on_objects(self, changes: Changes[StatusObject]) -> None:
        if not self._is_synced:
            self._unsynced |= changes.put
            for key in changes.gone:
                self._unsynced.pop(key, None)
            if not changes.is_synced:
                return
            self._is_synced = True
            self._driver.feed(ObjectsSeen(tuple(self._unsynced.values())))
            self._unsynced = {}
            return
        gone = tuple(key.rpartition("/")[2] for key in changes.gone)
        self._driver.feed(ObjectsSeen(tuple(changes.put.values()), gone))

    def _perform(self, effect: Effect) -> None:
        match effect:
            case TellAssigned(service):
                self._on_assigned(service)
            case Create() | SetContent() | Delete():
                self._tasks.create_task(self._write(effect))

    async def _write(self, order: Create | SetContent | Delete) -> None:
        name = self._writer.resource.name
        try:
            made = await self._writer.perform(order)
        except NotFound as error:
            if error.is_kind_missing or not isinstance(order, SetContent):
                self._complaints.refused(name, error)
                self._driver.feed(Refused(order.service, FORBIDDEN_PAUSE))
                return
            self._driver.feed(ObjectsSeen(gone=(order.name,)))
            self._driver.feed(Written(order.service))
        except ApiError as error:
            self._complaints.refused(name, error)
            self._driver.feed(Refused(order.service, _pause_of(error)))
        else:
            self._complaints.done(name)
            self._driver.feed(Written(order.service, made))


def _pause_of(error: ApiError) -> float | None:
    match error:
        case TooManyRequests():
            return error.retry_after
        case Forbidden() | NotFound():
            return FORBIDDEN_PAUSE
        case _:
            return None


class Reports:
    """All of it. `learn` is for facts of *wire*, which may come before `run`."""

    def __init__(self, node: str, namespace: str, client: Client, complaints: Complaints) -> None:
        self._node = node
        self._namespace = namespace
        self._client = client
        self._keepers: list[StatusKeeper] = []
        self._phase: str | None = None
        """Of *wire*."""
        self._is_telling = False
        self._early: Batch | None = None
        """Facts that came before there was anybody to tell of them, as one batch."""
        self._complaints = complaints

    def learn(self, batch: Batch) -> None:
        """Nothing is told on before *wire* runs: one that starts announces nothing yet, which is no news."""
        self._phase = _phase_of(batch) or self._phase
        if self._is_telling:
            for keeper in self._keepers:
                keeper.learn(batch)
            return
        known = {} if self._early is None else self._early.put
        put = {key: value for key, value in (known | batch.put).items() if key not in batch.removed}
        self._early = Batch(
            {key: value for key, value in put.items() if key.startswith(_PREFIX)}, frozenset()
        )
        self._tell_early()

    def _tell_early(self) -> None:
        if self._early is None or not self._keepers or self._phase in (None, "starting", "joining"):
            return
        for keeper in self._keepers:
            keeper.learn(self._early)
        self._early, self._is_telling = None, True

    async def run(
        self, owner: Owner | None, events: ServiceEvents, on_condition: Callable[[Condition], None]
    ) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for resource, by, protocol in _KINDS:
                writer = AnnouncementWriter(
                    client=self._client,
                    resource=resource,
                    namespace=self._namespace,
                    node=self._node,
                    owner=owner,
                )

                def tell(service: str, protocol: str = protocol) -> None:
                    events.assigned(service, protocol)

                keeper = StatusKeeper(
                    writer, by, tell, on_condition, self._complaints, tasks, random.Random()
                )
                self._keepers.append(keeper)
                tasks.create_task(keeper.run())
            self._tell_early()


_KINDS: Iterable[tuple[Resource, str, str]] = (
    (SERVICE_L2_STATUSES, "l2", "layer2"),
    (SERVICE_BGP_STATUSES, "bgp", "bgp"),
)
