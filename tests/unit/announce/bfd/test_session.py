"""One session against the sentences of RFC 5880."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from announce.bfd import (
    Diagnostic,
    Effect,
    PacketReceived,
    Retimed,
    SendPacket,
    Session,
    SessionDown,
    SessionUp,
    Started,
    State,
    Stopped,
    StopRequested,
    TimingAgreed,
)
from tests.unit.announce.bfd.playbook import (
    CONFIG,
    FAST,
    MINE,
    THEIRS,
    Latest,
    Playbook,
    down,
    news,
    packet,
    sent,
    up,
)

DOWN, INIT, UP, ADMIN_DOWN = State.DOWN, State.INIT, State.UP, State.ADMIN_DOWN
KEPT = {
    (DOWN, UP): DOWN,
    (DOWN, ADMIN_DOWN): DOWN,
    (INIT, DOWN): INIT,
    (UP, INIT): UP,
    (UP, UP): UP,
}
MOVED = {
    (DOWN, DOWN): INIT,
    (DOWN, INIT): UP,
    (INIT, INIT): UP,
    (INIT, UP): UP,
    (INIT, ADMIN_DOWN): DOWN,
    (UP, DOWN): DOWN,
    (UP, ADMIN_DOWN): DOWN,
}


def in_state(state: State) -> Playbook:
    play = down()
    if state is INIT:
        play.hears(0.0, packet(DOWN))
    if state is UP:
        play.hears(0.0, packet(INIT))
    assert play.session.state is state
    return play


@pytest.mark.parametrize(("pair", "after"), [*KEPT.items(), *MOVED.items()])
def test_the_diagram_row_by_row(pair: tuple[State, State], after: State) -> None:
    """Section 6.2; a change is told to the peer at once."""
    before, heard = pair
    play = in_state(before)

    effects = play.hears(0.0, packet(heard))

    assert play.session.state is after
    assert [said.state for said in sent(effects)] == ([after] if after is not before else [])


def test_speaks_first_and_slowly() -> None:
    """Active role; not more than one packet a second while not Up (section 6.8.3)."""
    play = Playbook(Session(CONFIG, MINE, Latest(0)))

    first = play.at(0.0, Started())
    later = play.until(2.5)

    [said] = sent(first)
    assert (said.state, said.my_discriminator, said.your_discriminator) == (DOWN, MINE, 0)
    assert (said.desired_min_tx_us, said.required_min_rx_us, said.detect_multiplier) == (1_000_000, 50_000, 3)
    assert len(sent(later)) == 2


def test_keeps_silent_in_the_passive_role_until_spoken_to() -> None:
    play = down(is_passive=True)

    before = play.until(10.0)
    answer = play.hears(10.0, packet(DOWN, your_discriminator=0))
    lost = play.until(20.0)
    silence = play.until(30.0)

    assert before == []
    assert [(said.state, said.your_discriminator) for said in sent(answer)] == [(INIT, THEIRS)]
    assert sent(lost)[-1].state is INIT or sent(lost)[-1].state is DOWN
    assert silence == [], "after a detection time without a packet the peer is unknown again"


def test_comes_up_with_a_poll_for_its_fast_interval() -> None:
    """The second becomes 50 ms, which is a change, so it is polled; the Final ends that (section 6.5)."""
    play = down()

    rising = play.hears(0.0, packet(INIT))
    polling = play.until(0.06)
    agreed = play.hears(0.1, packet(UP, is_final=True))
    [periodic] = sent(play.until(0.151))

    assert news(rising) == [SessionUp()]
    assert all(said.is_poll and said.desired_min_tx_us == 50_000 for said in sent([*rising, *polling]))
    assert news(agreed) == [TimingAgreed(50_000, 50_000)]
    assert not periodic.is_poll


def test_dies_of_silence_after_the_detection_time() -> None:
    """The peer's multiplier times the larger of its desired and our required interval (section 6.8.4)."""
    play = up(detect_multiplier=4, desired_min_tx_us=60_000)

    alive = play.until(0.2399)
    dead = play.until(0.2401)

    assert news(alive) == []
    assert news(dead) == [SessionDown(diagnostic=Diagnostic.CONTROL_DETECTION_TIME_EXPIRED)]
    [said] = sent(dead)
    assert (said.state, said.diagnostic, said.your_discriminator) == (DOWN, 1, 0)
    assert said.desired_min_tx_us == 1_000_000


