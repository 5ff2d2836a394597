"""Keeps the garbage collector from stalling a process that must answer within milliseconds.

A full collection looks at every object that there is, which takes 50 ms and more with 100,000 routes, and Python begins
one whenever enough objects have been made: in the middle of a change, when others wait most. Here it runs at times of
our own, and what has outlived one is not looked at again: only what has been made since costs time. What is frozen is
freed as usual when its last reference goes; only a cycle of objects that is dropped after that stays, such as the
machine and the driver of a peer that was removed, which is some kilobytes for each.
"""

from __future__ import annotations

import asyncio
import gc

FIRST_AFTER = 10.0
"""A process has what it starts with by then."""

INTERVAL = 60.0

_NEVER = 1_000_000_000
_YOUNG, _MIDDLE = 700, 10
"""Python's own thresholds of the young generations, whose collections take less than a millisecond."""


class GarbageKeeper:
    """Full collections at intervals, each followed by a freeze of what is left."""

    def __init__(self, first_after: float = FIRST_AFTER, interval: float = INTERVAL) -> None:
        self._first_after = first_after
        self._interval = interval
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Needs a running loop."""
        gc.set_threshold(_YOUNG, _MIDDLE, _NEVER)
        self._timer = asyncio.get_running_loop().call_later(self._first_after, self._collect)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _collect(self) -> None:
        gc.collect()
        gc.freeze()
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._collect)
