"""Is it they, or is it us?"""

from __future__ import annotations

from random import Random

from membership import (
    Config,
    Effect,
    JoinRequested,
    MemberFailed,
    Memberlist,
    PacketReceived,
    Profile,
    Started,
    StreamReceived,
    fast,
    lan,
    normal,
)
from membership.isolation import Isolation
from membership.members import Record, State, Table
from membership.pace import Pace
from membership.wire.messages import Suspect, encode
from membership.wire.stream import NodeState, encode_push_pull
from tests.unit.membership.playbook import VERSIONS, endpoint, octets, told


def isolation(profile: Profile) -> Isolation:
    config = Config(name="node-a", address="192.0.2.1", profile=profile)
    local = Record("node-a", config.octets, 7946, b"", config.versions, 1, State.ALIVE, changed_at=0.0)
    return Isolation(Pace(config, Table(local, Random(1))))


def test_is_cut_off_when_nobody_is_heard_for_half_of_what_condemns() -> None:
    """And tells for how long, once, when somebody is heard again."""
    alone = isolation(normal())
    silence = normal().observe_silence / 2

    assert alone.hear(10.0) == 10.0
    assert not alone.is_cut_off(10.0 + silence)
    assert alone.is_cut_off(10.0 + silence + 0.001)
    assert alone.hear(11.0) == 1.0
    assert alone.hear(11.01) == 0.0


def test_is_known_sooner_where_all_is_quicker() -> None:
    """The bound follows the profile."""
    assert isolation(fast()).is_cut_off(fast().observe_silence)


def test_cannot_be_told_where_members_leave_each_other_in_peace() -> None:
    """At memberlist's pace some seconds without a packet mean nothing."""
    assert not isolation(lan()).is_cut_off(3600.0)


def test_the_first_packet_ends_no_silence() -> None:
    """However long the host has been up: before the start nobody was to be heard, and nobody owes us that time."""
    begun = 10 * 86_400.0
    member = Memberlist(Config(name="node-a", address="192.0.2.1", profile=normal()), Random(1))
    member.step(Started(), begun)
    member.step(JoinRequested((endpoint(2),)), begun)
    rows = [
        NodeState(f"node-{name}", octets(last), 7946, b"", 1, State.ALIVE, VERSIONS)
        for name, last in (("b", 2), ("c", 3))
    ]
    member.step(StreamReceived(1, encode_push_pull(rows, is_join=True)), begun + 0.01)

    member.step(PacketReceived(endpoint(2), encode(Suspect(1, "node-c", "node-b"))), begun + 0.02)
    effects: list[Effect] = []
    while (due := member.next_deadline()) is not None and due < begun + 60.0:
        effects += member.advance(due)

    assert "node-c" in {one.name for one in told(effects, MemberFailed)}
