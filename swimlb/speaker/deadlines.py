"""When each of many things is due, the earliest first."""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

_SLACK = 64

Key = TypeVar("Key", bound=Hashable)


class Deadlines(Generic[Key]):
    """One moment for each key. Setting, discarding and taking cost the logarithm of how many there are.

    An entry whose key has been discarded, or has another moment by now, stays in the heap until its turn comes, or until
    there are four times as many entries as keys.
    """

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._serial = 0
        """Of those due at the same time the first one set is the first one taken; keys need no order."""

    def __contains__(self, key: Key) -> bool:
        return key in self._due

    def __len__(self) -> int:
        return len(self._due)

    @property
    def entries(self) -> int:
        """Those that are kept, stale ones included."""
        return len(self._heap)

    def set(self, key: Key, due: float) -> None:
        """In place of what was set for the key before."""
        if len(self._heap) > 4 * len(self._due) + _SLACK:
            self._heap = [entry for entry in self._heap if self._due.get(entry[2]) == entry[0]]
            heapify(self._heap)
        self._serial += 1
        self._due[key] = due
        heappush(self._heap, (due, self._serial, key))

    def discard(self, key: Key) -> None:
        self._due.pop(key, None)

    def next(self) -> float | None:
        """When the first one is due; None: there is none."""
        heap = self._heap
        while heap and self._due.get(heap[0][2]) != heap[0][0]:
            heappop(heap)
        return heap[0][0] if heap else None

    def take(self, now: float, at_most: int) -> list[Key]:
        """Those that are due, which are set no more. If there are more than `at_most`, the rest stays due."""
        taken: list[Key] = []
        while len(taken) < at_most and (due := self.next()) is not None and due <= now:
            key = heappop(self._heap)[2]
            del self._due[key]
            taken.append(key)
        return taken
