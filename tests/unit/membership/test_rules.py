from __future__ import annotations

from dataclasses import replace

import pytest

from membership import (
    AccusationRefuted,
    Cause,
    Effect,
    Endpoint,
    LeaveCompleted,
    LeaveRequested,
    Member,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberRefuted,
    MemberSuspected,
    MemberUpdated,
    MetaChanged,
    NameConflict,
    PacketDropped,
    SendPacket,
    State,
)
from membership.wire.messages import Alive, Dead, Suspect
from tests.unit.membership.playbook import CALM, VERSIONS, Playbook, alive, endpoint, octets, sent, told


def facts(effects: list[Effect]) -> list[Effect]:
    return [effect for effect in effects if not isinstance(effect, SendPacket)]


def test_a_new_member_joins_and_is_passed_on() -> None:
    """The others hear of it at once, from each who learns it."""
    play = Playbook("node-b")

    effects = play.hear(3.0, alive("node-c", meta=b"x"))

    assert facts(effects) == [MemberJoined(Member("node-c", "192.0.2.3", 7946, b"x", 1, State.ALIVE))]
    news = alive("node-c", meta=b"x")
    assert sorted(sent(effects), key=str) == [(endpoint(2), news), (endpoint(3), news)]


def test_old_news_is_no_news() -> None:
    """The same incarnation again changes nothing and is not passed on, even with another meta."""
    play = Playbook("node-b")

    assert play.hear(3.0, alive("node-b"), alive("node-b", meta=b"forged")) == []


def test_refutes_a_suspicion_about_itself() -> None:
    """A member that hears it is suspected says otherwise, one incarnation later, to everybody at once."""
    play = Playbook("node-b", "node-c")

    effects = play.hear(3.0, Suspect(1, "node-a", "node-b"))

    assert facts(effects) == [AccusationRefuted(2, "node-b")]
    refutation = alive("node-a", incarnation=2)
    assert sorted(sent(effects), key=str) == [(endpoint(2), refutation), (endpoint(3), refutation)]
    assert play.memberlist.health == 1


def test_refutes_its_death_above_the_accused_incarnation() -> None:
    """Also when an earlier life had a higher one than we have now."""
    play = Playbook("node-b")

    effects = play.hear(3.0, Dead(41, "node-a", "node-b"))

    assert facts(effects) == [AccusationRefuted(42, "node-b")]


def test_tells_a_late_accuser_again() -> None:
    """It has missed the refutation: it alone gets it, and no new incarnation is spent on it."""
    play = Playbook("node-b", "node-c")
    play.hear(3.0, Suspect(1, "node-a", "node-b"))
    play.run_until(5.0)

    effects = play.hear(5.0, Suspect(1, "node-a", "node-c"), source=endpoint(3))

    assert sent(effects) == [(endpoint(3), alive("node-a", incarnation=2))]


@pytest.mark.parametrize(
    "message",
    [
        Dead(2**32 - 1, "node-a", "node-b"),
        Suspect(2**32 - 2, "node-a", "node-b"),
        alive("node-a", 2**32 - 1, meta=b"x"),
        Dead(2**32 - 1, "node-b", "node-c"),
        Suspect(2**31 + 255, "node-b", "node-c"),
        alive("node-b", 2**32 - 1, meta=b"x"),
        alive("node-new", 2**32 - 1),
    ],
)
def test_an_incarnation_that_cannot_be_topped_is_refused(message: Alive | Suspect | Dead) -> None:
    """It is forged: nobody comes that far, and whom it is about could not refute it."""
    play = Playbook("node-b")
    before = play.memberlist.known()

    assert play.hear(3.0, message) == [PacketDropped(endpoint(2), "incarnation-exhausted")]
    assert play.memberlist.known() == before


def test_one_forged_message_leaves_room_to_refute() -> None:
    """The highest that is believed at once is followed by refutations that are believed as well."""
    play = Playbook("node-b")

    forged = play.hear(3.0, Suspect(2**31 - 1, "node-a", "node-b"), alive("node-b", 2**31 - 1))
    again = play.hear(3.1, Suspect(2**31, "node-a", "node-b"), Suspect(2**31 + 1, "node-b", "node-c"))
    later = play.hear(3.2, alive("node-b", 2**31 + 2))

    assert [one.incarnation for one in told(forged + again, AccusationRefuted)] == [2**31, 2**31 + 1]
    assert told(later, MemberRefuted) == [MemberRefuted("node-b", 2**31 + 2)]


