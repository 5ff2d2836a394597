"""The table of members: what is known of each, whom to probe next, whom to pick by chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from random import Random

from membership.address import Endpoint, host_of
from membership.wire.messages import Alive
from membership.wire.stream import NodeState

_PICK_ALL_BELOW = 64


class State(IntEnum):
    """With the numbers of push/pull."""

    ALIVE = 0
    SUSPECT = 1
    DEAD = 2
    LEFT = 3


@dataclass(frozen=True, slots=True)
class Member:
    """One member as others may see it; a copy, so it does not change."""

    name: str
    address: str
    port: int
    meta: bytes
    incarnation: int
    state: State


@dataclass(slots=True)
class Record:
    """One row of the table. Its state is written by `Table.set_state` only."""

    name: str
    octets: bytes
    """The address exactly as it was received: others compare it byte for byte."""
    port: int
    meta: bytes
    versions: bytes
    incarnation: int
    state: State
    changed_at: float
    """When the state last changed."""

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(host_of(self.octets), self.port)

    @property
    def is_member(self) -> bool:
        """A suspect still is one."""
        return self.state in (State.ALIVE, State.SUSPECT)

    @property
    def protocol_max(self) -> int:
        return self.versions[1]

    def member(self) -> Member:
        return Member(self.name, host_of(self.octets), self.port, self.meta, self.incarnation, self.state)

    def alive(self) -> Alive:
        return Alive(self.incarnation, self.name, self.octets, self.port, self.meta, self.versions)

    def node_state(self) -> NodeState:
        return NodeState(
            self.name, self.octets, self.port, self.meta, self.incarnation, self.state, self.versions
        )


class Table:
    """All known members, this one included, by name and in the order of probing."""

    def __init__(self, local: Record, rng: Random) -> None:
        self.local = local
        self._rng = rng
        self._by_name = {local.name: local}
        self._order: list[Record] = []
        self._cursor = 0
        self._counts = [0] * len(State)
        self._counts[local.state] += 1

    def __len__(self) -> int:
        return len(self._by_name)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._by_name.values())

    def get(self, name: str) -> Record | None:
        return self._by_name.get(name)

    def count(self, state: State) -> int:
        return self._counts[state]

    def add(self, record: Record) -> None:
        """Take a new member at a random position of the probe order (SWIM section 4.3)."""
        assert record.name not in self._by_name
        self._by_name[record.name] = record
        self._counts[record.state] += 1
        position = self._rng.randint(0, len(self._order))
        self._order.append(record)
        self._order[position], self._order[-1] = self._order[-1], self._order[position]

    def set_state(self, record: Record, state: State, now: float) -> None:
        if record.state != state:
            self._counts[record.state] -= 1
            self._counts[state] += 1
            record.state, record.changed_at = state, now

    def forget_before(self, moment: float) -> list[Record]:
        """Drop and return those dead or gone since before `moment`."""
        gone = [record for record in self._order if not record.is_member and record.changed_at < moment]
        for record in gone:
            del self._by_name[record.name]
            self._counts[record.state] -= 1
            self._order.remove(record)
        self._cursor = min(self._cursor, len(self._order))
        return gone

    def next_to_probe(self) -> Record | None:
        """The next member in turn, or None when there is nobody else.

        The order is random but stays the same from round to round, unlike memberlist's. The longest gap
        between two probes of a member is then n - 1 intervals and not 2n - 3.
        """
        for _ in range(len(self._order)):
            self._cursor = (self._cursor + 1) % len(self._order)
            if (record := self._order[self._cursor]).is_member:
                return record
        return None

    def pick(self, count: int, is_eligible: Callable[[Record], bool]) -> list[Record]:
        """Up to `count` others by chance. In a large table a candidate may be missed, but not the time."""
        if len(self._order) <= _PICK_ALL_BELOW:
            eligible = [record for record in self._order if is_eligible(record)]
            return self._rng.sample(eligible, min(count, len(eligible)))
        picked: dict[str, Record] = {}
        for _ in range(3 * count + _PICK_ALL_BELOW):
            record = self._order[self._rng.randrange(len(self._order))]
            if is_eligible(record):
                picked[record.name] = record
                if len(picked) == count:
                    break
        return list(picked.values())
