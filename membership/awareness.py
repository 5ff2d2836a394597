"""Local health (Lifeguard, section IV.A): a member that has reason to doubt itself waits longer for others."""

from __future__ import annotations


class Awareness:
    """A score from 0, healthy, to `multiplier_max - 1`."""

    def __init__(self, multiplier_max: int) -> None:
        self._score_max = multiplier_max - 1
        self.score = 0

    def adjust(self, delta: int) -> None:
        """Up for a failed probe, missing nacks or a refutation; down for a probe that succeeded."""
        self.score = min(max(self.score + delta, 0), self._score_max)

    def scale(self, interval: float) -> float:
        return interval * (self.score + 1)
