"""When the accusations against a member are enough to declare it dead at once.

A vote is an accusation by one of the member's observers, or by who was one when it accused. A voter has to be alive
and not suspect itself, and the vote fresh. A majority of the live observers is needed:

    members          2    3    4    5 and more
    live observers   1    2    3    3
    votes            1    2    2    2

An observer that is suspect is replaced by the next in line; only when nobody is left do the numbers fall: with
three members, of which one is suspect, the other two judge each other alone.
"""

from __future__ import annotations

from membership.members import Record, Table
from membership.pace import Pace
from membership.suspicion import Suspicion


class Quorum:
    def __init__(self, pace: Pace, table: Table) -> None:
        self._pace = pace
        self._table = table

    def verdict_at(self, record: Record, suspicion: Suspicion, now: float) -> float | None:
        """When the member may be declared dead, if nothing changes; None without a majority.

        Not at once: it gets time to refute. A member that is deaf accuses all at the same time, and is then the only
        observer that it does not suspect itself. By the time of its verdict, all others have heard the refutations.
        """
        profile = self._pace.profile
        if not profile.observers or not record.is_member:
            return None
        observers = self._table.circle.observers_of(record.name, profile.observers)
        accused_at = suspicion.accused_at
        suspicion.jurors.update(name for name in observers if name in accused_at)
        votes = sum(
            now - accused_at[name] <= profile.accusation_window and self._table.is_alive(name)
            for name in suspicion.jurors
        )
        if not observers or votes <= len(observers) // 2:
            return None
        return suspicion.began_at + profile.observe_timeout / 2

    def is_observer(self, record: Record) -> bool:
        """Is this member itself one of those who watch it?"""
        count = self._pace.profile.observers
        return bool(count) and self._table.local.name in self._table.circle.observers_of(record.name, count)
