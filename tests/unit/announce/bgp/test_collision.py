"""Connections that the peer opens, and which of two stays (RFC 4271 section 6.8)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from announce.bgp import (
    CloseConnection,
    Connect,
    ConnectionClosed,
    ConnectionFailed,
    Effect,
    EndKind,
    Reconfigured,
    SessionEnded,
    SessionEstablished,
    Started,
    State,
    StopRequested,
)
from announce.bgp.capabilities import GracefulRestart
from announce.bgp.errors import CeaseError, ErrorCode
from announce.bgp.messages import Keepalive, Notification, Open
from tests.unit.announce.bgp.playbook import (
    CAPABILITIES,
    Playbook,
    established,
    idle,
    open_sent,
    router_open,
    sent,
)

COLLISION = Notification.cease(CeaseError.CONNECTION_COLLISION_RESOLUTION)
REJECTED = Notification.cease(CeaseError.CONNECTION_REJECTED)
HIGHER, LOWER = "192.0.2.200", "192.0.2.1"
"""Identifiers of the router; ours is 192.0.2.10."""


def listening(**changes: Any) -> Playbook:
    """Started, and listening beside our own attempt."""
    play = idle(is_listening=True, **changes)
    play.at(0.0, Started())
    return play


def ends(effects: list[Effect]) -> list[SessionEnded]:
    return [effect for effect in effects if isinstance(effect, SessionEnded)]


def test_a_peer_that_only_listens_waits_and_takes_the_call() -> None:
    play = idle(is_listening=True, is_active=False)

    started = play.at(0.0, Started())
    waiting = play.peer.state
    called = play.is_called(1.0)
    effects = play.hears(1.0, router_open(), Keepalive(), on=-1)

    assert (started, waiting) == ([], State.ACTIVE)
    assert [type(message) for message in sent(called, on=-1)] == [Open]
    [session] = [effect for effect in effects if isinstance(effect, SessionEstablished)]
    assert session.is_inbound
    assert play.peer.state is State.ESTABLISHED


@pytest.mark.parametrize("is_listening", [True, False])
def test_who_is_told_to_call_calls_at_once(is_listening: bool) -> None:
    """Nothing else would ever begin it; one that has a connection needs none."""
    play = idle(is_active=False, is_listening=True)
    play.at(0.0, Started())
    active = replace(play.peer.config, is_active=True, is_listening=is_listening)

    assert [type(effect) for effect in play.at(5.0, Reconfigured(active))] == [Connect]
    assert play.peer.state is State.CONNECT

    called = idle(is_active=False, is_listening=True)
    called.at(0.0, Started())
    called.is_called(1.0)
    assert called.at(5.0, Reconfigured(active)) == []


def test_a_shorter_wait_counts_for_the_one_that_has_begun() -> None:
    play = idle(connect_retry=(65535.0,))
    play.at(0.0, Started())
    play.at(0.0, ConnectionFailed(1, "Connection refused"))

    play.at(1.0, Reconfigured(replace(play.peer.config, connect_retry=(2.0,))))

    assert play.peer.next_deadline() == 3.0


def test_a_router_that_comes_back_after_a_long_session_is_let_in_at_once() -> None:
    """The time between our own attempts is another matter, and one that never calls has none."""
    play = idle(is_active=False, is_listening=True, connect_retry=(120.0,))
    play.at(0.0, Started())
    play.is_called(0.0, -1)
    play.hears(0.0, router_open(hold_time=0), Keepalive(), on=-1)
    assert play.peer.state is State.ESTABLISHED

    play.at(80.0, ConnectionClosed(-1, "end of stream"))
    assert isinstance(sent(play.is_called(81.0, -2))[0], Open)

    # After a short one it waits, though not for so long.
    play.hears(81.0, router_open(hold_time=0), Keepalive(), on=-2)
    play.at(82.0, ConnectionClosed(-2, "end of stream"))
    assert isinstance(sent(play.is_called(82.5, -3))[0], Notification)
    play.until(98.0)
    assert isinstance(sent(play.is_called(98.0, -4))[0], Open)


def test_a_call_while_ours_is_on_its_way_wins_if_it_gets_there_first() -> None:
    """The attempt has no purpose any more."""
    play = listening()
    play.is_called(0.1)

    effects = play.hears(0.2, router_open(), Keepalive(), on=-1)

    assert CloseConnection(1) in effects
    assert play.peer.state is State.ESTABLISHED
    assert not any(isinstance(effect, Connect) for effect in play.until(60.0))


@pytest.mark.parametrize(
    ("identifier", "first", "stays"),
    [(HIGHER, 1, -1), (HIGHER, -1, -1), (LOWER, 1, 1), (LOWER, -1, 1)],
)
def test_the_connection_of_the_higher_identifier_stays(identifier: str, first: int, stays: int) -> None:
    """Whichever OPEN comes first."""
    play = listening()
    play.connects(0.1)
    play.is_called(0.1)
    second = -first

    one = play.hears(0.2, router_open(identifier=identifier), on=first)
    other = play.hears(0.3, router_open(identifier=identifier), on=second)
    up = play.hears(0.4, Keepalive(), on=stays)

    assert sent(one) == [Keepalive()]
    assert sent(other, on=-stays) == [COLLISION]
    assert CloseConnection(-stays) in other
    assert ends(other) == []
    assert any(isinstance(effect, SessionEstablished) for effect in up)


def test_equal_identifiers_are_told_apart_by_as_number() -> None:
    """RFC 6286 section 2.3: ours is 64496, the router's 64497."""
    play = listening()
    play.connects(0.1)
    play.is_called(0.1)
    play.hears(0.2, router_open(identifier="192.0.2.10"))

    effects = play.hears(0.3, router_open(identifier="192.0.2.10"), on=-1)

    assert CloseConnection(1) in effects
    assert sent(effects, on=-1) == [Keepalive()]


