"""Which Services nobody announces, because no node has one of the interfaces that advertisements name, and who says so.

*wire* says what it withholds for want of an interface. Whether another node announces it, and which node is to speak if
none does, depends on all members and on the configuration: `judge` knows, and is asked a moment after one of these has
changed. A Service is told of once each time it begins to fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias, assert_never

from swimlb.model import IpAddress

SERVICES_AT_ONCE = 20
"""Judged in a turn: some milliseconds in a ring of a hundred."""

Judge: TypeAlias = Callable[[Iterable[str]], Mapping[str, tuple[IpAddress, ...]]]
"""Of some Services, those that fail and that this node is to speak of, with their addresses."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """Whether this node withholds these Services for want of an interface, as far as that has changed."""

    changes: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class ViewChanged:
    """Other members are present, or the configuration is another one."""


Event: TypeAlias = Withheld | ViewChanged


@dataclass(frozen=True, slots=True)
class TellFailed:
    """This node would announce an address of the Service, and has none of the interfaces."""

    service: str
    address: IpAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    settle: float = 1.0
    """Seconds for which a change waits for others before it is judged: members that start together come one after the other."""


class Failures:
    """Of one node."""

    def __init__(self, judge: Judge, config: Config | None = None) -> None:
        self._judge = judge
        self._config = config or Config()
        self._withheld: dict[str, None] = {}
        self._told: set[str] = set()
        self._waiting: dict[str, None] = {}
        """To be judged."""
        self._due: float | None = None

    def step(self, event: Event, now: float) -> list[TellFailed]:
        match event:
            case Withheld(changes):
                for service, is_withheld in changes.items():
                    if is_withheld:
                        self._withheld[service] = self._waiting[service] = None
                    else:
                        self._forget(service)
            case ViewChanged():
                self._waiting.update(self._withheld)
            case _:
                assert_never(event)
        if not self._waiting:
            self._due = None
        elif self._due is None:
            self._due = now + self._config.settle
        return []

    def advance(self, now: float) -> list[TellFailed]:
        if self._due is None or now < self._due:
            return []
        services = list(islice(self._waiting, SERVICES_AT_ONCE))
        for service in services:
            del self._waiting[service]
        if not self._waiting:
            self._due = None
        failing = self._judge(services)
        self._told.difference_update(service for service in services if service not in failing)
        fresh = [service for service in failing if service not in self._told]
        self._told.update(fresh)
        return [TellFailed(service, address) for service in fresh for address in failing[service]]

    def next_deadline(self) -> float | None:
        return self._due

    def _forget(self, service: str) -> None:
        self._withheld.pop(service, None)
        self._waiting.pop(service, None)
        self._told.discard(service)
