from __future__ import annotations

from dataclasses import replace

import pytest

from membership import (
    AccusationRefuted,
    CloseStream,
    Effect,
    Endpoint,
    JoinCompleted,
    JoinFailure,
    JoinRequested,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberSuspected,
    OpenStream,
    PacketDropped,
    PushPullFailed,
    SendStream,
    State,
    StreamAccepted,
    StreamEnded,
    StreamFailed,
    StreamReceived,
)
from membership.wire.messages import Ack, Dead, Ping, encode
from membership.wire.stream import NodeState, PushPull, StreamDecoder, encode_err, encode_push_pull
from tests.unit.membership.playbook import (
    CALM,
    VERSIONS,
    Playbook,
    alive,
    endpoint,
    number_of,
    octets,
    sent,
    told,
)

SOURCE = Endpoint("192.0.2.2", 40_000)


def row(name: str, incarnation: int = 1, state: State = State.ALIVE, versions: bytes = VERSIONS) -> NodeState:
    return NodeState(name, octets(number_of(name)), 7946, b"", incarnation, state, versions)


def table(*rows: NodeState, is_join: bool = False) -> bytes:
    return encode_push_pull(rows, is_join=is_join)


def push(play: Playbook, now: float, payload: bytes) -> list[Effect]:
    """Somebody dials us and sends its table."""
    play.at(now, StreamAccepted(-1, SOURCE))
    return play.at(now, StreamReceived(-1, payload))


def dialled(effects: list[Effect]) -> list[tuple[int, Endpoint]]:
    return [(effect.stream, effect.target) for effect in told(effects, OpenStream)]


def test_answers_with_its_own_table_first() -> None:
    """What it then learns is not in the answer; the answer echoes the join."""
    play = Playbook("node-b")

    effects = push(play, 3.0, table(row("node-b"), row("node-c"), is_join=True))

    answer, closing, joined = effects[:3]
    assert isinstance(answer, SendStream)
    assert StreamDecoder().feed(answer.payload) == PushPull((row("node-a"), row("node-b")), True)
    assert closing == CloseStream(-1)
    assert isinstance(joined, MemberJoined)
    assert joined.member.name == "node-c"


def test_a_death_by_hearsay_is_a_suspicion() -> None:
    """The accused gets its chance to refute; a goodbye is believed, and the unknown dead stay unknown."""
    play = Playbook("node-b", "node-c", "node-d")

    effects = push(
        play,
        3.0,
        table(
            *(row("node-b"), row("node-c", state=State.DEAD)),
            *(row("node-d", state=State.LEFT), row("node-e", state=State.DEAD)),
        ),
    )

    assert told(effects, MemberSuspected) == [MemberSuspected("node-c", 1, "node-a")]
    assert told(effects, MemberLeft) == [MemberLeft("node-d", 1)]
    assert told(effects, MemberFailed) == []
    assert [member.name for member in play.memberlist.known()] == ["node-a", "node-b", "node-c", "node-d"]


def test_one_misfit_row_does_not_stop_the_others() -> None:
    """memberlist would merge nothing, for as long as one such member is in any table."""
    play = Playbook("node-b")

    effects = push(play, 3.0, table(row("node-b"), row("node-x", versions=bytes(6)), row("node-c")))

    assert [joined.member.name for joined in told(effects, MemberJoined)] == ["node-c"]


def test_a_foreign_ring_is_refused_whole() -> None:
    """None of its members fits us, so nothing of it is taken."""
    play = Playbook("node-b")
    serf = bytes((1, 5, 2, 2, 5, 5))

    effects = push(play, 3.0, table(row("node-x", versions=serf), row("node-b", state=State.LEFT)))

    assert told(effects, PacketDropped) == [PacketDropped(SOURCE, "incompatible-versions")]
    assert play.names() == ["node-a", "node-b"]


def test_joins_every_seed_but_itself() -> None:
    """Some at a time; the result says which answered, and why others did not."""
    play = Playbook()
    seeds = tuple(endpoint(number) for number in (1, 2, 3, 4, 5, 6))

    first = play.at(3.0, JoinRequested(seeds))
    assert dialled(first) == [(number, endpoint(number + 1)) for number in (1, 2, 3, 4)]
    later = play.at(3.1, StreamFailed(1, "ECONNREFUSED"))
    assert dialled(later) == [(5, endpoint(6))]
    for stream in (2, 3):
        play.at(3.1, StreamReceived(stream, table(row("node-c"))))
    play.at(3.1, StreamEnded(4))
    final = play.at(3.2, StreamReceived(5, encode_err("no")))

    assert told(final, JoinCompleted) == [
        JoinCompleted(
            contacted=(endpoint(3), endpoint(4)),
            failures=(
                JoinFailure(endpoint(2), "ECONNREFUSED"),
                JoinFailure(endpoint(5), "closed-without-answer"),
                JoinFailure(endpoint(6), "refused-by-peer"),
            ),
        )
    ]


