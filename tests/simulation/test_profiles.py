"""What the profiles with observers promise, in virtual time: how soon a crash is known, and what kills nobody."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import pytest

from membership import Cause, MemberFailed, Profile, fast, normal
from swimlb.lab.simnet import Conditions
from tests.simulation.rings import Ring


@dataclass(frozen=True)
class Promise:
    profile: Profile
    median: float
    worst: float
    half: float
    """For half of the members at once."""
    stall: float
    loss: float
    packets: float
    """Sent by each member in a second, at rest."""


PROMISES = [
    pytest.param(Promise(normal(), 0.5, 0.8, 1.0, 0.3, 0.2, 70), id="normal"),
    pytest.param(Promise(fast(), 0.12, 0.25, 0.25, 0.05, 0.05, 320), id="fast"),
]
COUNTS = (3, 4, 5, 10, 20)


def detection_times(promise: Promise, count: int, crashing: int, seeds: range) -> list[float]:
    times: list[float] = []
    for seed in seeds:
        ring = Ring(seed, count, profile=promise.profile)
        ring.net.run_for(promise.profile.observe_interval * (8 + seed * 0.297))
        for name in ring.names[-crashing:]:
            ring.net.crash(name)
        times.append(ring.time_until_all_see(ring.names[:-crashing], 5))
        assert {failed.name for failed in ring.told(MemberFailed)} == set(ring.names[-crashing:])
        assert {failed.cause for failed in ring.told(MemberFailed)} <= {Cause.OBSERVERS, Cause.TOLD}
    return times


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("count", COUNTS)
def test_a_crash_is_known_to_all(promise: Promise, count: int) -> None:
    """Sixteen crashes at different moments of the observers' rounds."""
    times = detection_times(promise, count, 1, range(1, 17 if count < 20 else 9))

    assert median(times) <= promise.median
    assert max(times) <= promise.worst


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("count", [4, 5, 6, 10])
def test_half_of_the_members_at_once(promise: Promise, count: int) -> None:
    """Those who stand in for dead observers are soon sure, too."""
    times = detection_times(promise, count, count // 2, range(1, 17))

    assert max(times) <= promise.half


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("count", [2, 3, 4, 10])
def test_stalls_kill_nobody(promise: Promise, count: int) -> None:
    """Each member in turn stops for as long as is tolerated, and now and then two in a row."""
    ring = Ring(count, count, profile=promise.profile)

    for number in range(40):
        ring.net.pause(ring.names[number % count], promise.stall)
        ring.net.run_for(promise.stall * (1.0 + number * 0.37 % 1.5))

    assert ring.told(MemberFailed) == []


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("count", [2, 3, 5])
def test_loss_kills_nobody(promise: Promise, count: int, seed: int) -> None:
    """As many packets lost each way as are tolerated, for a while."""
    ring = Ring(seed, count, profile=promise.profile, conditions=Conditions(loss=promise.loss))

    ring.net.run_for(300 * promise.profile.observe_interval)

    assert ring.told(MemberFailed) == []


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("count", [3, 10, 30])
def test_rest_is_cheap(promise: Promise, count: int) -> None:
    """No member sends more than is promised, and more members do not make it more."""
    ring = Ring(1, count, profile=promise.profile)
    ring.net.run_for(1)
    packets = ring.net.packets_sent

    ring.net.run_for(2)

    assert (ring.net.packets_sent - packets) / 2 / count <= promise.packets
