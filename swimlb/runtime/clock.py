"""The only place where the product reads a clock: every other module is told what time it is."""

from __future__ import annotations

import time


def monotonic() -> float:
    """Seconds on CLOCK_MONOTONIC: one clock for all processes of a host, and the one asyncio's loop uses."""
    return time.monotonic()


def wall() -> float:
    """Seconds since the epoch, for people and files; never for deadlines."""
    return time.time()
