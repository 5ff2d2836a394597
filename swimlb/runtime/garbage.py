"""Keeps the garbage collector from stalling a process that must answer within milliseconds.

A full collection looks at every object that there is, which takes 50 ms and more with 100,000 routes, and Python begins
one whenever enough objects have been made: in the middle of a change, when others wait most. Here it runs at times of
our own, and what has outlived one is not looked at again: only what has been made since costs time. After a burst even that
is too much: what is left of it is passed over, and not looked at either. What is frozen is
freed as usual when its last reference goes; only a cycle of objects that is dropped after that stays, such as the
machine and the driver of a peer that was removed, which is some kilobytes for each.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc

INTERVAL = 60.0

THRESHOLDS = 700, 10, 1_000_000_000
"""Python's own for the young generations, whose collections take less than a millisecond; never a full one unasked."""

_MIDDLE_COLLECTIONS_MAX = 3
"""Each leaves 7,700 objects at most to the next full one, which takes some 10 ms then."""


def give_back() -> None:
    """What was freed goes back to the kernel: after a burst of large buffers the C library keeps some megabytes of them."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):  # musl has none, and keeps less.
        library.malloc_trim(0)


class GarbageKeeper:
    """Full collections at intervals, each followed by a freeze of what is left."""

    def __init__(self, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._timer: asyncio.TimerHandle | None = None
        self._middle_collections = 0
        """Since the last full one, as it was at the last freeze."""

    def start(self) -> None:
        """Needs a running loop. Looks at all that there is by now, while nobody waits yet."""
        gc.set_threshold(*THRESHOLDS)
        gc.collect()
        self._freeze()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        if gc.get_count()[2] - self._middle_collections <= _MIDDLE_COLLECTIONS_MAX:
            gc.collect()
        self._freeze()

    def _freeze(self) -> None:
        gc.freeze()
        self._middle_collections = gc.get_count()[2]
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._look)
