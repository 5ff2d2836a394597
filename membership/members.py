"""The table of members: what is known of each, whom to probe next, whom to pick by chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from random import Random

from membership.address import Endpoint, host_of
from membership.circle import Circle
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


@dataclass(slots=True, eq=False)
class Record:
    """One row of the table. `Table.set_state` alone writes its state, `Table.move` its address."""

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
    endpoint: Endpoint = field(init=False)
    position: int = field(init=False, default=-1)
    """Where the record stands in its table's order of probing."""

    def __post_init__(self) -> None:
        self.endpoint = Endpoint(host_of(self.octets), self.port)

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
    """All known members, this one included, by name and in the order of probing.

    Nothing here that happens often costs more in a ring of thousands: there is an index for every question
    that is asked at each tick.
    """

    def __init__(self, local: Record, rng: Random) -> None:
        self.local = local
        self._rng = rng
        self._by_name = {local.name: local}
        self._order: list[Record] = []
        self._cursor = 0
        self._counts = [0] * len(State)
        self._counts[local.state] += 1
        self._gone: dict[str, Record] = {}
        """The dead and those that have left, the longest gone first."""
        self._members_at: dict[Endpoint, int] = {local.endpoint: 1}
        self._circle: Circle | None = None
        self.changes = 0
        """Grows with every change of somebody's state or address."""

    def __len__(self) -> int:
        return len(self._by_name)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._by_name.values())

    def get(self, name: str) -> Record | None:
        return self._by_name.get(name)

    def count(self, state: State) -> int:
        return self._counts[state]

    def gone(self) -> Iterator[Record]:
        """The dead and those that have left, the longest gone first."""
        return iter(self._gone.values())

    @property
    def circle(self) -> Circle:
        """Who observes whom. It is made when somebody asks for it first: most profiles have no observers."""
        if self._circle is None:
            self._circle = Circle((record.name for record in self if record.is_member), self.is_alive)
        return self._circle

    def is_alive(self, name: str) -> bool:
        """And not suspect."""
        record = self.get(name)
        return record is not None and record.state == State.ALIVE

    def has_member_at(self, endpoint: Endpoint) -> bool:
        return endpoint in self._members_at

    def add(self, record: Record) -> None:
        """Take a new member at a random position of the probe order (SWIM section 4.3)."""
        assert record.name not in self._by_name
        self._by_name[record.name] = record
        self._index(record)
        self._order.append(record)
        record.position = len(self._order) - 1
        self.changes += 1
        if self._circle is not None and record.is_member:
            self._circle.add(record.name)
        self._swap(record, self._order[self._rng.randint(0, record.position)])

    def set_state(self, record: Record, state: State, now: float) -> None:
        if record.state == state:
            return
        was_member = record.is_member
        self._unindex(record)
        record.state, record.changed_at = state, now
        self._index(record)
        self.changes += 1
        if self._circle is not None and record.is_member != was_member:
            (self._circle.remove if was_member else self._circle.add)(record.name)

    def move(self, record: Record, octets: bytes, port: int) -> None:
        """The member is at another address now."""
        self._unindex(record)
        record.octets, record.port = octets, port
        record.endpoint = Endpoint(host_of(octets), port)
        self._index(record)
        self.changes += 1

    def forget_before(self, moment: float) -> list[Record]:
        """Drop and return those dead or gone since before `moment`."""
        forgotten: list[Record] = []
        for record in self._gone.values():
            if record.changed_at >= moment:
                break
            forgotten.append(record)
        for record in forgotten:
            self._unindex(record)
            self._drop(record)
        return forgotten

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

    def _index(self, record: Record) -> None:
        self._counts[record.state] += 1
        if record.is_member:
            self._members_at[record.endpoint] = self._members_at.get(record.endpoint, 0) + 1
        elif record is not self.local:
            self._gone[record.name] = record

    def _unindex(self, record: Record) -> None:
        self._counts[record.state] -= 1
        if record.is_member:
            self._members_at[record.endpoint] -= 1
            if not self._members_at[record.endpoint]:
                del self._members_at[record.endpoint]
        else:
            self._gone.pop(record.name, None)

    def _swap(self, one: Record, other: Record) -> None:
        one.position, other.position = other.position, one.position
        self._order[one.position], self._order[other.position] = one, other

    def _drop(self, record: Record) -> None:
        """The last of the order takes its place: its turn may come once more, or once less, in this round."""
        del self._by_name[record.name]
        last = self._order.pop()
        if last is not record:
            self._order[record.position] = last
            last.position = record.position
        self._cursor = min(self._cursor, len(self._order))
