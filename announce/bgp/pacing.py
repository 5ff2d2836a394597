"""How long to wait, with some chance in it (RFC 4271 sections 8.1.1 and 10)."""

from __future__ import annotations

import random
from collections.abc import Sequence


def jittered(interval: float, rng: random.Random) -> float:
    """Shorten by up to a quarter, so that peers do not march in step (RFC 4271 section 10)."""
    return interval * rng.uniform(0.75, 1.0)


class Backoff:
    """Waits between attempts, longer after each failure in a row; the last one repeats.

    A session that held for `stable_after` seconds was a success. One that ended sooner was a failure, even if it
    was Established: a peer that accepts OPEN and then refuses us must not be called again without a pause.
    """

    def __init__(self, waits: Sequence[float], stable_after: float, rng: random.Random) -> None:
        self._waits = waits
        self._stable_after = stable_after
        self._rng = rng
        self._failures = 0

    def reconfigure(self, waits: Sequence[float], stable_after: float) -> None:
        self._waits = waits
        self._stable_after = stable_after

    def begin_anew(self) -> None:
        """What failed had a cause that is gone."""
        self._failures = 0

    def wait_after(self, established_for: float) -> float:
        """The wait that follows an attempt; 0 seconds: it was never Established."""
        if established_for >= self._stable_after:
            self._failures = 0
        wait = self._waits[min(self._failures, len(self._waits) - 1)]
        self._failures += 1
        return jittered(wait, self._rng)