def test_a_call_beside_an_established_session_is_rejected() -> None:
    """And the session probed, because the router may have begun anew without our noticing."""
    play = established(is_listening=True)

    effects = play.is_called(1.0)

    assert sent(effects, on=-1) == [REJECTED]
    assert effects[-1] == CloseConnection(-1)
    assert sent(effects, on=1) == [Keepalive()]
    assert play.peer.state is State.ESTABLISHED


def test_a_router_that_restarts_gracefully_may_begin_anew() -> None:
    """RFC 4724 section 5: no NOTIFICATION on the old connection, which would cost the routes."""
    remote = router_open(capabilities=(*CAPABILITIES, GracefulRestart(120)))
    play = established("198.51.100.1/32", remote=remote, is_listening=True, restart_time=120)

    called = play.is_called(1.0)
    before = play.peer.state
    effects = play.hears(1.1, remote, Keepalive(), on=-1)

    assert [type(message) for message in sent(called, on=-1)] == [Open]
    assert before is State.ESTABLISHED
    assert CloseConnection(1) in effects
    assert sent(effects, on=1) == []
    [end] = ends(effects)
    assert (end.reason.kind, end.was_established, end.retry_in) == (EndKind.REPLACED, True, 0.0)
    status = play.peer.status()
    assert (status.state, status.since) == (State.ESTABLISHED, 1.1)
    assert status.waiting_count == 0


def test_the_old_session_lives_on_when_the_new_call_comes_to_nothing() -> None:
    remote = router_open(capabilities=(*CAPABILITIES, GracefulRestart(120)))
    play = established(remote=remote, is_listening=True, restart_time=120)
    play.is_called(1.0)

    effects = play.at(1.1, ConnectionClosed(-1, "end of stream"))

    assert effects == []
    assert play.peer.state is State.ESTABLISHED


@pytest.mark.parametrize("changes", [{"is_listening": False}, {"is_listening": True}])
def test_calls_are_rejected_where_nobody_listens_or_in_idle(changes: dict[str, bool]) -> None:
    """In Idle (here: after a refused OPEN) the wait counts for calls of the peer too."""
    play = open_sent(**changes)
    play.hears(0.1, router_open(hold_time=1))

    effects = play.is_called(0.2)

    assert sent(effects, on=-1) == [REJECTED]
    assert effects[-1] == CloseConnection(-1)