def test_a_suspect_is_still_a_member_until_its_time_is_up() -> None:
    """Two accusers of three members: the shortest suspicion, then the verdict with its evidence."""
    play = Playbook("node-b", "node-c", "node-d", profile=replace(CALM, suspicion_mult=3))

    effects = play.hear(3.0, Suspect(1, "node-d", "node-b"))
    effects += play.hear(3.5, Suspect(1, "node-d", "node-c"))
    assert facts(effects) == [MemberSuspected("node-d", 1, "node-b")]
    assert "node-d" in play.names()
    shortest = 3 * CALM.probe_interval
    effects = play.run_until(3.0 + shortest)

    failed = MemberFailed("node-d", 1, ("node-a", "node-b", "node-c"), shortest, Cause.SUSPICION)
    assert told(effects, MemberFailed) == [failed]
    assert "node-d" not in play.names()


def test_a_refutation_ends_the_suspicion() -> None:
    """With a higher incarnation only."""
    play = Playbook("node-b", "node-c", profile=replace(CALM, probe_interval=1.0))
    play.hear(3.0, Suspect(1, "node-c", "node-b"))

    assert facts(play.hear(3.1, alive("node-c", incarnation=1))) == []
    assert facts(play.hear(3.2, alive("node-c", incarnation=2))) == [MemberRefuted("node-c", 2)]


def test_what_was_refuted_does_not_count_though_the_refutation_was_missed() -> None:
    """An accusation of a higher incarnation says that there was one."""
    play = Playbook("node-b", "node-c", "node-d", profile=replace(CALM, suspicion_mult=3))
    play.hear(3.0, Suspect(1, "node-d", "node-b"))

    effects = play.hear(4.0, Suspect(2, "node-d", "node-c"))
    assert facts(effects) == [MemberRefuted("node-d", 2), MemberSuspected("node-d", 2, "node-c")]
    failed = next(one for one in told(play.run_until(1e6), MemberFailed) if one.name == "node-d")

    assert (failed.accusers, failed.incarnation) == (("node-a", "node-c"), 2)


def test_a_member_is_found_by_name_as_long_as_it_is_known() -> None:
    """The dead, too."""
    play = Playbook("node-b")
    play.hear(3.0, Dead(1, "node-b", "node-b"))

    assert [play.memberlist.find(member.name) for member in play.memberlist.known()] == list(
        play.memberlist.known()
    )
    assert play.memberlist.find("node-x") is None


def test_accusing_the_unknown_does_nothing() -> None:
    """A member that we do not know cannot be suspect or dead."""
    play = Playbook("node-b")

    assert play.hear(3.0, Suspect(1, "node-x", "node-b"), Dead(1, "node-x", "node-b")) == []


def test_saying_goodbye_is_not_dying() -> None:
    """The accuser is the member itself."""
    play = Playbook("node-b", "node-c")

    assert facts(play.hear(3.0, Dead(1, "node-c", "node-c"))) == [MemberLeft("node-c", 1)]
    assert facts(play.hear(3.1, Dead(1, "node-b", "node-c"))) == [MemberFailed("node-b", 1, ("node-c",), 0.0)]


def test_a_name_does_not_move_while_it_is_in_use() -> None:
    """Neither that of another nor our own; both keep their addresses."""
    play = Playbook("node-b")

    effects = play.hear(3.0, alive("node-b", incarnation=9, number=77), alive("node-a", 9, number=77))

    elsewhere = Endpoint("192.0.2.77", 7946)
    assert effects == [
        NameConflict("node-b", endpoint(2), elsewhere),
        NameConflict("node-a", endpoint(1), elsewhere),
    ]


def test_the_same_address_in_another_form_is_another_address() -> None:
    """Members compare octets: v4-mapped is not IPv4."""
    play = Playbook("node-b")
    mapped = bytes(10) + b"\xff\xff" + octets(2)

    effects = play.hear(3.0, Alive(9, "node-b", mapped, 7946, b"", VERSIONS))

    assert effects == [NameConflict("node-b", endpoint(2), endpoint(2))]


