"""Rings that begin whole: every member knows all others from its start, without a single join.

For rings of thousands. Their members' tables share the rows that nobody has changed yet: 10,000 tables of 10,000
rows of their own would not fit into memory. A member gets its own copy of a row when a rule asks for it by name,
which is what all rules do before they change one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import gcd
from random import Random

from membership import Config, Endpoint, State
from membership.circle import Circle
from membership.members import Record, Table

_TRIES = 64


class Population:
    """The rows that all members of a ring begin with."""

    def __init__(self, configs: Iterable[Config]) -> None:
        self.records = [
            Record(c.name, c.octets, c.port, c.meta, c.versions, 1, State.ALIVE, changed_at=0.0)
            for c in configs
        ]
        self.number_of = {record.name: number for number, record in enumerate(self.records)}
        self.endpoints = {record.endpoint for record in self.records}
        self.circle = Circle(self.number_of, lambda name: True)

    def table(self, local: Record, rng: Random) -> Table:
        """To be given to `SimNet.add` as its `make_table`."""
        return SharedTable(self, local, rng)

    def is_untouched(self) -> bool:
        """Has nobody written to the rows that all share?"""
        return all(record.state == State.ALIVE and record.incarnation == 1 for record in self.records)


class SharedTable(Table):
    """Behaves as a table that the population was added to. Takes no members besides it."""

    def __init__(self, population: Population, local: Record, rng: Random) -> None:
        super().__init__(local, rng)
        self._population = population
        self._size = len(population.records)
        self._here = population.number_of[local.name]
        self._own = {self._here: local}
        self._forgotten: set[int] = set()
        self._counts[State.ALIVE] = self._size
        self._absent: set[Endpoint] = set()
        self._circle = population.circle.fork(self.is_alive)
        # Another order of probing for each member, without a list for each.
        self._stride = next(
            stride
            for stride in iter(lambda: rng.randrange(1, self._size + 1), 0)
            if gcd(stride, self._size) == 1
        )
        self._cursor = rng.randrange(self._size)

    def __len__(self) -> int:
        return self._size - len(self._forgotten)

    def __iter__(self) -> Iterator[Record]:
        for number in range(self._size):
            if number not in self._forgotten:
                yield self._look(number)

    def get(self, name: str) -> Record | None:
        number = self._population.number_of.get(name)
        if number is None or number in self._forgotten:
            return None
        if (record := self._own.get(number)) is None:
            record = self._own[number] = replace(self._population.records[number])
        return record

    def is_alive(self, name: str) -> bool:
        number = self._population.number_of.get(name)
        return (
            number is not None and number not in self._forgotten and self._look(number).state == State.ALIVE
        )

    def has_member_at(self, endpoint: Endpoint) -> bool:
        return endpoint in self._population.endpoints and endpoint not in self._absent

    def add(self, record: Record) -> None:
        number = self._population.number_of[record.name]
        self._forgotten.remove(number)
        self._own[number] = record
        self._index(record)

    def move(self, record: Record, octets: bytes, port: int) -> None:
        raise AssertionError("members of a population stay where they are")

    def next_to_probe(self) -> Record | None:
        for _ in range(self._size):
            self._cursor = (self._cursor + self._stride) % self._size
            if self._cursor != self._here and self._cursor not in self._forgotten:
                record = self._look(self._cursor)
                if record.is_member:
                    return record
        return None

    def pick(self, count: int, is_eligible: Callable[[Record], bool]) -> list[Record]:
        picked: dict[str, Record] = {}
        for _ in range(3 * count + _TRIES):
            number = self._rng.randrange(self._size)
            if number == self._here or number in self._forgotten:
                continue
            record = self._look(number)
            if is_eligible(record):
                picked[record.name] = record
                if len(picked) == count:
                    break
        return list(picked.values())

    def _look(self, number: int) -> Record:
        return self._own.get(number) or self._population.records[number]

    def _index(self, record: Record) -> None:
        self._counts[record.state] += 1
        if record.is_member:
            self._absent.discard(record.endpoint)
        elif record is not self.local:
            self._gone[record.name] = record
            self._absent.add(record.endpoint)

    def _unindex(self, record: Record) -> None:
        self._counts[record.state] -= 1
        if not record.is_member:
            self._gone.pop(record.name, None)

    def _drop(self, record: Record) -> None:
        number = self._population.number_of[record.name]
        del self._own[number]
        self._forgotten.add(number)
