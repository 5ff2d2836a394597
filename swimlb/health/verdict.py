"""When a health check changes its mind: the thresholds of a Kubernetes probe, as a pure state."""

from __future__ import annotations

from dataclasses import dataclass

from swimlb.model import HealthCheck


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the attempts so far add up to. `None`: no attempt has ended yet."""

    is_ready: bool | None = None
    streak: int = 0
    """How many attempts in a row said the opposite of `is_ready`."""

    def after(self, is_success: bool, check: HealthCheck) -> Verdict:
        """The verdict with one more attempt.

        The first attempt decides by itself: a speaker that has just started must not treat a healthy endpoint as
        dead for several periods, nor a dead one as healthy.
        """
        if self.is_ready is None:
            return Verdict(is_success)
        if is_success == self.is_ready:
            return Verdict(self.is_ready)
        needed = check.success_threshold if is_success else check.failure_threshold
        if self.streak + 1 >= needed:
            return Verdict(is_success)
        return Verdict(self.is_ready, self.streak + 1)