@pytest.mark.parametrize(
    ("ours_us", "theirs_us", "interval"),
    [(50_000, 50_000, 0.05), (50_000, 100_000, 0.1), (300_000, 50_000, 0.3)],
)
def test_sends_at_the_slower_of_our_wish_and_the_peers(ours_us: int, theirs_us: int, interval: float) -> None:
    play = up(replace(FAST, desired_min_tx_us=ours_us), required_min_rx_us=theirs_us)
    play.hears_up(0.0, 0.4, required_min_rx_us=theirs_us)

    times: list[float] = []
    for number in range(100):
        begin = 0.4 + 0.04 * number
        times += [now for now, effect in play.timed_until(begin) if isinstance(effect, SendPacket)]
        play.hears(begin, packet(UP, required_min_rx_us=theirs_us))

    assert {round(later - sooner, 6) for sooner, later in itertools.pairwise(times)} == {interval}


def test_honours_at_once_that_the_peer_wants_packets_sooner() -> None:
    """Section 6.8.3: no longer than the new interval after the last packet."""
    play = up(required_min_rx_us=1_000_000)
    play.hears_up(0.0, 0.4, required_min_rx_us=1_000_000)

    effects = play.hears(0.4, packet(UP))
    effects += play.until(0.41)

    assert len(sent(effects)) == 1


@pytest.mark.parametrize("remote", [{"required_min_rx_us": 0}, {"is_demand": True}])
def test_sends_nothing_that_the_peer_does_not_want(remote: dict[str, object]) -> None:
    """Zero wants no periodic packets at all, demand none while both sides are Up (section 6.8.7)."""
    play = up()
    play.hears(0.01, packet(UP, **remote))

    effects = play.hears_up(0.04, 2.0, **remote)
    answer = play.hears(2.01, packet(UP, is_poll=True, **remote))

    assert sent(effects) == []
    assert [said.is_final for said in sent(answer)] == [True]


def test_polls_a_peer_in_demand_mode_when_something_changes() -> None:
    play = up()
    play.hears(0.01, packet(UP, is_demand=True))

    polled = play.at(0.02, Retimed(replace(FAST, required_min_rx_us=100_000)))
    again = play.until(0.08)
    play.hears(0.08, packet(UP, is_demand=True, is_final=True))
    silence = play.hears_up(0.1, 0.5, is_demand=True)

    assert all(said.is_poll and said.required_min_rx_us == 100_000 for said in sent([*polled, *again]))
    assert len(sent(again)) == 1
    assert sent(silence) == []


def test_answers_a_poll_at_once_and_only_by_a_final() -> None:
    play = up()

    effects = play.hears(0.001, packet(UP, is_poll=True))

    assert [(said.is_final, said.is_poll) for said in sent(effects)] == [(True, False)]


def test_slower_intervals_wait_for_the_final() -> None:
    """Section 6.8.3: the old transmit interval and the old, or longer, detection time until the peer knows."""
    play = up()
    slower = replace(FAST, desired_min_tx_us=300_000, required_min_rx_us=200_000)

    polled = play.at(0.02, Retimed(slower))
    before = play.session.status()
    agreed = play.hears(0.04, packet(UP, is_final=True))
    after = play.session.status()

    [said] = sent(polled)
    assert (said.is_poll, said.desired_min_tx_us, said.required_min_rx_us) == (True, 300_000, 200_000)
    assert (before.transmit_interval, before.detection_time) == pytest.approx((0.05, 0.6))
    assert (after.transmit_interval, after.detection_time) == pytest.approx((0.3, 0.6))
    assert news(agreed) == [TimingAgreed(300_000, 200_000)]
    assert play.session.status().downs == 0


