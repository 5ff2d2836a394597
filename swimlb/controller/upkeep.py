"""What the leader keeps up to date besides Services: how full the pools are, and the verdict on the configuration.

Counts change with every Service, and taking them costs a look at all: they are taken at most once in `COUNT_INTERVAL`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from swimlb.allocator import PoolCounts
from swimlb.controller.records import State
from swimlb.runtime import outbox as ob

COUNT_INTERVAL = 1.0

STATE = "state"
"""The key of the ConfigurationState; those of pools begin with `pool/`."""


@dataclass(frozen=True, slots=True)
class PoolsShown:
    """What the status of each pool says; None: nothing yet. All pools there are."""

    counts: Mapping[str, PoolCounts | None]


@dataclass(frozen=True, slots=True)
class StateShown:
    """What the ConfigurationState says; None: it is not there."""

    state: State | None


@dataclass(frozen=True, slots=True)
class Judged:
    """The configuration was judged anew."""

    state: State


@dataclass(frozen=True, slots=True)
class AddressesChanged:
    """Counts may be other ones."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The answer to Count."""

    counts: tuple[PoolCounts, ...]


@dataclass(frozen=True, slots=True)
class LeadershipChanged:
    is_leading: bool


@dataclass(frozen=True, slots=True)
class Count:
    """Take the counts."""


Item: TypeAlias = PoolCounts | State
Answer: TypeAlias = ob.Done[str] | ob.Dropped[str] | ob.Failed[str]
Event: TypeAlias = PoolsShown | StateShown | Judged | AddressesChanged | Counted | LeadershipChanged | Answer
Effect: TypeAlias = Count | ob.Send[str, Item]


class Upkeep:
    """Compares what should be shown with what is, and has the difference written."""

    def __init__(self, rng: random.Random) -> None:
        self._outbox = ob.Outbox[str, Item](rng, ob.Pace(in_flight_max=2))
        self._is_leading = False
        self._shown: Mapping[str, PoolCounts | None] = {}
        self._counts: dict[str, PoolCounts] = {}
        self._shown_state: State | None = None
        self._state: State | None = None
        self._count_at: float | None = None

    def step(self, event: Event, now: float) -> list[Effect]:
        match event:
            case PoolsShown(counts):
                gone, self._shown = self._shown.keys() - counts.keys(), counts
                return [*self._forget_pools(gone, now), *self._compare_pools(now)]
            case StateShown(state):
                self._shown_state = state
                return self._compare_state(now)
            case Judged(state):
                self._state = state
                return self._compare_state(now)
            case AddressesChanged():
                self._count_at = self._count_at or now + COUNT_INTERVAL
                return []
            case Counted(counts):
                self._counts = {one.pool: one for one in counts}
                return self._compare_pools(now)
            case LeadershipChanged(is_leading):
                return self._change_leadership(is_leading, now)
            case ob.Done() | ob.Dropped() | ob.Failed():
                return self._sent(self._outbox.step(event, now))
            case _:
                assert_never(event)

    def advance(self, now: float) -> list[Effect]:
        effects = self._sent(self._outbox.advance(now))
        if self._is_leading and self._count_at is not None and now >= self._count_at:
            self._count_at = None
            effects.append(Count())
        return effects

    def next_deadline(self) -> float | None:
        deadlines = [self._outbox.next_deadline(), self._count_at if self._is_leading else None]
        return min((one for one in deadlines if one is not None), default=None)

    def _change_leadership(self, is_leading: bool, now: float) -> list[Effect]:
        self._is_leading = is_leading
        if not is_leading:
            self._outbox.clear()
            self._counts = {}
            return []
        return self._compare_state(now)

    def _compare_pools(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for name, shown in self._shown.items():
            wanted, key = self._counts.get(name), f"pool/{name}"
            if not self._is_leading or wanted is None or wanted == shown:
                effects += self._sent(self._outbox.step(ob.Discard(key), now))
            else:
                effects += self._sent(self._outbox.step(ob.Put(key, wanted), now))
        return effects

    def _forget_pools(self, names: Iterable[str], now: float) -> list[Effect]:
        """There is nothing any more that could show how full they are."""
        return [
            one for name in names for one in self._sent(self._outbox.step(ob.Discard(f"pool/{name}"), now))
        ]

    def _compare_state(self, now: float) -> list[Effect]:
        wanted = self._state
        if not self._is_leading or wanted is None or wanted == self._shown_state:
            return self._sent(self._outbox.step(ob.Discard(STATE), now))
        return self._sent(self._outbox.step(ob.Put(STATE, wanted), now))

    def _sent(self, sends: Iterable[ob.Send[str, Item]]) -> list[Effect]:
        return list(sends)