@pytest.mark.parametrize(
    ("farewell", "reclaim_time", "may_move"),
    [
        (Dead(1, "node-b", "node-b"), 0.0, True),
        (Dead(1, "node-b", "node-c"), 0.0, False),
        (Dead(1, "node-b", "node-c"), 30.0, False),
        (Dead(1, "node-b", "node-c"), 5.0, True),
    ],
)
def test_a_name_moves_when_it_is_given_up(farewell: Dead, reclaim_time: float, may_move: bool) -> None:
    """At once after a goodbye; after a death only if so configured, and later. Any incarnation will do."""
    play = Playbook("node-b", "node-c", profile=replace(CALM, dead_node_reclaim_time=reclaim_time))
    play.hear(3.0, farewell)

    effects = play.hear(10.0, alive("node-b", incarnation=1, number=77))

    assert bool(told(effects, MemberJoined)) == may_move
    assert bool(told(effects, NameConflict)) != may_move


@pytest.mark.parametrize(
    "versions",
    [
        b"",
        b"\1\5\2",
        bytes(6),
        bytes((1, 5, 2, 2, 5, 5)),
        bytes((3, 5, 3, 0, 0, 0)),
        bytes((1, 1, 1, 0, 0, 0)),
    ],
)
def test_misfit_versions_do_not_come_in(versions: bytes) -> None:
    """Passed on, a short one ends old members, and a foreign triple stops the push/pulls of the whole ring."""
    play = Playbook("node-b")

    effects = play.hear(3.0, Alive(1, "node-x", octets(9), 7946, b"", versions))

    assert effects == [PacketDropped(endpoint(2), "incompatible-versions")]


def test_the_table_has_an_end() -> None:
    """Forged joins cannot fill the memory."""
    play = Playbook("node-b", profile=replace(CALM, members_max=3))

    effects = play.hear(3.0, alive("node-c"), alive("node-d"))

    assert play.names() == ["node-a", "node-b", "node-c"]
    assert told(effects, PacketDropped) == [PacketDropped(endpoint(2), "table-full")]


def test_a_new_meta_is_told_at_once() -> None:
    """With a higher incarnation; the same meta again is no news."""
    play = Playbook("node-b")

    effects = play.at(3.0, MetaChanged(b"draining"))

    assert sent(effects) == [(endpoint(2), alive("node-a", incarnation=2, meta=b"draining"))]
    assert play.at(9.0, MetaChanged(b"draining")) == []


def test_the_meta_of_others_is_an_update() -> None:
    """For the application, and passed on at once."""
    play = Playbook("node-b", "node-c")

    effects = play.hear(3.0, alive("node-b", incarnation=2, meta=b"draining"))

    updated = Member("node-b", "192.0.2.2", 7946, b"draining", 2, State.ALIVE)
    assert facts(effects) == [MemberUpdated(updated)]
    assert {target for target, _ in sent(effects)} == {endpoint(2), endpoint(3)}


def test_leaves_for_good() -> None:
    """It says goodbye, and nothing else that comes to its mind; ignores who calls it alive or dead, and still answers."""
    play = Playbook("node-b")

    effects = play.at(3.0, LeaveRequested())
    assert sent(effects) == [(endpoint(2), Dead(1, "node-a", "node-a"))]
    assert facts(play.hear(3.01, alive("node-a", incarnation=5), Suspect(5, "node-a", "node-b"))) == []
    assert play.at(3.01, MetaChanged(b"x")) == []
    later = play.run_until(5.0)

    assert told(later, LeaveCompleted) == [LeaveCompleted()]
    assert {message for _, message in sent(later)} == {Dead(1, "node-a", "node-a")}
    assert play.names() == ["node-b"]
    assert play.memberlist.next_deadline() is None


def test_leaving_alone_is_soon_done() -> None:
    """There is nobody to say goodbye to, or nobody any more; and a lone member has nothing to do."""
    alone = Playbook()
    assert alone.at(3.0, MetaChanged(b"x")) == []
    assert alone.at(3.0, LeaveRequested()) == [LeaveCompleted()]
    assert alone.memberlist.next_deadline() is None

    abandoned = Playbook("node-b")
    abandoned.hear(3.0, Dead(1, "node-b", "node-b"))
    assert told(abandoned.at(3.0, LeaveRequested()), LeaveCompleted) == [LeaveCompleted()]
