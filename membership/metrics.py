"""What a member counts of itself: cheap while it runs, read as one snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from membership.depths import QueueDepths
from membership.effects import (
    AccusationRefuted,
    Effect,
    MemberFailed,
    MemberSuspected,
    PacketDropped,
    RunningLate,
    SendPacket,
)

RTT_BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
"""Upper bounds of the histogram's buckets; the last bucket has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """A snapshot of `Memberlist.metrics`. Counts are since the start and only grow."""

    profile: str
    """The one in force."""
    awareness: int
    """Lifeguard's score of ourselves: 0 is healthy."""
    rtts: tuple[int, ...]
    """Answers to direct pings, by `RTT_BOUNDS`; one more for the longer ones."""
    rtt_sum: float
    rtt_max: float
    suspicions: int
    failures: int
    refutations: int
    """Of accusations against this member."""
    late_runs: int
    """How often this member was run so late that it excused others for it."""
    lateness_max: float
    packets_received: int
    octets_received: int
    packets_sent: int
    octets_sent: int
    drops: Mapping[str, int]
    """What was refused, by reason."""
    depths: QueueDepths

    @property
    def rtt_mean(self) -> float | None:
        count = sum(self.rtts)
        return self.rtt_sum / count if count else None


class Meters:
    """The counters themselves."""

    def __init__(self) -> None:
        self._rtts = [0] * (len(RTT_BOUNDS) + 1)
        self._rtt_sum = self._rtt_max = self._lateness_max = 0.0
        self._suspicions = self._failures = self._refutations = self._late_runs = 0
        self._packets_received = self._octets_received = self._packets_sent = self._octets_sent = 0
        self._drops: Counter[str] = Counter()

    def receive(self, octets: int) -> None:
        self._packets_received += 1
        self._octets_received += octets

    def answered(self, rtt: float) -> None:
        place = 0
        while place < len(RTT_BOUNDS) and rtt > RTT_BOUNDS[place]:
            place += 1
        self._rtts[place] += 1
        self._rtt_sum += rtt
        self._rtt_max = max(self._rtt_max, rtt)

    def count(self, effects: Iterable[Effect]) -> None:
        """Everything that a step has led to."""
        for effect in effects:
            match effect:
                case SendPacket():
                    self._packets_sent += 1
                    self._octets_sent += len(effect.payload)
                case PacketDropped():
                    self._drops[effect.reason] += 1
                case MemberSuspected():
                    self._suspicions += 1
                case MemberFailed():
                    self._failures += 1
                case AccusationRefuted():
                    self._refutations += 1
                case RunningLate():
                    self._late_runs += 1
                    self._lateness_max = max(self._lateness_max, effect.lateness)
                case _:
                    pass

    def read(self, profile: str, awareness: int, depths: QueueDepths) -> Metrics:
        return Metrics(
            profile=profile,
            awareness=awareness,
            rtts=tuple(self._rtts),
            rtt_sum=self._rtt_sum,
            rtt_max=self._rtt_max,
            suspicions=self._suspicions,
            failures=self._failures,
            refutations=self._refutations,
            late_runs=self._late_runs,
            lateness_max=self._lateness_max,
            packets_received=self._packets_received,
            octets_received=self._octets_received,
            packets_sent=self._packets_sent,
            octets_sent=self._octets_sent,
            drops=MappingProxyType(dict(self._drops)),
            depths=depths,
        )
