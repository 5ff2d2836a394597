"""Waiting for real processes, within bounds."""

from __future__ import annotations

from collections.abc import Callable
from time import sleep

from swimlb.runtime import clock


def until(is_true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until the condition holds; fails the test when it does not in time."""
    end = clock.monotonic() + seconds
    while not is_true():
        assert clock.monotonic() < end, "the condition did not come true in time"
        sleep(0.02)
