"""Noticing that somebody else keeps undoing what is written, such as a second controller for the same Services."""

from __future__ import annotations

from dataclasses import dataclass

QUIET_TIME = 120.0
"""What stood for so long was not undone in a quarrel."""

_PAUSE_MIN = 0.5
_PAUSE_MAX = 60.0
_TELL_AT = 3


@dataclass(slots=True)
class _Last:
    essence: object
    at: float
    repeats: int = 0


class Contention:
    """By key: what was written last, and how often the very same had to be written again."""

    def __init__(self) -> None:
        self._last: dict[str, _Last] = {}

    def note(self, key: str, essence: object, now: float) -> bool:
        """It was written; True when it becomes clear that somebody undoes it."""
        last = self._last.get(key)
        if last is None or last.essence != essence or now - last.at > QUIET_TIME:
            self._last[key] = _Last(essence, now)
            return False
        last.repeats, last.at = last.repeats + 1, now
        return last.repeats == _TELL_AT

    def not_before(self, key: str, essence: object, now: float) -> float:
        """When it may be written again."""
        last = self._last.get(key)
        if last is None or last.essence != essence or now - last.at > QUIET_TIME:
            return now
        return last.at + min(_PAUSE_MAX, _PAUSE_MIN * 2.0 ** min(last.repeats, 16))

    def forget(self, key: str) -> None:
        self._last.pop(key, None)
