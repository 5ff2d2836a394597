"""What each profile does in rings of 3 to 10,000 members: detection, false deaths, packets. Drawn, and as tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median, quantiles

from membership import Effect, MemberFailed, Profile
from swimlb.lab.sim.rings import build
from swimlb.lab.simnet.bounds import disturbed_bound, pace
from swimlb.lab.simnet.network import SimNet
from swimlb.lab.simnet.wire import Conditions

SIZES = (3, 5, 10, 20, 50, 100, 300, 1000, 3000, 10_000)
_RUNS = {3: 300, 5: 300, 10: 200, 20: 100, 50: 60, 100: 40, 300: 16, 1000: 6, 3000: 2, 10_000: 1}
"""Fewer for the large ones, which say more in one run: all their members must hear of the crash."""
_PUSH_PULL_UP_TO = 100

LOSS_SIZES = (3, 10, 100, 1000)
LOSSES = (0.05, 0.1, 0.2)
STALLS = (0.05, 0.3, 1.0, 4.5)
_STALL_MEMBERS = 10
_STALL_EVERY = 10.0
"""Seconds from one stall of a member to its next. This and all below is for `normal`, and scaled by the pace."""
_QUIET = 2.0
"""Seconds of calm in which the packets are counted."""
_ROUGH = 5 * 3600.0
"""Seconds, of all members together, for each figure of false deaths."""
_ROUGH_EACH_MIN = 5.0
"""And of each member at least."""


@dataclass(frozen=True, slots=True)
class Detection:
    """From a crash until the last survivor knows of it, in seconds, over `runs` crashes."""

    profile: str
    members: int
    runs: int
    median: float
    p99: float
    worst: float
    packets_each: float
    """Packets that a member sends in a second while nothing happens."""


@dataclass(frozen=True, slots=True)
class FalseDeaths:
    """Verdicts about the living: `deaths` counts each victim of each moment once, however many heard of it."""

    profile: str
    members: int
    loss: float
    """Part of the packets lost, each way."""
    stall: float
    """How long each member stops, now and then."""
    stalls: int
    """How often one stopped."""
    member_hours: float
    deaths: int

    @property
    def per_hour(self) -> float:
        return self.deaths / self.member_hours


def measure_detection(name: str, profile: Profile, sizes: Sequence[int], effort: float) -> list[Detection]:
    """`effort` is the part of all crashes that are simulated; one of each size at least."""
    found: list[Detection] = []
    for members in sizes:
        count = max(1, round(effort * _RUNS[members]))
        runs = [_detect(seed, members, profile) for seed in range(1, count + 1)]
        times = [took for took, _ in runs]
        p99 = quantiles(times, n=100, method="inclusive")[98] if len(times) > 1 else times[0]
        packets = sum(each for _, each in runs) / len(runs)
        found.append(Detection(name, members, len(times), median(times), p99, max(times), packets))
    return found


def measure_false_deaths(
    name: str, profile: Profile, sizes: Sequence[int], effort: float
) -> list[FalseDeaths]:
    """`effort` is the part of the time that is simulated."""
    lifetime = effort * _ROUGH * pace(profile)
    lossy = [
        _rough(name, profile, members, lifetime, loss=loss, stall=0.0)
        for members in LOSS_SIZES
        if members in sizes
        for loss in LOSSES
    ]
    return lossy + [
        _rough(name, profile, _STALL_MEMBERS, lifetime, loss=0.0, stall=stall) for stall in STALLS
    ]


def _detect(seed: int, members: int, profile: Profile) -> tuple[float, float]:
    """How long one crash took to be known to all, and the packets per member and second before it."""
    net = build(seed, members, profile, push_pull=members <= _PUSH_PULL_UP_TO)
    chance = Random(seed)
    victim = f"node-{chance.randrange(members)}"
    knowing: set[str] = set()
    last = 0.0

    def hear(member: str, effect: Effect) -> None:
        nonlocal last
        if isinstance(effect, MemberFailed) and effect.name == victim and member not in knowing:
            knowing.add(member)
            last = net.now

    _listen(net, hear)
    net.run_for(pace(profile))
    packets_before, quiet = net.packets_sent, _QUIET * pace(profile)
    net.run_for(quiet)
    packets = (net.packets_sent - packets_before) / members / quiet
    net.run_for(chance.uniform(0, 1) * pace(profile))
    crashed_at = net.now
    net.crash(victim)
    limit = net.now + disturbed_bound(profile, min(members, 100))
    while len(knowing) < members - 1:
        assert net.now < limit, f"{members - 1 - len(knowing)} of {members} do not know"
        net.run_for(pace(profile) / 20)
    return last - crashed_at, packets


def _rough(
    name: str, profile: Profile, members: int, lifetime: float, *, loss: float, stall: float
) -> FalseDeaths:
    net = build(1, members, profile, Conditions(loss=loss), push_pull=members <= _PUSH_PULL_UP_TO)
    duration = max(lifetime / members, _ROUGH_EACH_MIN * pace(profile))
    victims: set[tuple[str, int]] = set()

    def hear(member: str, effect: Effect) -> None:
        if isinstance(effect, MemberFailed):
            victims.add((effect.name, effect.incarnation))

    _listen(net, hear)
    stalls = _stalls(net.names(), max(_STALL_EVERY * pace(profile), 10 * stall), duration) if stall else []
    for moment, member in stalls:
        net.agenda.at(moment, net.pause, member, stall)
    net.run_for(duration)
    return FalseDeaths(name, members, loss, stall, len(stalls), members * duration / 3600, len(victims))


def _stalls(names: Sequence[str], interval: float, duration: float) -> list[tuple[float, str]]:
    """When who stops: each in its own time, at random moments about `interval` apart."""
    chance = Random(1)
    stalls: list[tuple[float, str]] = []
    for name in names:
        moment = chance.uniform(0, interval)
        while moment < duration:
            stalls.append((moment, name))
            moment += chance.uniform(0.5, 1.5) * interval
    return stalls


def _listen(net: SimNet, hear: Callable[[str, Effect], None]) -> None:
    net.on_fact = lambda fact: hear(fact.member, fact.effect)
