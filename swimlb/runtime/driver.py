"""Runs one sans-I/O machine on asyncio: feeds it events, performs its effects, keeps its one timer.

The machine decides, the driver carries: it reads the clock once per event, hands every effect to `perform` in the
order given, and asks for the next deadline afterwards. An effect may feed the same driver again (a send that fails
at once is an event); such an event waits until the effects before it have been performed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from swimlb.runtime import clock
from swimlb.runtime.recorder import Recorder

EventT = TypeVar("EventT")
EffectT = TypeVar("EffectT")
EventT_contra = TypeVar("EventT_contra", contravariant=True)


class Machine(Protocol[EventT_contra, EffectT]):
    """Every protocol participant and every decision maker has this shape."""

    def step(self, event: EventT_contra, now: float) -> list[EffectT]: ...

    def advance(self, now: float) -> list[EffectT]: ...

    def next_deadline(self) -> float | None: ...


class Driver(Generic[EventT, EffectT]):
    """Joins a machine to the event loop. `name` is what the recorder's lines call it.

    No recorder, where nobody would ever write out what it has: its turns hold on to megabytes of events.
    """

    def __init__(
        self,
        name: str,
        machine: Machine[EventT, EffectT],
        perform: Callable[[EffectT], None],
        recorder: Recorder | None = None,
    ) -> None:
        self._name = name
        self._machine = machine
        self._perform = perform
        self._recorder = recorder
        self._waiting: deque[EventT] = deque()
        self._is_running = False
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None
        self.lateness = 0.0
        """Seconds by which the last timer fired after its deadline: how late this process runs."""

    def feed(self, event: EventT) -> None:
        """Something happened. Returns when its effects have been performed, unless called from within one."""
        if self._is_closed:
            return
        self._waiting.append(event)
        if self._is_running:
            return
        self._is_running = True
        try:
            while self._waiting:
                self._turn(self._waiting.popleft())
        finally:
            self._is_running = False
        self._arm()

    def close(self) -> None:
        """No event and no deadline reaches the machine from now on."""
        self._is_closed = True
        self._waiting.clear()
        self._disarm()

    def _turn(self, event: EventT | None) -> None:
        now = clock.monotonic()
        effects = self._machine.advance(now) if event is None else self._machine.step(event, now)
        if self._recorder is not None:
            self._recorder.record(now, self._name, event, effects)
        for effect in effects:
            self._perform(effect)

    def _arm(self) -> None:
        if self._is_closed:
            return
        deadline = self._machine.next_deadline()
        if self._timer is not None and self._timer.when() == deadline:
            return
        self._disarm()
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._on_deadline, deadline)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_deadline(self, deadline: float) -> None:
        self._timer = None
        self.lateness = max(0.0, clock.monotonic() - deadline)
        self._is_running = True
        try:
            self._turn(None)
            while self._waiting:
                self._turn(self._waiting.popleft())
        finally:
            self._is_running = False
        self._arm()
