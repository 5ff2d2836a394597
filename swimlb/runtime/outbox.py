"""What is to be written to somewhere slow, and that may refuse: by key, the latest of each, a few at a time.

A sans-I/O machine. `Put` replaces what waits under a key; while an item is on its way, the next one of its key waits.
A failed item is tried again after a pause that doubles, a shortened one at random so that writers do not march in step;
a newer item of the key takes its place. When the other side asks to wait, nothing is sent for so long.

What may not be sent again blindly, as it stands on something that has changed, is answered with `Dropped`.
"""

from __future__ import annotations

import random
from collections.abc import Hashable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Generic, TypeAlias, TypeVar, assert_never

from swimlb.runtime.pauses import at_least

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Put(Generic[K, V]):
    """Write this, in place of what waits under the key."""

    key: K
    item: V
    not_before: float = 0.0
    """For what changes often: what comes until then takes its place."""


@dataclass(frozen=True, slots=True)
class Discard(Generic[K]):
    """What waits under the key need not be written any more."""

    key: K


@dataclass(frozen=True, slots=True)
class Done(Generic[K]):
    """What was on its way has been written."""

    key: K


@dataclass(frozen=True, slots=True)
class Dropped(Generic[K]):
    """It was not written and shall not be tried again."""

    key: K


@dataclass(frozen=True, slots=True)
class Failed(Generic[K]):
    """It may have been written or not. Try again."""

    key: K
    retry_after: float | None = None
    """Seconds for which the other side asks to be left alone, by everybody."""


@dataclass(frozen=True, slots=True)
class Send(Generic[K, V]):
    """Answer with Done, Dropped or Failed."""

    key: K
    item: V


Event: TypeAlias = Put[K, V] | Discard[K] | Done[K] | Dropped[K] | Failed[K]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many at a time, and the pauses, in seconds."""

    in_flight_max: int = 8
    """The API server's own fairness gives a client about as much; more would only wait there."""
    pause_min: float = 0.2
    pause_max: float = 30.0
    retry_after_max: float = 60.0
    """No longer is anybody believed who asks to wait."""


@dataclass(slots=True)
class _Waiting(Generic[V]):
    item: V
    due: float
    is_queued: bool = False


class Outbox(Generic[K, V]):
    """Holds at most one item for each key, so its size is that of the world it writes about."""

    def __init__(self, rng: random.Random, pace: Pace | None = None) -> None:
        self._rng = rng
        self._pace = pace or Pace()
        self._waiting: dict[K, _Waiting[V]] = {}
        self._in_flight: dict[K, V] = {}
        self._abandoned: set[K] = set()
        """In flight, and not to be tried again."""
        self._failures: dict[K, int] = {}
        self._queue: list[tuple[float, int, K]] = []
        """A heap of when to look at which key; may name some that have gone or are due later."""
        self._count = 0
        self._open_at = 0.0

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def is_in_flight(self, key: K) -> bool:
        return key in self._in_flight

    def item_in_flight(self, key: K) -> V:
        """What is on its way."""
        return self._in_flight[key]

    def step(self, event: Event[K, V], now: float) -> list[Send[K, V]]:
        match event:
            case Put(key, item, not_before):
                self._put(key, item, max(now, not_before))
            case Discard(key):
                self._waiting.pop(key, None)
                if key in self._in_flight:
                    self._abandoned.add(key)
                else:
                    self._failures.pop(key, None)
            case Done(key) | Dropped(key):
                self._in_flight.pop(key)
                self._abandoned.discard(key)
                self._failures.pop(key, None)
                self._queue_again(key, now)
            case Failed(key, retry_after):
                self._fail(key, retry_after, now)
            case _:
                assert_never(event)
        return self._pump(now)

    def advance(self, now: float) -> list[Send[K, V]]:
        return self._pump(now)

    def next_deadline(self) -> float | None:
        if not self._queue or len(self._in_flight) >= self._pace.in_flight_max:
            return None
        return max(self._queue[0][0], self._open_at)

    def clear(self) -> None:
        """Nothing that waits is written; what is on its way is still answered, and not tried again."""
        self._waiting.clear()
        self._queue.clear()
        self._failures = {key: count for key, count in self._failures.items() if key in self._in_flight}
        self._abandoned.update(self._in_flight)

    def _put(self, key: K, item: V, due: float) -> None:
        self._abandoned.discard(key)
        known = self._waiting.get(key)
        if known is not None:
            # Neither does news shorten the pause after a failure, nor does it prolong the wait.
            known.item = item
            return
        self._waiting[key] = _Waiting(item, due)
        self._queue_again(key, due)

    def _queue_again(self, key: K, now: float) -> None:
        waiting = self._waiting.get(key)
        if waiting is not None and key not in self._in_flight and not waiting.is_queued:
            waiting.is_queued = True
            waiting.due = max(waiting.due, now)
            self._count += 1
            heappush(self._queue, (waiting.due, self._count, key))

    def _fail(self, key: K, retry_after: float | None, now: float) -> None:
        item = self._in_flight.pop(key)
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause = min(self._pace.pause_max, self._pace.pause_min * 2.0 ** min(failures - 1, 16))
        if retry_after is not None:
            asked = at_least(min(retry_after, self._pace.retry_after_max), self._rng)
            self._open_at = max(self._open_at, now + asked)
        if key in self._abandoned:
            self._abandoned.remove(key)
            self._failures.pop(key, None)
            return
        waiting = self._waiting.setdefault(key, _Waiting(item, now))
        waiting.due = now + pause * self._rng.uniform(0.5, 1.0)
        self._queue_again(key, now)

    def _pump(self, now: float) -> list[Send[K, V]]:
        sends: list[Send[K, V]] = []
        while now >= self._open_at and len(self._in_flight) < self._pace.in_flight_max:
            if not self._queue or self._queue[0][0] > now:
                break
            due, _, key = heappop(self._queue)
            waiting = self._waiting.get(key)
            if waiting is None or not waiting.is_queued or waiting.due > due:
                continue
            del self._waiting[key]
            self._in_flight[key] = waiting.item
            sends.append(Send(key, waiting.item))
        return sends