def test_faster_intervals_are_sent_at_once_and_expected_later() -> None:
    slow = replace(FAST, desired_min_tx_us=300_000, required_min_rx_us=300_000)
    play = up(slow, desired_min_tx_us=50_000)

    play.at(0.02, Retimed(FAST))
    before = play.session.status()
    play.hears(0.04, packet(UP, is_final=True))
    after = play.session.status()

    assert (before.transmit_interval, before.detection_time) == pytest.approx((0.05, 0.9))
    assert (after.transmit_interval, after.detection_time) == pytest.approx((0.05, 0.15))


def test_a_change_during_a_poll_waits_for_its_end() -> None:
    play = up()
    play.at(0.01, Retimed(replace(FAST, required_min_rx_us=100_000)))

    play.at(0.02, Retimed(replace(FAST, required_min_rx_us=200_000)))
    first = play.hears(0.03, packet(UP, is_final=True))
    second = play.hears(0.04, packet(UP, is_final=True))

    assert [(said.is_poll, said.required_min_rx_us) for said in sent(first)] == [(True, 200_000)]
    assert news(first) == [TimingAgreed(50_000, 100_000)]
    assert news(second) == [TimingAgreed(50_000, 200_000)]


def test_another_multiplier_is_told_without_a_poll() -> None:
    play = up()

    effects = play.at(0.01, Retimed(replace(FAST, detect_multiplier=5)))

    assert [(said.is_poll, said.detect_multiplier) for said in sent(effects)] == [(False, 5)]


def test_a_stop_is_told_and_ends_with_the_peers_answer() -> None:
    """AdminDown with its diagnostic, so that nobody takes our silence for a death (section 6.8.16)."""
    play = up()

    told = play.at(0.01, StopRequested())
    ended = play.hears(0.012, packet(DOWN, diagnostic=3))

    [said] = sent(told)
    assert (said.state, said.diagnostic) == (ADMIN_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN)
    assert news(told) == []
    assert ended == [Stopped()]
    assert play.session.next_deadline() is None


def test_a_stop_is_told_again_and_ends_without_an_answer() -> None:
    play = up()

    effects = play.at(0.01, StopRequested()) + play.until(5.0)

    assert len(sent(effects)) >= 3, "a lost packet must not matter"
    assert {said.state for said in sent(effects)} == {ADMIN_DOWN}
    assert news(effects) == [Stopped()]


def test_a_session_without_a_peer_stops_at_once() -> None:
    assert down().at(0.5, StopRequested()) == [Stopped()]


def test_a_peers_stop_is_not_taken_for_a_death() -> None:
    play = up()

    effects = play.hears(0.01, packet(ADMIN_DOWN, diagnostic=Diagnostic.ADMINISTRATIVELY_DOWN))

    expected = SessionDown(
        diagnostic=Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN,
        remote_diagnostic=Diagnostic.ADMINISTRATIVELY_DOWN,
        is_administrative=True,
    )
    assert news(effects) == [expected]
    assert str(expected) == "neighbor signaled session down (administratively down)"


@pytest.mark.parametrize("is_independent", [True, False])
def test_says_whether_the_peers_protocols_may_just_be_restarting(is_independent: bool) -> None:
    """The C bit (RFC 5882 section 4.3)."""
    play = up()
    play.hears(0.01, packet(UP, is_control_plane_independent=is_independent))

    [end] = news(play.until(1.0))

    assert isinstance(end, SessionDown)
    assert end.is_fate_shared is not is_independent


def test_a_peer_that_starts_anew_is_met_anew() -> None:
    """It has another discriminator and knows nothing of us."""
    play = up()

    fell = play.hears(0.01, packet(DOWN, my_discriminator=7, your_discriminator=0))
    rose = play.hears(0.02, packet(INIT, my_discriminator=7))

    assert [type(item) for item in news(fell)] == [SessionDown]
    assert news(rose) == [SessionUp()]
    assert {said.your_discriminator for said in sent([*fell, *rose])} == {7}


def test_notes_the_longest_gaps() -> None:
    play = up()
    play.hears_up(0.0, 0.4)

    effects: list[Effect] = []
    effects += play.session.step(PacketReceived(packet(UP)), 0.54)
    effects += play.session.advance(0.54)
    status = play.session.status()

    assert len(sent(effects)) == 1
    assert 0.13 < status.send_gap_max < 0.20
    assert status.receive_gap_max == pytest.approx(0.14)
