"""The suspicion timer (Lifeguard, section IV.B): the more members accuse, the sooner it runs out."""

from __future__ import annotations

from math import floor, log, log10

from membership.config import Profile
from membership.members import State, Table


def suspicion_bounds(profile: Profile, member_count: int) -> tuple[float, float]:
    """The shortest and the longest that a suspicion may last in a table of so many."""
    scale = floor(max(1.0, log10(max(1, member_count))) * 1000) / 1000
    shortest = profile.suspicion_mult * scale * profile.probe_interval
    return shortest, shortest * profile.suspicion_max_timeout_mult


class Suspicion:
    """One running suspicion. `expect` says how many more accusers there can be; `deadline` follows."""

    def __init__(self, accuser: str, now: float, shortest: float, longest: float) -> None:
        self.accuser = accuser
        self.confirmers: dict[str, None] = {}
        self.started = now
        self._shortest = shortest
        self._longest = longest
        self._delay = 0.0
        self.deadline = now + longest
        self.next_reminder: float | None = None
        """When to tell the suspect again, if we ourselves are an accuser."""

    @property
    def accusers(self) -> tuple[str, ...]:
        return (self.accuser, *self.confirmers)

    def confirm(self, accuser: str) -> bool:
        """Count a further accuser; False if it is none, and need not be passed on."""
        if accuser == self.accuser or accuser in self.confirmers:
            return False
        self.confirmers[accuser] = None
        return True

    def expect(self, confirmers_wanted: int) -> None:
        """Set the deadline for k = `confirmers_wanted` accusers besides the first; 0 when none can come."""
        timeout = self._shortest
        if confirmers_wanted > 0:
            counted = min(len(self.confirmers), confirmers_wanted)
            shortened = (self._longest - self._shortest) * log(counted + 1) / log(confirmers_wanted + 1)
            timeout = max(self._shortest, floor((self._longest - shortened) * 1000) / 1000)
        self.deadline = self.started + timeout + self._delay

    def delay(self, lateness: float) -> None:
        """We slept: what the suspect had to say for itself may still lie in the socket."""
        self._delay += lateness
        self.deadline += lateness


class Suspicions:
    """All running ones, by the name of the suspect."""

    def __init__(self, profile: Profile, table: Table) -> None:
        self._profile = profile
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
        bounds = suspicion_bounds(self._profile, len(self._table))
        suspicion = self._running[name] = Suspicion(accuser, now, *bounds)
        return suspicion

    def end(self, name: str) -> Suspicion | None:
        return self._running.pop(name, None)

    def clear(self) -> None:
        self._running.clear()

    def reconsider(self) -> None:
        """Who can accuse has changed: the dead do not confirm each other's death, so they are not waited for.

        k is Lifeguard's, but only as far as there are members that live and have not accused yet.
        """
        for suspicion in self._running.values():
            can_accuse = self._table.count(State.ALIVE)
            for accuser in suspicion.accusers:
                record = self._table.get(accuser)
                can_accuse += record is None or record.state != State.ALIVE
            suspicion.expect(min(self._profile.suspicion_mult - 2, can_accuse - 1))

    def next_deadline(self) -> float | None:
        if not self._running:
            return None
        return min(min(one.deadline, one.next_reminder or one.deadline) for one in self._running.values())

    def delay(self, lateness: float) -> None:
        for suspicion in self._running.values():
            suspicion.delay(lateness)
