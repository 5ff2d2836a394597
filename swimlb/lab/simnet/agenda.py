"""Virtual time: what is to happen, in order. Nothing sleeps, so minutes of a ring's life take seconds."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, TypeAlias

_Entry: TypeAlias = tuple[float, int, Callable[..., None], tuple[Any, ...]]


class Agenda:
    """A clock and the actions that are due; those due at the same time happen in the order of their entry."""

    def __init__(self) -> None:
        self.now = 0.0
        self._entries: list[_Entry] = []
        self._count = 0

    def at(self, moment: float, action: Callable[..., None], *arguments: object) -> None:
        self._count += 1
        heappush(self._entries, (moment, self._count, action, arguments))

    def every(self, interval: float, action: Callable[[], None]) -> None:
        """From now on and for ever."""

        def repeat() -> None:
            action()
            self.at(self.now + interval, repeat)

        self.at(self.now + interval, repeat)

    def run_for(self, duration: float) -> None:
        end = self.now + duration
        entries = self._entries
        while entries and entries[0][0] <= end:
            self.now, _, action, arguments = heappop(entries)
            action(*arguments)
        self.now = end

    def run_until(self, is_reached: Callable[[], bool], duration: float) -> bool:
        """Until the condition holds after some action; False if it does not within `duration`."""
        end = self.now + duration
        if is_reached():
            return True
        while self._entries and self._entries[0][0] <= end:
            self.now, _, action, arguments = heappop(self._entries)
            action(*arguments)
            if is_reached():
                return True
        self.now = end
        return False
