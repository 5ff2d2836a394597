"""A planned stop, step by step, each bounded in time whatever the peer does.

1. *Lower*: the routes become the last choice (RFC 8326), so that routers move traffic while both paths work.
2. *Withdraw*: all routes go.
3. *Drain*: routers first forget the routes, while we still serve the traffic.

Then the session ends by Cease with a reason. A step that has no purpose is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto


class Phase(Enum):
    LOWER = auto()
    WITHDRAW = auto()
    DRAIN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    communication: str
    phase: Phase
    phase_ends_at: float
    give_up_at: float

    @classmethod
    def begun(cls, communication: str, now: float, *, shutdown_wait: float, stop_timeout: float) -> Stopping:
        return cls(
            communication=communication,
            phase=Phase.LOWER,
            phase_ends_at=now + shutdown_wait,
            give_up_at=now + shutdown_wait + stop_timeout,
        )

    def withdrawing(self) -> Stopping:
        return replace(self, phase=Phase.WITHDRAW, phase_ends_at=self.give_up_at)

    def draining(self, now: float, drain_time: float) -> Stopping:
        return replace(self, phase=Phase.DRAIN, phase_ends_at=min(now + drain_time, self.give_up_at))
