"""Does anybody hear us? A member that hears the others, and is not heard by them, is dead to all but itself.

It refutes what is said of it, and nobody hears that either. What tells it apart from a member that is accused by mistake:

    heard ──accused, and no answer to any question of ours for a while──► not heard
      ▲                                                                       │
      └──── a few answers, or nobody at all is heard any more (we are alone) ─┘

While it is not heard, silence says nothing about the others: the time of what they owe us stands still, and nobody is
accused. Of their deaths it learns from those who live.
"""

from __future__ import annotations

from membership.effects import HeardAgain, NotHeard
from membership.pace import Pace

_ANSWERS_NEEDED = 3
"""One may have slipped through, and every change moves what hangs on it."""

_ALONE_AFTER = 5
"""Times `reconnect_interval`: members that have lost us ask for us at that pace."""


class Reception:
    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._accused_at: float | None = None
        """The first time since the last answer."""
        self._accuser = ""
        self._began_at: float | None = None
        """Since when we are not heard."""
        self._answers = 0
        self._heard_at = 0.0
        self._reviewed_at = 0.0

    @property
    def is_in_question(self) -> bool:
        """Nobody has answered us since we were accused: perhaps it is us who are not heard."""
        return self._accused_at is not None

    def answered(self) -> None:
        """Somebody has answered what we asked."""
        self._answers += 1
        if self._began_at is None:
            self._accused_at = None

    def accused(self, accuser: str, now: float) -> None:
        """Somebody says that we are suspect, or dead."""
        if self._accused_at is None:
            self._accused_at, self._accuser = now, accuser

    def hear(self, now: float) -> None:
        """Something came in, from whomever."""
        self._heard_at = now

    def review(self, now: float) -> tuple[NotHeard | HeardAgain | None, float]:
        """What has changed, and for how long the clock of others' silence has to be stopped."""
        since, self._reviewed_at = self._reviewed_at, now
        if self._began_at is not None:
            is_over = self._answers >= _ANSWERS_NEEDED or now >= self._heard_at + self._solitude
            if not is_over:
                return None, now - since
            lasted, self._began_at, self._accused_at = now - self._began_at, None, None
            return HeardAgain(lasted), now - since
        if self._accused_at is None or now < self._accused_at + self._patience:
            return None, 0.0
        if now - self._heard_at >= self._quiet:
            # Nor do we hear anybody: that is isolation, or the end of all others.
            self._accused_at = None
            return None, 0.0
        self._began_at, self._answers = now, 0
        return NotHeard(self._accuser), self._patience

    def next_deadline(self) -> float | None:
        if self._began_at is not None:
            return self._heard_at + self._solitude
        if self._accused_at is None:
            return None
        due = self._accused_at + self._patience
        return due if due > self._reviewed_at else None

    @property
    def _patience(self) -> float:
        """Long enough for answers to many questions."""
        profile = self._pace.profile
        return 2 * profile.observe_silence if profile.observers else 3 * profile.probe_interval

    @property
    def _quiet(self) -> float:
        """Whoever has lost us asks for us about once in the interval."""
        return max(1.5 * self._pace.profile.reconnect_interval, self._patience)

    @property
    def _solitude(self) -> float:
        return max(_ALONE_AFTER * self._pace.profile.reconnect_interval, self._patience)
