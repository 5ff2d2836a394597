"""What a profile promises, as numbers: how soon a crash is known, and what it tolerates without a false death."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, log10
from typing import cast

import membership
from membership import Profile
from membership.suspicion import suspicion_bounds


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Up to this, one trouble at a time costs nobody its life."""

    stall: float
    """Seconds that a member may stop for."""
    loss: float
    """Part of the packets, each way."""


TOLERANCES = {
    "lan": Tolerance(stall=4.5, loss=0.2),
    "normal": Tolerance(stall=0.3, loss=0.2),
    "fast": Tolerance(stall=0.05, loss=0.05),
    "wan": Tolerance(stall=10.0, loss=0.2),
}


def profiles() -> dict[str, Profile]:
    """The profiles that `membership` has, of those whose tolerance is known here.

    Without compression, which costs the simulation much and changes nothing in it.
    """
    makers = {name: cast("Callable[[], Profile] | None", vars(membership).get(name)) for name in TOLERANCES}
    return {name: replace(make(), compression=False) for name, make in makers.items() if make is not None}


def pace(profile: Profile) -> float:
    """A measure for how fast a ring lives: a second of `normal`'s life is this long in another profile's."""
    return 10 * profile.observe_interval if profile.observers else 5 * profile.probe_interval


def crash_bound(profile: Profile, members: int) -> float:
    """The longest from a crash to the last survivor's knowing, without loss and with healthy survivors.

    With observers: the last of them pings an interval after the crash at the latest, misses that ping and then its
    burst, the accused has its time to refute, and gossip takes some rounds.

    Without: a member is probed once in n - 1 intervals, its probe fails one interval later, the suspicion of the
    first accuser is confirmed by then or times out, and gossip takes some rounds. Of the survivors at least one must
    probe it; that it is the last one's turn everywhere is the worst case.
    """
    if not profile.observers:
        shortest, _ = suspicion_bounds(profile, members)
        return (members + 1) * profile.probe_interval + shortest
    burst = (profile.observe_misses - 1) * profile.burst_interval
    sure = profile.observe_interval + 2 * profile.observe_timeout + burst
    rounds = 2 * ceil(log10(members + 1))
    return max(sure, profile.observe_silence) + profile.observe_timeout / 2 + rounds * profile.gossip_interval


def disturbed_bound(profile: Profile, members: int) -> float:
    """The same when anything else goes wrong, too: half of the members gone, loss, stalls, doubts of oneself.

    Every probe that fails in the round takes as long as a member that trusts itself least waits, and nobody
    confirms the suspicion.
    """
    shortest, longest = suspicion_bounds(profile, members)
    slowest_probe = profile.awareness_max_multiplier * profile.probe_interval
    return (members + 1) * profile.probe_interval + (members / 2 + 1) * slowest_probe + shortest + longest


def aftermath(profile: Profile, members: int) -> float:
    """For how long a member may still be declared dead for what has ended: until it has heard, and been heard.

    Who was cut off is asked after by then, and answers the suspicions that are still running.
    """
    shortest, _ = suspicion_bounds(profile, members)
    return crash_bound(profile, members) + 2 * profile.reconnect_interval + shortest


def healing_bound(profile: Profile, members: int) -> float:
    """The longest until all agree once nothing goes wrong any more.

    A lost member is asked after once in as many intervals as there are lost ones and seeds; who is wrongly
    missed is found so, and who is wrongly held for alive by probing.
    """
    return disturbed_bound(profile, members) + (2 * members + 3) * profile.reconnect_interval
