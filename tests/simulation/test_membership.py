"""Rings in virtual time: what a ring of Memberlists promises, under faults, for any seed."""

from __future__ import annotations

from membership import (
    AccusationRefuted,
    LeaveCompleted,
    LeaveRequested,
    MemberFailed,
    MemberLeft,
    MemberSuspected,
    MetaChanged,
    RunningLate,
    lan,
)
from swimlb.lab.simnet import Conditions
from tests.simulation.rings import PROBES_ALONE, Ring


def test_a_crash_is_known_to_all_within_the_bound(seed: int) -> None:
    """Three members that probe five times a second: 1.3 s at the very most, whatever the moment."""
    ring = Ring(seed, 3, profile=PROBES_ALONE)
    ring.net.run_for(1 + seed * 0.037)

    ring.net.crash("node-3")

    assert ring.time_until_all_see(["node-1", "node-2"], 1.3) <= ring.detection_bound()
    failures = ring.told(MemberFailed)
    assert [failure.name for failure in failures] == ["node-3", "node-3"]
    assert all(set(failure.accusers) == {"node-1", "node-2"} for failure in failures)


def test_half_of_the_ring_at_once(seed: int) -> None:
    """The dead are not waited for to confirm each other's death."""
    ring = Ring(seed, 6, profile=PROBES_ALONE)
    ring.net.run_for(1 + seed * 0.037)

    for name in ("node-4", "node-5", "node-6"):
        ring.net.crash(name)

    assert ring.time_until_all_see(["node-1", "node-2", "node-3"], 10) <= 2 * ring.detection_bound()


def test_memberlists_own_profile_keeps_its_own_bound(seed: int) -> None:
    """The same code with memberlist's LAN defaults: 4 s of suspicion among three."""
    ring = Ring(seed, 3, profile=lan())
    ring.net.run_for(3)

    ring.net.crash("node-3")

    took = ring.time_until_all_see(["node-1", "node-2"], 12)
    assert 4.0 < took <= ring.detection_bound()


def test_a_quiet_ring_accuses_nobody(seed: int) -> None:
    """Without faults there is no suspicion at all, and little traffic."""
    ring = Ring(seed, 5, profile=PROBES_ALONE)
    ring.net.run_for(2)
    packets = ring.net.packets_sent

    ring.net.run_for(30)

    assert ring.told(MemberSuspected) == []
    assert (ring.net.packets_sent - packets) / 30 / 5 <= 2 / ring.profile.probe_interval + 1


def test_loss_kills_nobody(seed: int) -> None:
    """A fifth of all packets lost each way, some doubled: suspicions, but every one is refuted in time."""
    ring = Ring(seed, 4, profile=PROBES_ALONE, conditions=Conditions(loss=0.2, duplication=0.05))

    ring.net.run_for(60)

    assert ring.told(MemberFailed) == []
    assert ring.told(MemberSuspected) != []


def test_a_stall_kills_nobody(seed: int) -> None:
    """A member that stops for 300 ms neither dies nor takes the others for dead when it wakes."""
    ring = Ring(seed, 4, profile=PROBES_ALONE)

    for number in range(12):
        ring.net.pause(f"node-{number % 4 + 1}", 0.3)
        ring.net.run_for(1.5 + seed * 0.031)

    assert ring.told(MemberFailed) == []
    assert len(ring.told(RunningLate)) == 12


def test_a_leave_is_known_at_once(seed: int) -> None:
    """A goodbye does not wait for a gossip round: it takes one trip, and a relayed one at the most."""
    ring = Ring(seed, 8)
    ring.net.run_for(2)

    ring.net.tell("node-8", LeaveRequested())

    latency_max = ring.net.conditions.latency[1]
    assert ring.time_until_all_see(ring.names[:-1], 2 * latency_max) <= latency_max
    ring.net.run_for(2)
    assert {left.name for left in ring.told(MemberLeft)} == {"node-8"}
    assert len(ring.told(LeaveCompleted)) == 1
    assert ring.told(MemberFailed) == []


def test_a_meta_change_is_known_at_once(seed: int) -> None:
    """The same for what a member says of itself: planned moves wait for it."""
    ring = Ring(seed, 8)
    ring.net.run_for(2)

    ring.net.tell("node-1", MetaChanged(b"draining"))

    def is_known() -> bool:
        return all(ring.net.member(name).members()[0].meta == b"draining" for name in ring.names)

    assert ring.net.run_until(is_known, ring.net.conditions.latency[1])


