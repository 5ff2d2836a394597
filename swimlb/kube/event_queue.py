"""Publishing Events: for people, a few at a time, and without holding up anything else."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from typing import Any

from swimlb.kube.complaints import Complaints
from swimlb.kube.errors import ApiError, TooManyRequests, Unavailable
from swimlb.kube.events import EventWriter, Happening
from swimlb.kube.resources import EVENTS
from swimlb.runtime import outbox as ob
from swimlb.runtime.driver import Driver

WAITING_MAX = 4096
"""Of more than these at once, the rest is left out: conditions and status objects tell the same."""

IN_FLIGHT_MAX = 2


class EventQueue:
    """What the API server is too busy for is tried again; what it refuses is not."""

    def __init__(
        self,
        writer: EventWriter,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        complaints: Complaints,
        rng: random.Random,
    ) -> None:
        """`spawn` runs a call."""
        self._writer = writer
        self._spawn = spawn
        self._complaints = complaints
        self._outbox = ob.Outbox[str, Happening](rng, ob.Pace(in_flight_max=IN_FLIGHT_MAX))
        self._driver: Driver[ob.Event[str, Happening], ob.Send[str, Happening]] = Driver(
            "events", self._outbox, self._perform
        )

    def tell(self, happening: Happening) -> None:
        if self._outbox.waiting < WAITING_MAX:
            self._driver.feed(ob.Put(happening.name, happening))

    def close(self) -> None:
        """Nothing more is begun."""
        self._driver.close()

    def _perform(self, send: ob.Send[str, Happening]) -> None:
        self._spawn(self._publish(send))

    async def _publish(self, send: ob.Send[str, Happening]) -> None:
        try:
            await self._writer.publish(send.item)
        except (TooManyRequests, Unavailable) as error:
            self._driver.feed(ob.Failed(send.key, error.retry_after))
        except ApiError as error:
            # Its namespace is going, or we may not.
            self._complaints.refused(EVENTS.name, error)
            self._driver.feed(ob.Dropped(send.key))
        else:
            self._complaints.done(EVENTS.name)
            self._driver.feed(ob.Done(send.key))
