"""Is it they, or is it us? A member that hears nobody at all is cut off, as far as it can tell.

What it then believes of the others may be right, for they may all have died, and it acts on it. But it is no news for
anybody: those who will hear it are those who live. So verdicts reached in isolation are not gossiped; when
somebody is heard again, only the condemned themselves are told, so that they can refute.
"""

from __future__ import annotations

from math import inf

from membership.pace import Pace


class Isolation:
    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._heard_at = 0.0

    def is_cut_off(self, now: float) -> bool:
        return now - self._heard_at > self._silence_max

    def hear(self, now: float) -> float:
        """Something came in, from whomever. Gives how long nothing had, if that was long enough to be cut off."""
        silent_for = now - self._heard_at
        self._heard_at = now
        return silent_for if silent_for > self._silence_max else 0.0

    @property
    def _silence_max(self) -> float:
        """Shorter than it takes to condemn anybody, longer than members leave each other in peace.

        Without observers members may hear nothing of each other for seconds, and nothing can be told from that.
        """
        profile = self._pace.profile
        return profile.observe_silence / 2 if profile.observers else inf
