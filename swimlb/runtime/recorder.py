"""The flight recorder: the last turns of every machine of this process, kept in memory, written out when asked.

A machine is a function of its events and their times, so what is kept here is enough to see, and mostly to replay,
how a decision came about. It is dumped on a crash and on SIGUSR1. Cost per turn: one append.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

TURNS_MAX = 4096
"""About a minute of a busy speaker; the oldest turn makes room for the newest."""

OCTETS_MAX = 4 << 20
"""Of the packets in these turns: a router that sends a full table must not fill the memory with it."""


_CARRYING_FIELDS = ("payload", "data", "frame", "frames")


class Turn(NamedTuple):
    now: float
    machine: str
    event: object
    """None: a deadline passed."""
    effects: Sequence[object]


class Recorder:
    """A ring buffer of turns."""

    def __init__(self, turns_max: int = TURNS_MAX, octets_max: int = OCTETS_MAX) -> None:
        self._turns_max = turns_max
        self._octets_max = octets_max
        self._turns: deque[Turn] = deque()
        self._octets = 0

    def record(self, now: float, machine: str, event: object, effects: Sequence[object]) -> None:
        # A deadline that moved nothing says nothing; without this, idle timers would push out the news.
        if event is None and not effects:
            return
        self._turns.append(turn := Turn(now, machine, event, effects))
        self._octets += _octets(turn)
        while len(self._turns) > self._turns_max or (
            self._octets > self._octets_max and len(self._turns) > 1
        ):
            self._octets -= _octets(self._turns.popleft())

    def turns(self) -> tuple[Turn, ...]:
        """Oldest first."""
        return tuple(self._turns)

    def dump(self, path: Path) -> None:
        """Write the turns to `path`, readable by people, replacing what is there in one step.

        The file holds what crossed the wire, so only its owner may read it.
        """
        partial = path.with_suffix(path.suffix + ".partial")
        partial.touch(mode=0o600)
        with partial.open("w", encoding="utf-8") as out:
            for turn in self._turns:
                out.write(f"{turn.now:.6f} {turn.machine} {turn.event!r}\n")
                out.writelines(f"    -> {effect!r}\n" for effect in turn.effects)
        partial.replace(path)


def _octets(turn: Turn) -> int:
    return sum(map(_octets_of, turn.effects), _octets_of(turn.event))


def _octets_of(item: object) -> int:
    """What an event or effect carries of the wire; all of them name it in one of these ways."""
    name = _carrying_field(type(item))
    if name is None:
        return 0
    carried = getattr(item, name)
    if isinstance(carried, bytes):
        return len(carried)
    return sum(map(len, carried)) if name == "frames" else 0


@cache
def _carrying_field(kind: type) -> str | None:
    """Looked up once for each kind of event and effect: this is paid with every packet."""
    return next((field for field in _CARRYING_FIELDS if hasattr(kind, field)), None)
