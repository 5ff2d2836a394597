"""What people are told about Services: in the log, and as Events."""

from __future__ import annotations

from swimlb.control.surroundings import Surroundings
from swimlb.controller import effects as fx
from swimlb.controller.records import NoteType
from swimlb.kube.event_queue import EventQueue
from swimlb.kube.events import EventWriter, Happening, Subject
from swimlb.kube.resources import SERVICES

COMPONENT = "swimlb-controller"
"""Who Events are from."""


class Telling:
    def __init__(self, around: Surroundings, instance: str) -> None:
        self._around = around
        writer = EventWriter(around.client, COMPONENT, instance)
        self._queue = EventQueue(writer, around.spawn, around.complaints, around.rng)

    def tell(self, told: fx.Tell) -> None:
        namespace, _, name = told.key.partition("/")
        subject = Subject(SERVICES, namespace, name, told.uid)
        for note in told.notes:
            log = self._around.log.warning if note.type is NoteType.WARNING else self._around.log.info
            log("service_told", service=told.key, reason=note.reason, message=note.message)
            self._queue.tell(
                Happening(subject=subject, type=note.type, reason=note.reason, message=note.message)
            )

    def close(self) -> None:
        self._queue.close()
