"""Bounded waiting that says what it waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from swimlb.lab.errors import LabError, LabTimeoutError
from swimlb.runtime import clock

T = TypeVar("T")

POLL_INTERVAL = 0.02


def wait_until(
    condition: Callable[[], T | None],
    *,
    timeout: float,
    what: str,
    seen: Callable[[], object] | None = None,
    interval: float = POLL_INTERVAL,
) -> T:
    """Ask `condition` until it answers something true, and return that.

    `LabTimeoutError` names `what` was waited for, and what `seen` tells of the state of things by then.
    """
    deadline = clock.monotonic() + timeout
    while True:
        if answer := condition():
            return answer
        if clock.monotonic() >= deadline:
            state = "" if seen is None else f"; by then: {_told(seen)}"
            raise LabTimeoutError(f"waited {timeout:g} s for {what}{state}")
        time.sleep(interval)


def _told(seen: Callable[[], object]) -> object:
    try:
        return seen()
    except (LabError, OSError) as error:  # It must not take the place of what was waited for.
        return f"nothing is to be seen ({error})"


def pause(duration: float) -> None:
    """Let time pass for its own sake, as in "see that nothing happens for a second"."""
    time.sleep(duration)
