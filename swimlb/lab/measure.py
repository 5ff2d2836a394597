"""What the lab measures, and how an outage is read from it: records and pure functions.

All times are seconds on CLOCK_MONOTONIC, which every process of the machine shares, so probes, ARP claims and
routes can be laid on one axis.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from threading import Lock

PATIENCE = 0.1
"""A later answer counts as none: a client's kernel queues packets while it resolves a neighbour, and sends them
all when the outage is over."""

LATENESS_MAX = 0.025
"""A prober that was itself later than this measured the machine: its run is marked."""

STRAY_PROBES_MAX = 1
"""So few lost probes in a row between answers of the same node are the loss of probes, not an outage."""


@dataclass(frozen=True, slots=True)
class Probe:
    sent: float
    answered: float | None
    by: str | None
    """The node that answered."""

    @property
    def is_answered(self) -> bool:
        return self.answered is not None and self.answered - self.sent <= PATIENCE


@dataclass(frozen=True, slots=True)
class Recording:
    """One prober's run, probes in the order sent."""

    probes: tuple[Probe, ...]
    lateness_max: float = 0.0
    """The most a probe left after its time."""

    @property
    def is_disturbed(self) -> bool:
        """The machine was too busy for the figures to speak of the product."""
        return self.lateness_max > LATENESS_MAX

    def between(self, begin: float, end: float) -> Recording:
        return Recording(tuple(one for one in self.probes if begin <= one.sent <= end), self.lateness_max)

    def answers_by_node(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for probe in self.probes:
            if probe.is_answered and probe.by is not None:
                counts[probe.by] = counts.get(probe.by, 0) + 1
        return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A run of probes without an answer, between two that had one."""

    last_answered: float
    """When the last probe before it was sent (or the first lost one, if none was answered before)."""
    first_lost: float
    ended: float
    """When the first probe was sent that was answered again (or the last lost one, if there was none)."""
    lost: int
    before: str | None
    """Who answered last before it."""
    after: str | None
    """Who answered first after it; None: nobody did within the recording, which may have ended too early."""

    @property
    def duration(self) -> float:
        """How long the client may have been without service: from answer to answer, so never understated."""
        return self.ended - self.last_answered

    @property
    def lost_for(self) -> float:
        """How long probes were lost in a row."""
        return self.ended - self.first_lost

    @property
    def is_open(self) -> bool:
        """It lasted longer than the recording."""
        return self.after is None

    @property
    def is_stray(self) -> bool:
        return self.lost <= STRAY_PROBES_MAX and self.before == self.after


def outages(probes: Sequence[Probe]) -> list[Outage]:
    """All runs of unanswered probes, strays among them, in order of time."""
    found: list[Outage] = []
    last: Probe | None = None
    lost: list[Probe] = []
    for probe in probes:
        if not probe.is_answered:
            lost.append(probe)
            continue
        if lost:
            found.append(_outage(last, lost, probe))
            lost = []
        last = probe
    if lost:
        found.append(_outage(last, lost, None))
    return found


def longest_outage(probes: Sequence[Probe]) -> Outage | None:
    """The longest run of lost probes; None when none was lost."""
    return max(outages(probes), key=lambda one: one.duration, default=None)


def _outage(before: Probe | None, lost: Sequence[Probe], after: Probe | None) -> Outage:
    return Outage(
        last_answered=(before or lost[0]).sent,
        first_lost=lost[0].sent,
        ended=(after or lost[-1]).sent,
        lost=len(lost),
        before=None if before is None else before.by,
        after=None if after is None else after.by,
    )


@dataclass(frozen=True, slots=True)
class Spell:
    """A time in which one node answered, or (None) nobody."""

    node: str | None
    began: float
    ended: float


def spells(probes: Iterable[Probe]) -> list[Spell]:
    """Who had the address over time, as the client saw it. Stray losses do not end a spell."""
    merged: list[Spell] = []
    kept = list(probes)
    strays = [(one.first_lost, one.ended) for one in outages(kept) if one.is_stray]
    for probe in kept:
        node = probe.by if probe.is_answered else None
        if node is None and any(begin <= probe.sent < end for begin, end in strays):
            continue
        if merged and merged[-1].node == node:
            merged[-1] = Spell(node, merged[-1].began, probe.sent)
        else:
            if merged:
                merged[-1] = Spell(merged[-1].node, merged[-1].began, probe.sent)
            merged.append(Spell(node, probe.sent, probe.sent))
    return merged


@dataclass(frozen=True, slots=True)
class Claim:
    """An ARP packet on the LAN, or a neighbour advertisement, whose sender says that the address is its own."""

    time: float
    port: str
    """The switch port it came in by."""
    mac: str
    address: str
    is_reply: bool
    target: str


@dataclass(frozen=True, slots=True)
class Connection:
    """One TCP connection of a client, from its first SYN to its end."""

    address: str
    is_stream: bool
    """It was meant to last."""
    begun: float
    connected: float | None
    """When the handshake was done, for the client."""
    ended: float
    by: str | None
    """The node that answered."""
    error: str | None
    """What broke it; None: nothing, a stream was alive when its client ended."""


def claimants(claims: Iterable[Claim], address: str, begin: float, end: float) -> tuple[str, ...]:
    """The MACs that claimed the address in a window of time, each once."""
    return tuple(sorted({one.mac for one in claims if one.address == address and begin <= one.time <= end}))


def overlap(claims: Iterable[Claim], address: str, winner: str, begin: float, end: float) -> float:
    """How long others went on claiming an address after the MAC that has it in the end had begun to.

    Of a window of time in which the address moves once: over several moves it would add up what lies between them.
    """
    inside = [one for one in claims if one.address == address and begin <= one.time <= end]
    first = min((one.time for one in inside if one.mac == winner), default=None)
    if first is None:
        return 0.0
    return max((one.time - first for one in inside if one.mac != winner and one.time > first), default=0.0)


CHANGED_HANDS_AFTER = 1.0
"""A claim that follows another's sooner than this, and is followed by the other's again, is of two owners at once."""


def doubled_for(claims: Iterable[Claim], address: str, begin: float, end: float) -> float:
    """For how long in all two claimed the address in turns: each time from a claim between two of another to the second.

    Moves to and fro that are further apart are moves.
    """
    inside = sorted(
        (one for one in claims if one.address == address and begin <= one.time <= end),
        key=lambda one: one.time,
    )
    total = 0.0
    changes = [after for before, after in pairwise(inside) if before.mac != after.mac]
    for there, back in pairwise(changes):
        if back.time - there.time <= CHANGED_HANDS_AFTER:
            total += back.time - there.time
    return total


class RecordingReader:
    """What a prober has written so far. Asked again, it reads only what is new: who waits for an answer asks all the time,
    and would otherwise keep the machine busy that is measured."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._probes: list[Probe] = []
        self._lateness_max = 0.0
        self._lock = Lock()

    def read(self) -> Recording:
        with self._lock:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                # A last line without its end is being written.
                news, end, _ = file.read().rpartition(b"\n")
            self._offset += len(news) + len(end)
            for line in news.splitlines():
                sent, answered, by, lateness = json.loads(line)
                self._probes.append(Probe(sent, answered, by))
                self._lateness_max = max(self._lateness_max, lateness)
            self._probes.sort(key=lambda probe: probe.sent)  # Written as they are answered or given up.
            return Recording(tuple(self._probes), self._lateness_max)


def read_lateness(path: Path, begin: float, end: float) -> float:
    """The most that a probe sent in that time left after its time."""
    probes = map(json.loads, _complete_lines(path))
    return max((lateness for sent, _, _, lateness in probes if begin <= sent <= end), default=0.0)


def read_claims(path: Path) -> tuple[Claim, ...]:
    """What a referee has written so far."""
    return tuple(Claim(*json.loads(line)) for line in _complete_lines(path))


def read_connections(path: Path) -> tuple[Connection, ...]:
    """What a load has written so far."""
    return tuple(Connection(*json.loads(line)) for line in _complete_lines(path))


def _complete_lines(path: Path) -> list[str]:
    """The file is being written: a last line without its end is not there yet."""
    return [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
