"""What all parts of the controller's process share: the API server, the log, chance, and where their work runs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from swimlb.control.settings import ControlSettings
from swimlb.kube.client import Client
from swimlb.kube.complaints import Complaints
from swimlb.kube.following import Trouble
from swimlb.kube.reflector import Condition, Reflector
from swimlb.kube.resources import Resource
from swimlb.kube.store import Changes
from swimlb.observe.logs import EventLog
from swimlb.runtime.driver import Driver, Machine

EventT = TypeVar("EventT")
EffectT = TypeVar("EffectT")
T = TypeVar("T")


class Surroundings:
    """`tasks` is set while the process runs."""

    def __init__(self, settings: ControlSettings, client: Client, log: EventLog, rng: random.Random) -> None:
        self.settings = settings
        self.client = client
        self.log = log
        self.rng = rng
        self.complaints = Complaints(log, "controller")
        self.tasks: asyncio.TaskGroup
        self._troubles: dict[Resource, Trouble] = {}
        """As they were told last."""

    def driver(
        self, name: str, machine: Machine[EventT, EffectT], perform: Callable[[EffectT], None]
    ) -> Driver[EventT, EffectT]:
        return Driver(name, machine, perform)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """A call, whose end is an event."""
        self.tasks.create_task(work)

    def reflector(
        self,
        resource: Resource,
        reduce: Callable[[Any], T | None],
        sink: Callable[[Changes[T]], None],
        **options: Any,
    ) -> Reflector[T]:
        rng = random.Random(self.rng.getrandbits(64))
        return Reflector(
            self.client, resource, reduce, sink, on_condition=self.tell_condition, rng=rng, **options
        )

    def named(self, name: str) -> dict[str, str]:
        """Options of a reflector that follows one object of the system namespace."""
        return {"namespace": self.settings.namespace, "field_selector": f"metadata.name={name}"}

    def tell_condition(self, condition: Condition) -> None:
        """Once, though several parts may follow the same kind."""
        resource, trouble = condition.resource, condition.trouble
        if self._troubles.get(resource) is trouble:
            return
        if trouble is None:
            del self._troubles[resource]
            self.log.info("following", resource=resource.name)
            return
        self._troubles[resource] = trouble
        self.log.error(
            "cannot_follow",
            resource=resource.name,
            trouble=trouble.value,
            message=condition.message,
            hint=condition.hint,
        )