def test_a_second_call_replaces_one_that_has_said_nothing() -> None:
    play = listening()
    play.is_called(0.1, -1)

    effects = play.is_called(0.2, -2)

    assert effects[0] == CloseConnection(-1)
    assert [type(message) for message in sent(effects, on=-2)] == [Open]


def test_our_failed_attempt_is_no_news_while_the_router_calls() -> None:
    play = listening()
    play.is_called(0.1)

    effects = play.at(0.2, ConnectionFailed(1, "Connection refused"))
    later = play.hears(0.3, router_open(), Keepalive(), on=-1)

    assert effects == []
    assert any(isinstance(effect, SessionEstablished) for effect in later)


def test_a_call_that_fails_is_followed_by_our_own_attempt() -> None:
    play = listening()
    play.at(0.1, ConnectionFailed(1, "Connection refused"))
    play.is_called(0.2)

    failed = play.at(0.3, ConnectionClosed(-1, "end of stream"))
    later = play.until(30.0)

    assert [end.reason.kind for end in ends(failed)] == [EndKind.CONNECTION_CLOSED]
    assert any(isinstance(effect, Connect) for effect in later)


def test_stopping_closes_both() -> None:
    play = listening()
    play.connects(0.1)
    play.is_called(0.1)

    effects = play.at(0.2, StopRequested())

    assert {CloseConnection(1), CloseConnection(-1)} <= set(effects)
    assert len(ends(effects)) == 1


def test_with_delay_open_the_router_speaks_first() -> None:
    """RFC 4271 section 8.2.2, Event 20: OPEN is answered by OPEN and KEEPALIVE."""
    play = idle(delay_open=5.0)
    play.at(0.0, Started())

    connected = play.connects(0.1)
    state = play.peer.state
    effects = play.hears(1.0, router_open())

    assert (connected, state) == ([], State.CONNECT)
    assert [type(message) for message in sent(effects)] == [Open, Keepalive]
    assert play.peer.state is State.OPEN_CONFIRM


def test_with_delay_open_a_silent_router_hears_ours_after_the_delay() -> None:
    play = idle(delay_open=5.0)
    play.at(0.0, Started())
    play.connects(0.1)

    effects = play.until(5.2)

    assert [type(message) for message in sent(effects)] == [Open]
    assert play.peer.state is State.OPEN_SENT


def test_the_time_to_complete_a_session_begins_with_our_open() -> None:
    """However long that is delayed."""
    play = idle(delay_open=15.0, open_timeout=10.0)
    play.at(0.0, Started())
    play.connects(0.0)

    opened = play.until(24.9)
    given_up = play.until(25.0)

    assert [type(message) for message in sent(opened)] == [Open]
    assert [end.reason.kind for end in ends(given_up)] == [EndKind.OPEN_TIMEOUT]


def test_a_router_without_our_open_gets_no_notification() -> None:
    """RFC 4271 section 8.2.1.5: SendNOTIFICATIONwithoutOPEN is off."""
    play = idle(delay_open=5.0)
    play.at(0.0, Started())
    play.connects(0.1)

    effects = play.hears(1.0, Keepalive())

    assert sent(effects) == []
    [end] = ends(effects)
    assert end.reason.notification is not None
    assert end.reason.notification.code == ErrorCode.FINITE_STATE_MACHINE


def test_a_connection_that_fails_after_it_stood_is_over() -> None:
    """Found by chance: nothing may be sent on it any more, also where OPEN was still to be delayed."""
    play = idle(delay_open=5.0)
    play.at(0.0, Started())
    play.connects(0.0)

    failed = play.at(0.1, ConnectionFailed(1, "Connection reset by peer"))
    later = play.until(0.9)

    assert [end.reason.kind for end in ends(failed)] == [EndKind.CONNECTION_CLOSED]
    assert later == []
    assert play.peer.state is State.ACTIVE
