"""What the controller hears of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from swimlb.controller.records import ServiceView
from swimlb.model import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationChanged:
    """What is in force now. Before the first one, nothing is decided."""

    pools: tuple[Pool, ...]
    has_lost_pool: bool = False
    """A pool could not be read, and no older version of it is known: who is in it is unknown, too."""


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """A version of a Service that is ours; perhaps an older one than is known."""

    view: ServiceView


@dataclass(frozen=True, slots=True)
class ServiceGone:
    """The object of this uid is gone, or none of our business any more."""

    key: str
    uid: str


@dataclass(frozen=True, slots=True)
class Elected:
    """This replica leads from now until `until`."""

    term: int
    until: float
    is_clean: bool
    """Nothing of a former leader can be on its way."""


@dataclass(frozen=True, slots=True)
class Renewed:
    until: float


@dataclass(frozen=True, slots=True)
class Deposed:
    """This replica leads no more."""


@dataclass(frozen=True, slots=True)
class WorldRead:
    """All Services that are ours, as they were at some moment after `ReadWorld` was asked for, or later."""

    term: int
    views: tuple[ServiceView, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """The write was done, or the look taken; this is the Service now."""

    view: ServiceView


@dataclass(frozen=True, slots=True)
class NotWritten:
    """Nothing was done."""

    key: str


@dataclass(frozen=True, slots=True)
class WriteConflicted:
    """Nothing was done: the Service has changed since."""

    key: str


@dataclass(frozen=True, slots=True)
class WriteFailed:
    """It may have been done or not."""

    key: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class WriteRefused:
    """Nothing was done, and the same may be refused for ever: by a missing right, by a policy, by a rule of its kind."""

    key: str


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The process is to end: nothing new is begun."""


Event: TypeAlias = (
    ConfigurationChanged
    | ServiceSeen
    | ServiceGone
    | Elected
    | Renewed
    | Deposed
    | WorldRead
    | Written
    | NotWritten
    | WriteConflicted
    | WriteFailed
    | WriteRefused
    | StopRequested
)
