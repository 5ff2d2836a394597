from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from membership import (
    Effect,
    Endpoint,
    MemberSuspected,
    OpenStream,
    PacketReceived,
    PacketUnsendable,
    RunningLate,
    StreamReceived,
    normal,
)
from membership.wire.messages import Ack, Dead, IndirectPing, Message, Nack, Ping, Suspect, encode
from tests.unit.membership.playbook import Playbook, alive, endpoint, octets, sent, told

PROFILE = replace(
    normal(),
    observers=0,
    probe_interval=0.2,
    probe_timeout=0.08,
    push_pull_interval=1000.0,
    reconnect_interval=1000.0,
)
INTERVAL, TIMEOUT = PROFILE.probe_interval, PROFILE.probe_timeout


class Scene:
    """node-a, which probes these others."""

    def __init__(self, *others: str) -> None:
        self.play = Playbook(profile=PROFILE)
        self.play.hear(2.0, *map(alive, others))

    def next_probe(self) -> tuple[float, Endpoint, Ping]:
        """Answer every probe until no news rides on them any more, then give the next one unanswered."""
        while True:
            due = self.play.memberlist.next_deadline()
            assert due is not None
            for target, message in sent(self.play.memberlist.advance(due)):
                if isinstance(message, Ping):
                    if due > 5.0:
                        return due, target, message
                    self.play.hear(due, Ack(message.sequence), source=target)


def messages(effects: list[Effect], kind: type[Message]) -> list[tuple[Endpoint, Message]]:
    return [(target, message) for target, message in sent(effects) if isinstance(message, kind)]


def test_everybody_is_probed_in_turn() -> None:
    """One member per interval, each once in n - 1 intervals, by a ping that says where to answer."""
    scene = Scene("node-b", "node-c", "node-d")

    probes = [scene.next_probe()]
    while len(probes) < 6:
        due, target, ping = probes[-1]
        scene.play.hear(due + 0.001, Ack(ping.sequence), source=target)
        probes.append(scene.next_probe())

    first_round, second_round = probes[:3], probes[3:]
    assert {target for _, target, _ in first_round} == {endpoint(2), endpoint(3), endpoint(4)}
    assert [target for _, target, _ in first_round] == [target for _, target, _ in second_round]
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(probes)]
    assert all(abs(gap - INTERVAL) < 1e-6 for gap in gaps)
    sequence, name = probes[0][2].sequence, probes[0][2].node
    assert probes[0][2] == Ping(sequence, name, octets(1), 7946, "node-a")


def test_helpers_and_tcp_are_asked_after_the_timeout() -> None:
    """And the member itself once more, all with the sequence number of the probe."""
    scene = Scene("node-b", "node-c")
    due, target, ping = scene.next_probe()
    helper = endpoint(3) if target == endpoint(2) else endpoint(2)

    assert scene.play.run_until(due + TIMEOUT - 0.001) == []
    effects = scene.play.run_until(due + TIMEOUT + 0.001)

    request = IndirectPing(
        *(ping.sequence, octets(int(target.host[-1])), 7946, ping.node, True, octets(1), 7946, "node-a")
    )
    assert sent(effects) == [(target, ping), (helper, request)]
    (stream,) = told(effects, OpenStream)
    assert (stream.target, stream.payload) == (target, encode(ping))


def test_any_ack_will_do() -> None:
    """Of a helper, late and direct, or by TCP; sequence numbers are all that matters."""
    for answer in ("packet", "stream"):
        scene = Scene("node-b", "node-c")
        due, _, ping = scene.next_probe()
        (stream,) = told(scene.play.run_until(due + TIMEOUT + 0.001), OpenStream)

        if answer == "packet":
            scene.play.hear(due + INTERVAL - 0.01, Ack(ping.sequence), source=endpoint(9))
        else:
            scene.play.at(due + INTERVAL - 0.01, StreamReceived(stream.stream, encode(Ack(ping.sequence))))

        assert told(scene.play.run_until(due + INTERVAL + 0.01), MemberSuspected) == []


def test_no_answer_is_an_accusation() -> None:
    """After the interval, to everybody at once, the accused first of all; it is reminded until it answers."""
    scene = Scene("node-b", "node-c")
    due, target, ping = scene.next_probe()
    scene.play.run_until(due + TIMEOUT + 0.001)
    scene.play.hear(due + TIMEOUT + 0.01, Nack(ping.sequence))

    effects = scene.play.run_until(due + INTERVAL + 0.001)

    accusation = Suspect(1, ping.node, "node-a")
    assert told(effects, MemberSuspected) == [MemberSuspected(ping.node, 1, "node-a")]
    assert {receiver for receiver, _ in messages(effects, Suspect)} == {endpoint(2), endpoint(3)}
    reminders = messages(scene.play.run_until(due + INTERVAL + TIMEOUT + 0.001), Suspect)
    assert (target, accusation) in reminders
    assert scene.play.memberlist.health == 0