def test_a_restarted_member_is_alive_again_at_once(seed: int) -> None:
    """It knows nothing of its death; the answer to its join tells it, and its refutation is told to all."""
    ring = Ring(seed, 5)
    ring.net.run_for(1)
    ring.net.crash("node-5")
    ring.net.run_for(3)
    assert ring.all_see(ring.names[:-1])

    ring.net.restart("node-5", ring.seeds)

    assert ring.time_until_all_see(ring.names, 1) <= ring.profile.gossip_interval
    assert ring.net.member("node-5").local.incarnation == 2


def test_a_quick_restart_goes_unnoticed(seed: int) -> None:
    """Back before anybody missed it: nobody dies, and it learns the incarnation it had."""
    ring = Ring(seed, 4)
    ring.net.tell("node-4", MetaChanged(b"first life"))
    ring.net.run_for(1)

    ring.net.crash("node-4")
    ring.net.run_for(0.05)
    ring.net.restart("node-4", ring.seeds)
    ring.net.run_for(5)

    assert ring.told(MemberFailed) == []
    assert ring.all_see(ring.names)
    assert {ring.net.member(name).members()[3].meta for name in ring.names} == {b""}


def test_two_halves_find_each_other_when_the_cut_heals(seed: int) -> None:
    """Nobody joins them again; each keeps asking after the lost."""
    ring = Ring(seed, 6)
    left, right = ring.names[:3], ring.names[3:]
    ring.net.partition(left, right)
    ring.net.run_until(lambda: ring.all_see(left) and ring.all_see(right), 10)
    ring.net.run_for(3)

    ring.net.heal()

    assert ring.time_until_all_see(ring.names, 10) <= 3 * ring.profile.reconnect_interval


def test_two_halves_find_each_other_even_when_forgotten(seed: int) -> None:
    """Cut for longer than the dead are remembered: their addresses still are."""
    ring = Ring(seed, 4)
    ring.net.partition(ring.names[:2], ring.names[2:])
    ring.net.run_for(ring.profile.gossip_to_the_dead_time + 10)
    assert {member.name for member in ring.net.member("node-1").known()} == {"node-1", "node-2"}

    ring.net.heal()

    assert ring.time_until_all_see(ring.names, 10) <= 3 * ring.profile.reconnect_interval


def test_a_seed_that_comes_late_is_joined(seed: int) -> None:
    """A member whose only seed was down at its start tries again by itself."""
    ring = Ring(seed, 2)
    ring.net.crash("node-1")
    ring.net.crash("node-2")
    ring.net.restart("node-2", ring.seeds)
    ring.net.run_for(10)

    ring.net.restart("node-1")

    assert ring.time_until_all_see(ring.names, 10) <= 2 * ring.profile.reconnect_interval


def test_one_way_cuts_are_bridged_by_helpers(seed: int) -> None:
    """A member that one other cannot reach stays alive, because the rest can."""
    ring = Ring(seed, 5)

    ring.net.cut("node-1", "node-2")
    ring.net.run_for(20)

    assert ring.told(MemberFailed) == []


def test_incarnations_never_go_back(seed: int) -> None:
    """In every view, through refutations, loss and stalls."""
    ring = Ring(seed, 4, profile=PROBES_ALONE, conditions=Conditions(loss=0.2))
    seen: dict[tuple[str, str], int] = {}

    for _ in range(100):
        ring.net.pause(ring.names[_ % 4], 0.25)
        ring.net.run_for(0.4)
        for name in ring.names:
            for member in ring.net.member(name).known():
                assert member.incarnation >= seen.get((name, member.name), 0)
                seen[name, member.name] = member.incarnation

    assert ring.told(AccusationRefuted) != []


def test_the_same_seed_gives_the_same_run(seed: int) -> None:
    """Every event and every fact, to the microsecond."""
    traces: list[list[str] | None] = []

    for _ in range(2):
        ring = Ring(seed, 4, conditions=Conditions(loss=0.2, duplication=0.1), keep_trace=True)
        ring.net.crash("node-4")
        ring.net.run_for(3)
        traces.append(ring.net.trace)

    assert traces[0] == traces[1]
    assert traces[0]
