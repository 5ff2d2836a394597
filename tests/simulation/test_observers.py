"""Rings whose members observe each other: who is believed, and when."""

from __future__ import annotations

from collections import Counter

from membership import (
    Config,
    LeaveRequested,
    MemberFailed,
    MemberJoined,
    MemberSuspected,
    PaceChanged,
    PacketReceived,
    Profile,
    normal,
)
from membership.wire.messages import Dead, encode
from swimlb.lab.simnet import SimNet
from tests.simulation.rings import Ring


def test_a_wrongly_declared_member_is_back_within_a_round_trip(seed: int) -> None:
    """Somebody says that it is dead; it says otherwise, to all."""
    ring = Ring(seed, 8)
    ring.net.run_for(2)
    lie = encode(Dead(1, "node-5", "node-2"))
    for name in ring.names[:4]:
        ring.net.tell(name, PacketReceived(ring.net.host("node-2").endpoint, lie))
    assert {failed.name for failed in ring.told(MemberFailed)} == {"node-5"}

    assert ring.time_until_all_see(ring.names, 1) <= 3 * ring.net.conditions.latency[1]


def test_a_deaf_member_kills_nobody_else(seed: int) -> None:
    """It hears nobody, so it accuses all, and judges them alone. By then all have refuted to the others."""
    ring = Ring(seed, 4)
    ring.net.run_for(2)

    for name in ring.names[1:]:
        ring.net.cut(name, "node-1")
    ring.net.run_for(5)

    failures = Counter(fact.member for fact in ring.net.facts if isinstance(fact.effect, MemberFailed))
    # It answers no ping either: the others may hold it for dead, but each other never.
    assert {
        fact.effect.name
        for fact in ring.net.facts
        if isinstance(fact.effect, MemberFailed) and fact.member != "node-1"
    } <= {"node-1"}
    assert failures["node-1"] == 3


def test_one_bad_path_kills_nobody(seed: int) -> None:
    """An observer that alone cannot reach a member has one vote, and the member goes on refuting."""
    ring = Ring(seed, 6)
    ring.net.run_for(2)

    ring.net.partition(["node-1"], ["node-2"])
    ring.net.run_for(10)

    assert ring.told(MemberFailed) == []


def test_a_slow_member_slows_the_ring_until_it_leaves(seed: int) -> None:
    """While a member that cannot keep the pace is there, a crash takes as long as with memberlist."""
    net = SimNet(seed)
    names = ["quick-1", "quick-2", "quick-3", "slow"]

    def config(number: int, name: str, profile: Profile) -> Config:
        return Config(
            name=name,
            address=f"192.0.2.{number}",
            profile=profile,
            meta=name.encode()[:5],
            capability_prefix=b"quick",
        )

    for number, name in enumerate(names, 1):
        net.add(config(number, name, normal()), [net.host("quick-1").endpoint] if number > 1 else [])
    net.run_for(2)
    assert [fact.effect for fact in net.facts if isinstance(fact.effect, PaceChanged)] == [
        PaceChanged("lan", ("slow",))
    ] * 3
    net.run_for(20)
    assert [fact for fact in net.facts if isinstance(fact.effect, MemberSuspected)] == []

    net.tell("slow", LeaveRequested())
    net.run_for(2)
    net.crash("quick-3")
    net.run_for(0.8)

    failed = [fact.effect.name for fact in net.facts if isinstance(fact.effect, MemberFailed)]
    assert failed == ["quick-3", "quick-3"]
    assert sum(isinstance(fact.effect, MemberJoined) for fact in net.facts) == 12
