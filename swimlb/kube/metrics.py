"""Counts of the calls to the API server: plain numbers, which whoever shows metrics reads."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the buckets, in seconds; one more bucket holds the rest."""


@dataclass(slots=True)
class Latencies:
    """How many calls took how long."""

    count: int = 0
    total: float = 0.0
    """Seconds."""
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))

    def note(self, seconds: float) -> None:
        self.count += 1
        self.total += seconds
        self.buckets[bisect_left(BOUNDS, seconds)] += 1

    def add(self, others: Latencies) -> None:
        """Those of other calls."""
        self.count += others.count
        self.total += others.total
        self.buckets = [one + other for one, other in zip(self.buckets, others.buckets, strict=True)]


@dataclass(slots=True)
class CallMetrics:
    """By verb (that of RBAC), resource (`services`, `services/status`) and code (0: no answer).

    There are as many as kinds of calls in the code, times the codes of HTTP: no cap is needed.
    """

    calls: dict[tuple[str, str, int], Latencies] = field(
        default_factory=dict[tuple[str, str, int], Latencies]
    )

    def note(self, verb: str, resource: str, code: int, seconds: float) -> None:
        latencies = self.calls.get((verb, resource, code))
        if latencies is None:
            latencies = self.calls[verb, resource, code] = Latencies()
        latencies.note(seconds)

    def count(self, *, verb: str | None = None, resource: str | None = None, code: int | None = None) -> int:
        """Calls that are of these; what is not told is any."""
        wanted = (verb, resource, code)
        return sum(
            latencies.count
            for key, latencies in self.calls.items()
            if all(want in (None, have) for want, have in zip(wanted, key, strict=True))
        )

    def __iter__(self) -> Iterator[tuple[tuple[str, str, int], Latencies]]:
        return iter(sorted(self.calls.items()))
