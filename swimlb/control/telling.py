"""Publishing Events: for people, a few at a time, and without holding up anything else."""

from __future__ import annotations

from swimlb.control.surroundings import Surroundings
from swimlb.controller import effects as fx
from swimlb.controller.records import NoteType
from swimlb.kube.errors import ApiError, TooManyRequests, Unavailable
from swimlb.kube.events import EventWriter, Happening, Subject
from swimlb.kube.resources import EVENTS, SERVICES
from swimlb.runtime import outbox as ob

COMPONENT = "swimlb-controller"
"""Who Events are from."""

WAITING_MAX = 4096
"""Of more than these at once, the rest is left out: conditions tell the same."""

IN_FLIGHT_MAX = 2


class Telling:
    """Logs what is told, and publishes it."""

    def __init__(self, around: Surroundings, instance: str) -> None:
        self._around = around
        self._writer = EventWriter(around.client, COMPONENT, instance)
        self._outbox = ob.Outbox[str, Happening](around.rng, ob.Pace(in_flight_max=IN_FLIGHT_MAX))
        self._driver = around.driver("events", self._outbox, self._perform)

    def tell(self, told: fx.Tell) -> None:
        namespace, _, name = told.key.partition("/")
        subject = Subject(SERVICES, namespace, name, told.uid)
        for note in told.notes:
            log = self._around.log.warning if note.type is NoteType.WARNING else self._around.log.info
            log("service_told", service=told.key, reason=note.reason, message=note.message)
            happening = Happening(subject=subject, type=note.type, reason=note.reason, message=note.message)
            if self._outbox.waiting < WAITING_MAX:
                self._driver.feed(ob.Put(happening.name, happening))

    def close(self) -> None:
        self._driver.close()

    def _perform(self, send: ob.Send[str, Happening]) -> None:
        self._around.spawn(self._publish(send))

    async def _publish(self, send: ob.Send[str, Happening]) -> None:
        try:
            await self._writer.publish(send.item)
        except (TooManyRequests, Unavailable) as error:
            self._driver.feed(ob.Failed(send.key, error.retry_after))
        except ApiError as error:
            # Its namespace is going, or we may not.
            self._around.complaints.refused(EVENTS.name, error)
            self._driver.feed(ob.Dropped(send.key))
        else:
            self._around.complaints.done(EVENTS.name)
            self._driver.feed(ob.Done(send.key))
