"""What one fault amounts to, for clients and on the wire: pure functions of what was recorded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from swimlb.lab.measure import Claim, Connection, Outage, Recording, doubled_for, longest_outage, spells

BEFORE = 0.05
"""A probe that was answered just before the fault is where an outage begins."""
BLACK_HOLE_AFTER = 0.5
"""Probes lost for longer than this after another node's claim: the client followed a claim that was not the last."""


@dataclass(frozen=True, slots=True)
class Event:
    """What one fault did to the client; times in seconds."""

    outage: float | None
    """From answer to answer; 0: nothing was lost, None: longer than the window."""
    lost: int
    """Probes."""
    claimed_after: float | None
    """When another node first claimed the address, counted from the fault."""
    is_black_hole: bool
    lateness: float
    """The most that a probe left after its time, in this window."""


@dataclass(frozen=True, slots=True)
class Run(Event):
    """An `Event` of the client that lost most, and what else was seen. Times in seconds."""

    outage_back: float | None
    """The longest after what was wrong had been mended, until all was well again; None: it lasted longer."""
    taken_over_after: float | None
    """When the last of the victim's addresses was claimed by another node; None where none was, or routers decide."""
    two_owners: float | None
    """For how long in all two nodes claimed the address in turns; None where routers decide."""
    moves: int
    """Of the client's flow, until all was well again."""
    false_moves: int
    """Those that nothing made necessary, and addresses of others that were claimed by somebody else."""
    streams: int
    """TCP connections to the victim that were established before the fault."""
    broken: int
    streams_elsewhere: int
    broken_elsewhere: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All that was recorded of one fault."""

    begun: float
    ended: float
    """Of the time in which the fault is watched."""
    well: float
    """When all was well again, and had been for a moment."""
    recordings: Mapping[str, Recording]
    """By address, of the clients whose flow was the victim's."""
    lateness: float
    claims: Sequence[Claim]
    connections: Sequence[Connection]
    victim: str
    owners: Mapping[str, str]
    """By address, the MAC that had it before; empty where routers decide."""
    hurt: Collection[str]
    """MACs of the nodes that may lose what they have."""
    needed_moves: int


def judged(seen: Seen) -> Run:
    claims = sorted(
        (one for one in seen.claims if seen.begun <= one.time <= seen.well), key=lambda one: one.time
    )
    event = max((_event(seen, claims, address) for address in seen.recordings), key=_badness)
    after = [_longest(one, seen.ended, seen.well) for one in seen.recordings.values()]
    moves = max(count_moves(one, seen.begun - BEFORE, seen.well) for one in seen.recordings.values())
    strays = stray_addresses(claims, seen.owners, seen.hurt)
    two_owners = [doubled_for(claims, one, seen.begun, seen.well) for one in seen.recordings if seen.owners]
    here, elsewhere = (
        [one for one in established(seen.connections, seen.begun) if (one.by == seen.victim) is is_here]
        for is_here in (True, False)
    )
    return Run(
        outage=event.outage,
        lost=event.lost,
        claimed_after=event.claimed_after,
        is_black_hole=event.is_black_hole,
        lateness=event.lateness,
        outage_back=None if None in after else max(one for one in after if one is not None),
        taken_over_after=taken_over(claims, seen.owners, seen.hurt, seen.begun, seen.ended),
        two_owners=max(two_owners, default=None),
        moves=moves,
        false_moves=max(0, moves - seen.needed_moves, len(strays & seen.recordings.keys()))
        + len(strays - seen.recordings.keys()),
        streams=len(here),
        broken=sum(one.error is not None for one in here),
        streams_elsewhere=len(elsewhere),
        broken_elsewhere=sum(one.error is not None for one in elsewhere),
    )


def judge(outage: Outage | None, *, claimed_at: float | None, begun: float, lateness: float) -> Event:
    """What the client's longest outage of a window amounts to."""
    claimed_after = None if claimed_at is None else claimed_at - begun
    if outage is None:
        return Event(0.0, 0, claimed_after, False, lateness)
    is_dark = claimed_at is not None and outage.ended - max(claimed_at, outage.first_lost) > BLACK_HOLE_AFTER
    return Event(None if outage.is_open else outage.duration, outage.lost, claimed_after, is_dark, lateness)


def _event(seen: Seen, claims: Sequence[Claim], address: str) -> Event:
    times = (
        one.time
        for one in claims
        if one.address == address and one.time <= seen.ended and one.mac != seen.owners.get(address)
    )
    return judge(
        longest_outage(seen.recordings[address].between(seen.begun - BEFORE, seen.ended).probes),
        claimed_at=next(times, None),
        begun=seen.begun,
        lateness=seen.lateness,
    )


def _badness(event: Event) -> float:
    return float("inf") if event.outage is None else event.outage


def _longest(recording: Recording, begin: float, end: float) -> float | None:
    outage = longest_outage(recording.between(begin - BEFORE, end).probes)
    if outage is None:
        return 0.0
    return None if outage.is_open else outage.duration


def count_moves(recording: Recording, begin: float, end: float) -> int:
    """How often another node answered than the one before."""
    answering = [one.node for one in spells(recording.between(begin, end).probes) if one.node is not None]
    return sum(before != after for before, after in pairwise(answering))


def stray_addresses(
    claims: Iterable[Claim], owners: Mapping[str, str], hurt: Collection[str]
) -> frozenset[str]:
    """Addresses of nodes that nothing had happened to, which somebody else claimed."""
    return frozenset(
        one.address
        for one in claims
        if (owner := owners.get(one.address)) is not None and owner not in hurt and one.mac != owner
    )


def taken_over(
    claims: Iterable[Claim], owners: Mapping[str, str], hurt: Collection[str], begun: float, ended: float
) -> float | None:
    """How long it took until every address of those who were hurt had been claimed by one who was not."""
    first: dict[str, float] = {}
    for claim in claims:
        if claim.time <= ended and owners.get(claim.address) in hurt and claim.mac not in hurt:
            first.setdefault(claim.address, claim.time)
    lost = [address for address, owner in owners.items() if owner in hurt]
    if not lost or any(address not in first for address in lost):
        return None
    return max(first[address] for address in lost) - begun


def established(connections: Iterable[Connection], begun: float) -> list[Connection]:
    """Streams that stood when the fault came, whatever has become of them."""
    return [
        one
        for one in connections
        if one.is_stream
        and one.connected is not None
        and one.by is not None
        and one.connected < begun <= one.ended
    ]
