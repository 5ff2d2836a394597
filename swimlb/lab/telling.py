"""What a play says while it goes on, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from swimlb.lab.story import Fact


@dataclass(frozen=True, slots=True)
class StepBegan:
    number: int
    title: str


@dataclass(frozen=True, slots=True)
class Noted:
    """Something happened that is worth a line."""

    text: str


@dataclass(frozen=True, slots=True)
class LabShown:
    """The moment to show the lab's tables."""


@dataclass(frozen=True, slots=True)
class Measured:
    fact: Fact


Said: TypeAlias = StepBegan | Noted | LabShown | Measured
