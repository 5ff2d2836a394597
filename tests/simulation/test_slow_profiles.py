"""What memberlist's own profiles promise, `lan` and `wan`: beside a model of memberlist, made of its constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import floor, log, log10
from random import Random
from statistics import median, quantiles

import pytest

from membership import MemberFailed, Profile, lan, wan
from swimlb.lab.simnet import Conditions
from tests.simulation.rings import Ring

CRASHES = 16
MODEL_RUNS = 400
MAX_TIMEOUT_MULT = 6


@dataclass(frozen=True)
class Promise:
    profile: Profile
    interval: float
    """memberlist's ProbeInterval."""
    mult: int
    """memberlist's SuspicionMult."""
    median: float
    worst: float
    stall: float
    loss: float
    packets: float
    """Sent by each member in a second, at rest."""

    def timeout(self, members: int, confirmations: int) -> float:
        """memberlist's suspicion timer, from the first accusation on."""
        scale = floor(max(1.0, log10(members)) * 1000) / 1000
        shortest = self.mult * scale * self.interval
        wanted = self.mult - 2
        if members - 2 < wanted:
            return shortest
        longest = MAX_TIMEOUT_MULT * shortest
        part = log(min(confirmations, wanted) + 1) / log(wanted + 1)
        return max(shortest, floor((longest - (longest - shortest) * part) * 1000) / 1000)

    def verdict(self, members: int, accusations: Sequence[float]) -> float:
        """When a member of memberlist that hears of all accusations at once declares the death."""
        first, *later = sorted(accusations)
        due = first + self.timeout(members, 0)
        for confirmations, accused in enumerate(later, 1):
            if accused >= due:
                break
            due = max(accused, first + self.timeout(members, confirmations))
        return due

    def memberlists_time(self, members: int, rng: Random) -> float:
        """From a crash to the verdict. Each survivor comes to the dead one in its turn, and waits for an interval."""
        turns = (rng.uniform(0, 1) + rng.randrange(members - 1) for _ in range(members - 1))
        return self.verdict(members, [(turn + 1) * self.interval for turn in turns])


# LZW changes no timing here, and costs the test most of its time.
LAN, WAN = (replace(profile, compression=False) for profile in (lan(), wan()))
PROMISES = [
    pytest.param(Promise(LAN, 1.0, 4, median=7.5, worst=12.0, stall=4.5, loss=0.2, packets=3.0), id="lan"),
    pytest.param(Promise(WAN, 5.0, 6, median=50.0, worst=75.0, stall=30.0, loss=0.2, packets=1.0), id="wan"),
]


def crash(promise: Promise, count: int, seed: int, crashing: int = 1) -> tuple[float, list[MemberFailed]]:
    """How long it took until all survivors knew of all, and what they said."""
    ring = Ring(seed, count, profile=promise.profile)
    ring.net.run_for(promise.interval * (2 + seed * 0.371))
    for name in ring.names[-crashing:]:
        ring.net.crash(name)
    took = ring.time_until_all_see(ring.names[:-crashing], 4 * promise.worst)
    return took, ring.told(MemberFailed)


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("count", [3, 4, 5, 10, 20])
def test_a_crash_is_known_no_later_than_with_memberlist(promise: Promise, count: int) -> None:
    """Some crashes at different moments, beside as many of memberlist's, many times: all but chance is excluded."""
    rng, crashes = Random(count), CRASHES if count < 20 else CRASHES // 2
    batches = [[promise.memberlists_time(count, rng) for _ in range(crashes)] for _ in range(MODEL_RUNS)]
    *_, median_max = quantiles(map(median, batches), n=20)
    *_, worst_max = quantiles(map(max, batches), n=20)

    outcomes = [crash(promise, count, seed) for seed in range(1, crashes + 1)]

    times = [took for took, _ in outcomes]
    assert median(times) <= min(median_max, promise.median)
    assert max(times) <= min(worst_max, promise.worst)
    for verdict in (verdict for _, verdicts in outcomes for verdict in verdicts):
        # It may be the last accusation that ended the suspicion: then the time is that of the ones before it.
        confirmations = max(0, len(verdict.accusers) - 2)
        assert verdict.suspected_for <= promise.timeout(count, confirmations) + 1e-6


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize(
    ("count", "crashing", "memberlists_time"), [(4, 2, 14.9), (5, 3, 21.8)], ids=["2 of 4", "3 of 5"]
)
def test_many_at_once_are_known_sooner_than_with_memberlist(
    promise: Promise, count: int, crashing: int, memberlists_time: float
) -> None:
    """memberlist waits for the dead to confirm each other's death; its medians are of 0.5.1 with LAN defaults, per interval."""
    times = [crash(promise, count, seed, crashing)[0] for seed in range(1, CRASHES + 1)]

    assert median(times) <= 0.75 * memberlists_time * promise.interval
    assert max(times) <= memberlists_time * promise.interval


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("count", [2, 3, 4, 10])
def test_stalls_kill_nobody(promise: Promise, count: int) -> None:
    """Each member in turn stops for as long as is tolerated, and now and then two in a row."""
    ring = Ring(count, count, profile=promise.profile)

    for number in range(24):
        ring.net.pause(ring.names[number % count], promise.stall)
        ring.net.run_for(promise.stall * (1.0 + number * 0.37 % 1.5))

    assert ring.told(MemberFailed) == []


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("count", [2, 3, 5])
def test_loss_kills_nobody(promise: Promise, count: int, seed: int) -> None:
    """As many packets lost each way as are tolerated, for a while."""
    ring = Ring(seed, count, profile=promise.profile, conditions=Conditions(loss=promise.loss))

    ring.net.run_for(120 * promise.interval)

    assert ring.told(MemberFailed) == []


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("count", [3, 10])
def test_rest_is_cheap(promise: Promise, count: int) -> None:
    """No member sends more than is promised, and more members do not make it more."""
    ring = Ring(1, count, profile=promise.profile)
    ring.net.run_for(5 * promise.interval)
    packets, duration = ring.net.packets_sent, 30 * promise.interval

    ring.net.run_for(duration)

    assert (ring.net.packets_sent - packets) / duration / count <= promise.packets