def test_an_accusation_by_another_is_looked_into() -> None:
    """At once and beside the probe that is under way; no answer confirms it, and is not our fault."""
    scene = Scene("node-b", "node-c", "node-d")
    due, target, ping = scene.next_probe()
    accused = "node-c" if ping.node != "node-c" else "node-d"
    place = endpoint(3) if accused == "node-c" else endpoint(4)

    effects = scene.play.hear(due + 0.01, Suspect(1, accused, "node-b"))
    ((looked_at, look),) = messages(effects, Ping)
    scene.play.hear(due + 0.02, Ack(ping.sequence), source=target)
    later = scene.play.run_until(due + 0.011 + INTERVAL)

    assert isinstance(look, Ping)
    assert (looked_at, look.node) == (place, accused)
    assert (looked_at, Suspect(1, accused, "node-a")) in sent(later)
    assert scene.play.memberlist.health == 0


def test_a_silent_helper_makes_us_doubt_ourselves() -> None:
    """One that sends no nack either: perhaps it is our link that is broken."""
    scene = Scene("node-b", "node-c")
    due, _, _ = scene.next_probe()

    scene.play.run_until(due + INTERVAL + 0.001)

    assert scene.play.memberlist.health == 1


def test_a_send_error_saves_the_waiting() -> None:
    """The helpers are asked at once."""
    scene = Scene("node-b", "node-c")
    due, target, _ = scene.next_probe()

    effects = scene.play.at(due + 0.001, PacketUnsendable(target, "EHOSTUNREACH"))

    assert len(messages(effects, IndirectPing)) == 1


def test_our_own_stall_is_nobody_elses_fault() -> None:
    """Run late by 300 ms, we give the answer that lies in the socket the time to be read."""
    scene = Scene("node-b", "node-c")
    due, target, ping = scene.next_probe()

    effects = scene.play.memberlist.advance(due + TIMEOUT + 0.3)
    scene.play.hear(due + TIMEOUT + 0.301, Ack(ping.sequence), source=target)

    assert [late.lateness for late in told(effects, RunningLate)] == [pytest.approx(0.3)]
    assert told(effects, MemberSuspected) == []
    assert scene.play.memberlist.members()[1].state == 0


def test_who_is_dead_by_the_word_of_others_is_asked_no_more() -> None:
    """Nor is its silence a sign that something is wrong with us."""
    scene = Scene("node-b", "node-c")
    due, _, ping = scene.next_probe()

    effects = scene.play.hear(due + 0.01, Dead(1, ping.node, "node-x"))
    effects += scene.play.run_until(due + INTERVAL + 0.001)

    assert messages(effects, IndirectPing) == []
    assert scene.play.memberlist.health == 0


def test_who_has_refuted_meanwhile_is_not_accused() -> None:
    """It was heard by somebody after we had asked."""
    scene = Scene("node-b", "node-c")
    due, _, ping = scene.next_probe()

    effects = scene.play.hear(due + 0.01, alive(ping.node, incarnation=2))
    effects += scene.play.run_until(due + INTERVAL + 0.001)

    assert told(effects, MemberSuspected) == []


def test_a_stall_is_excused_once() -> None:
    """Though packets that have waited are read one by one before anything that is due is done."""
    scene = Scene("node-b", "node-c")
    due, _, _ = scene.next_probe()
    woken = due + TIMEOUT + 0.3

    read = [
        effect
        for number in range(20)
        for effect in scene.play.memberlist.step(
            PacketReceived(endpoint(2), encode(Ack(1000 + number))), woken + number / 1e4
        )
    ]
    done = scene.play.memberlist.advance(woken + 0.002)

    assert [late.lateness for late in told([*read, *done], RunningLate)] == [pytest.approx(0.3)]
    assert scene.play.memberlist.health == 1


def test_a_helper_pings_for_others() -> None:
    """It passes the ack on under the requester's number, and a nack at 0.8 of the timeout."""
    scene = Scene("node-b", "node-c")
    due, target, first = scene.next_probe()
    scene.play.hear(due, Ack(first.sequence), source=target)
    request = IndirectPing(77, octets(3), 7946, "node-c", True, octets(2), 7946, "node-b")

    ((asked, ping),) = sent(scene.play.hear(due + 0.01, request))
    assert isinstance(ping, Ping)
    early = messages(scene.play.run_until(due + 0.01 + 0.79 * TIMEOUT), Nack)
    late = messages(scene.play.run_until(due + 0.01 + 0.81 * TIMEOUT), Nack)
    answer = sent(scene.play.hear(due + 0.01 + 0.9 * TIMEOUT, Ack(ping.sequence), source=endpoint(3)))

    assert (asked, ping.node) == (endpoint(3), "node-c")
    assert (early, late) == ([], [(endpoint(2), Nack(77))])
    assert answer == [(endpoint(2), Ack(77))]


def test_answers_pings_for_its_name_or_none() -> None:
    """To the address in the ping, else to where it came from; an unknown sender gets its answer too."""
    play = Playbook()
    somewhere, elsewhere = Endpoint("198.51.100.7", 999), Endpoint("198.51.100.8", 998)

    assert sent(play.hear(3.0, Ping(5, ""), source=somewhere)) == [(somewhere, Ack(5))]
    addressed = Ping(6, "node-a", bytes((198, 51, 100, 8)), 998)
    assert sent(play.hear(3.0, addressed, source=somewhere)) == [(elsewhere, Ack(6))]
    assert sent(play.hear(3.0, Ping(7, "node-b"), source=somewhere)) == []
