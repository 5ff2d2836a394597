"""What the controller has done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from swimlb.controller.records import Look, Note, ServiceWrite


@dataclass(frozen=True, slots=True)
class ReadWorld:
    """List all Services, as they are now or later, until it succeeds. Answer with WorldRead of the same term."""

    term: int


@dataclass(frozen=True, slots=True)
class Write:
    """Do it only if it can be begun before `expires`. Answer with Written or one of its opposites."""

    item: ServiceWrite | Look
    expires: float


@dataclass(frozen=True, slots=True)
class Tell:
    """Publish Events about a Service; they may get lost."""

    key: str
    uid: str
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Contended:
    """Somebody else keeps undoing what is written to a Service: it is written less and less often."""

    key: str


@dataclass(frozen=True, slots=True)
class Unfenced:
    """A Service that the API server does not let anybody write to: others wait no longer until it is fenced."""

    key: str


@dataclass(frozen=True, slots=True)
class AddressesChanged:
    """Who has which address is not what it was: counts of pools are to be taken anew."""


@dataclass(frozen=True, slots=True)
class Drained:
    """Nothing more will be written."""

    is_clean: bool
    """All writes have been answered: nothing is on its way."""


Effect: TypeAlias = ReadWorld | Write | Tell | Contended | Unfenced | AddressesChanged | Drained
