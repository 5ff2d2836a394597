"""Finding back together: lost members and unreached seeds are pinged until they answer.

memberlist never tries a member again once it is forgotten, so that two halves of a cut ring stay apart.
A ping costs one packet per interval and, unlike a join, no connection that hangs on a host that is down.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from membership.address import Endpoint
from membership.config import Config
from membership.members import State, Table
from membership.outbox import Outbox
from membership.pace import Pace
from membership.relay import ping

_REMEMBERED_MAX = 64
"""Addresses of forgotten members kept: the oldest goes first. One that answers brings all others with it."""
_SEEDS_MAX = 256
_PATIENCE_MAX = 32
"""Times the interval, between two exchanges with an address at which there is no member though somebody answers."""


@dataclass(frozen=True, slots=True)
class _Fruitless:
    patience: int
    """Intervals, twice as many each time."""
    not_before: float


class Rejoiner:
    """Once started, asks one address per interval; an ack from it is worth a push/pull."""

    def __init__(self, config: Config, pace: Pace, table: Table, outbox: Outbox, rng: Random) -> None:
        self._config = config
        self._pace = pace
        self._table = table
        self._outbox = outbox
        self._rng = rng
        self._seeds: dict[Endpoint, None] = {}
        self._remembered: dict[Endpoint, None] = {}
        self._asked: dict[int, Endpoint] = {}
        self._fruitless: dict[Endpoint, _Fruitless] = {}
        """Who has answered, and still is no member there: another address of a member, or a ring that refuses us."""
        self._turn: list[Endpoint] = []
        """Who is still to be asked before anyone is asked again."""
        self._next: float | None = None

    def start(self, now: float) -> None:
        self._next = now + self._jittered()

    def stop(self) -> None:
        self._next = None

    def add_seeds(self, seeds: Iterable[Endpoint]) -> None:
        self._seeds |= dict.fromkeys(seeds)
        _drop_oldest(self._seeds, _SEEDS_MAX)

    def replace_seeds(self, seeds: Iterable[Endpoint]) -> list[Endpoint]:
        """Have these seeds and no others; gives those that are new."""
        before, self._seeds = self._seeds, {}
        self.add_seeds(seeds)
        self._fruitless.clear()
        self._turn = [one for one in self._turn if one in self._seeds or one not in before]
        return [seed for seed in self._seeds if seed not in before]

    @property
    def candidate_count(self) -> int:
        """Addresses that somebody may have to be found at again, at the most."""
        return len(self._seeds) + len(self._remembered) + len(self._turn)

    def next_deadline(self) -> float | None:
        return self._next

    def advance(self, now: float) -> None:
        if self._next is None or now < self._next:
            return
        self._next = now + self._jittered()
        self._asked.clear()
        self._reap(now)
        while self._turn and self._table.has_member_at(self._turn[-1]):
            self._turn.pop()
        if not self._turn:
            candidates = list(self._candidates(now))
            self._turn = self._rng.sample(candidates, len(candidates))
        if self._turn:
            self._ask(self._turn.pop())

    def hear_ack(self, sequence: int, now: float) -> Endpoint | None:
        """Who answered, if this is about one of our questions."""
        if (endpoint := self._asked.pop(sequence, None)) is not None:
            before = self._fruitless.get(endpoint)
            patience = 2 if before is None else min(2 * before.patience, _PATIENCE_MAX)
            self._fruitless[endpoint] = _Fruitless(
                patience, now + patience * self._pace.profile.reconnect_interval
            )
        return endpoint

    def _reap(self, now: float) -> None:
        """Forget who has been dead or gone for long, but not where a dead one was."""
        for record in self._table.forget_before(now - self._pace.profile.gossip_to_the_dead_time):
            if record.state == State.DEAD:
                self._remembered.pop(record.endpoint, None)
                self._remembered[record.endpoint] = None
        _drop_oldest(self._remembered, _REMEMBERED_MAX)

    def _ask(self, endpoint: Endpoint) -> None:
        sequence = self._outbox.next_sequence()
        self._asked[sequence] = endpoint
        # No name: whoever is at this address now will do.
        self._outbox.send(endpoint, ping(self._config, sequence, ""))

    def _candidates(self, now: float) -> dict[Endpoint, None]:
        is_present = self._table.has_member_at
        self._remembered = {endpoint: None for endpoint in self._remembered if not is_present(endpoint)}
        lost = dict.fromkeys(record.endpoint for record in self._table.gone() if record.state == State.DEAD)
        everyone = lost | self._seeds | self._remembered
        absent = {endpoint: None for endpoint in everyone if not is_present(endpoint)}
        self._fruitless = {endpoint: one for endpoint, one in self._fruitless.items() if endpoint in absent}
        if lost:
            # Anybody may know of them.
            return absent
        return {
            endpoint: None
            for endpoint in absent
            if (one := self._fruitless.get(endpoint)) is None or now >= one.not_before
        }

    def _jittered(self) -> float:
        """So that the two halves of a ring do not ask in step."""
        return self._pace.profile.reconnect_interval * self._rng.uniform(0.75, 1.0)


def _drop_oldest(endpoints: dict[Endpoint, None], count_max: int) -> None:
    while len(endpoints) > count_max:
        del endpoints[next(iter(endpoints))]
