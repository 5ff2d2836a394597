"""The suspicion timer (Lifeguard, section IV.B): the more members accuse, the sooner it runs out."""

from __future__ import annotations

from math import floor, log, log10

from membership.config import Profile
from membership.effects import Observation
from membership.members import State, Table
from membership.pace import Pace


def suspicion_bounds(profile: Profile, member_count: int) -> tuple[float, float]:
    """The shortest and the longest that a suspicion may last in a table of so many."""
    scale = floor(max(1.0, log10(max(1, member_count))) * 1000) / 1000
    shortest = profile.suspicion_mult * scale * profile.probe_interval
    return shortest, shortest * profile.suspicion_max_timeout_mult


class Suspicion:
    """One running suspicion. `expect` says how many more accusers there can be; `deadline` follows."""

    def __init__(self, accuser: str, now: float, shortest: float, longest: float) -> None:
        self.accused_at = {accuser: now}
        """Who has accused, and when we heard of it, the first one first."""
        self.jurors: set[str] = set()
        """Those of them that were observers of the suspect at some time since: kept by Quorum."""
        self.observation: Observation | None = None
        """Our own, if we are an observer and have accused."""
        self.began_at = now
        """Later than it was if we slept since."""
        self._shortest = shortest
        self._longest = longest
        self.deadline = now + longest
        self.verdict_at: float | None = None
        """When the accusers' majority has the suspect declared dead, if there is one."""
        self.next_reminder: float | None = None
        """When to tell the suspect again, if we ourselves are an accuser."""

    @property
    def accusers(self) -> tuple[str, ...]:
        return tuple(self.accused_at)

    @property
    def due(self) -> float:
        """When there is something to do about it."""
        moments = (self.deadline, self.verdict_at, self.next_reminder)
        return min(moment for moment in moments if moment is not None)

    def confirm(self, accuser: str, now: float) -> bool:
        """Count a further accuser; False if it is none, and need not be passed on."""
        if accuser in self.accused_at:
            return False
        self.accused_at[accuser] = now
        return True

    def expect(self, confirmers_wanted: int) -> None:
        """Set the deadline for k = `confirmers_wanted` accusers besides the first; 0 when none can come."""
        timeout = self._shortest
        if confirmers_wanted > 0:
            counted = min(len(self.accused_at) - 1, confirmers_wanted)
            shortened = (self._longest - self._shortest) * log(counted + 1) / log(confirmers_wanted + 1)
            timeout = max(self._shortest, floor((self._longest - shortened) * 1000) / 1000)
        self.deadline = self.began_at + timeout

    def delay(self, lateness: float, now: float) -> None:
        """We slept: what the suspect had to say for itself may still lie in the socket.

        A suspicion that began meanwhile has lost so much less.
        """
        lateness = min(lateness, now - self.began_at)
        self.began_at += lateness
        self.deadline += lateness
        if self.verdict_at is not None:
            self.verdict_at += lateness


class Suspicions:
    """All running ones, by the name of the suspect."""

    def __init__(self, pace: Pace, table: Table) -> None:
        self._pace = pace
        self._table = table
        self._running: dict[str, Suspicion] = {}

    def __len__(self) -> int:
        return len(self._running)

    def get(self, name: str) -> Suspicion | None:
        return self._running.get(name)

    def items(self) -> list[tuple[str, Suspicion]]:
        return list(self._running.items())

    def start(self, name: str, accuser: str, now: float) -> Suspicion:
        """The caller marks the suspect as such, and then lets all be reconsidered."""
        bounds = suspicion_bounds(self._pace.profile, len(self._table))
        suspicion = self._running[name] = Suspicion(accuser, now, *bounds)
        return suspicion

    def end(self, name: str) -> Suspicion | None:
        return self._running.pop(name, None)

    def clear(self) -> None:
        self._running.clear()

    def reconsider(self, suspicion: Suspicion) -> None:
        """Who can accuse has changed: the dead do not confirm each other's death, so they are not waited for.

        k is Lifeguard's, but only as far as there are members that live and have not accused yet.
        """
        can_accuse = self._table.count(State.ALIVE)
        for accuser in suspicion.accused_at:
            record = self._table.get(accuser)
            can_accuse += record is None or record.state != State.ALIVE
        suspicion.expect(min(self._pace.profile.suspicion_mult - 2, can_accuse - 1))

    def next_deadline(self) -> float | None:
        if not self._running:
            return None
        return min(one.due for one in self._running.values())

    def delay(self, lateness: float, now: float) -> None:
        for suspicion in self._running.values():
            suspicion.delay(lateness, now)