def test_joining_nobody_is_soon_done() -> None:
    """The first member of a ring has only itself for a seed."""
    play = Playbook()

    assert play.at(3.0, JoinRequested((endpoint(1),))) == [JoinCompleted((), ())]


def test_learns_of_its_death_when_it_comes_back() -> None:
    """It refutes, tells the other side directly, and fetches what that has brought about."""
    play = Playbook()
    play.at(3.0, JoinRequested((endpoint(2),)))

    effects = play.at(3.1, StreamReceived(1, table(row("node-a", 7, State.DEAD), row("node-b"))))

    assert told(effects, AccusationRefuted) == [AccusationRefuted(8, "node-a")]
    assert (endpoint(2), alive("node-a", incarnation=8)) in sent(effects)
    repeated = play.run_until(3.1 + 2 * CALM.gossip_interval)
    assert dialled(repeated) == [(2, endpoint(2))]


@pytest.mark.parametrize("payload", [b"\x63", encode(Ack(1)), table(row("node-b", versions=b"\1\2"))])
def test_an_answer_of_no_use_is_a_failure(payload: bytes) -> None:
    """And is not taken for a contact."""
    play = Playbook()
    play.at(3.0, JoinRequested((endpoint(2),)))

    (completed,) = told(play.at(3.1, StreamReceived(1, payload)), JoinCompleted)

    assert (completed.contacted, [failure.seed for failure in completed.failures]) == ((), [endpoint(2)])


def test_exchanges_tables_now_and_then() -> None:
    """With a random member that is alive; a failure is told."""
    play = Playbook("node-b", profile=replace(CALM, push_pull_interval=10.0))

    opened = dialled(play.run_until(12.1))
    failed = play.at(12.2, StreamFailed(opened[0][0], "timeout"))

    assert opened[0] == (1, endpoint(2))
    assert told(failed, PushPullFailed) == [PushPullFailed(endpoint(2), "timeout")]


def test_asks_after_the_lost() -> None:
    """One cheap ping per interval to a seed not reached; who answers gets a push/pull. Who left is let go."""
    play = Playbook(
        "node-b", "node-c", profile=replace(CALM, reconnect_interval=1.0, push_pull_interval=500.0)
    )
    push(play, 3.0, table(row("node-c"), row("node-b", state=State.LEFT)))
    assert not [message for _, message in sent(play.run_until(6.0)) if isinstance(message, Ping)]

    play.at(6.0, JoinRequested((endpoint(9),)))
    asked = [(target, message) for target, message in sent(play.run_until(7.1)) if isinstance(message, Ping)]
    target, question = asked[-1]
    effects = play.hear(7.15, Ack(question.sequence), source=endpoint(9))

    assert (target, question.node) == (endpoint(9), "")
    assert [target for _, target in dialled(effects)] == [endpoint(9)]


def test_who_answers_and_is_no_member_there_is_asked_less_and_less() -> None:
    """Another address of a member, say: an exchange with it brings nothing. While somebody is lost, it may bring that."""
    play = Playbook("node-b", profile=replace(CALM, reconnect_interval=1.0, push_pull_interval=500.0))
    play.at(6.0, JoinRequested((endpoint(9),)))

    def exchanges(start: float, end: float) -> int:
        count, now = 0, start
        while (due := play.memberlist.next_deadline()) is not None and due <= end:
            now = due
            asked = [one.sequence for _, one in sent(play.memberlist.advance(now)) if isinstance(one, Ping)]
            for sequence in asked:
                count += len(dialled(play.hear(now, Ack(sequence), source=endpoint(9))))
        return count

    assert exchanges(6.0, 70.0) in range(5, 8)
    assert exchanges(70.0, 134.0) in range(1, 4)
    play.hear(134.0, Dead(1, "node-b", "node-c"))
    assert exchanges(134.0, 144.0) in range(8, 14)


def test_a_stream_that_ends_early_is_told() -> None:
    """A port scan, for example; and no more than 128 are served at a time."""
    play = Playbook()
    play.at(3.0, StreamAccepted(-1, SOURCE))

    assert play.at(3.0, StreamEnded(-1)) == [CloseStream(-1), PacketDropped(SOURCE, "stream-incomplete")]
    for number in range(2, 130):
        assert play.at(3.0, StreamAccepted(-number, SOURCE)) == []
    effects = play.at(3.0, StreamAccepted(-130, SOURCE))
    assert effects == [CloseStream(-130), PacketDropped(SOURCE, "too-many-streams")]
