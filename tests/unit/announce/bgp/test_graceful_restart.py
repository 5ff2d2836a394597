"""Restarting while the router keeps our routes (RFC 4724, RFC 8538), and the stop that makes it forget them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from announce.bgp import (
    BfdDown,
    BfdUp,
    CloseConnection,
    Connect,
    ConnectionClosed,
    ConnectionFailed,
    EndKind,
    Reconfigured,
    RoutesChanged,
    RoutesComplete,
    SessionEnded,
    Started,
    State,
    Stopped,
    StopRequested,
)
from announce.bgp.capabilities import EnhancedRouteRefresh, GracefulRestart
from announce.bgp.errors import CeaseError
from announce.bgp.messages import (
    BEGIN_OF_REFRESH,
    END_OF_REFRESH,
    Keepalive,
    Notification,
    Open,
    RouteRefresh,
    Update,
)
from announce.bgp.nlri import IPV4_UNICAST, IPV6_UNICAST
from tests.unit.announce.bgp.playbook import (
    CAPABILITIES,
    Playbook,
    announced,
    established,
    idle,
    open_sent,
    router_open,
    routes,
    sent,
)

HELPER = router_open(capabilities=(*CAPABILITIES, GracefulRestart(120)))
HELPER_ON_NOTIFICATION = router_open(
    capabilities=(*CAPABILITIES, GracefulRestart(120, keeps_on_notification=True))
)
END_OF_RIB = Update()


def offered(play: Playbook, now: float) -> GracefulRestart | None:
    """In the OPEN of a connection that is there now."""
    [message] = sent(play.connects(now))
    assert isinstance(message, Open)
    return message.graceful_restart


def with_helper(*prefixes: str, remote: Open = HELPER, **changes: Any) -> Playbook:
    return established(*prefixes, remote=remote, restart_time=120, **changes)


def families(is_preserved: bool) -> tuple[tuple[Any, bool], ...]:
    return ((IPV4_UNICAST, is_preserved), (IPV6_UNICAST, is_preserved))


def test_nothing_is_offered_unless_configured() -> None:
    play = idle()
    play.at(0.0, Started())

    assert offered(play, 0.0) is None


def test_a_first_start_has_preserved_nothing() -> None:
    """A router that still holds routes of this node, as after a reboot, drops them then."""
    play = idle(restart_time=120)
    play.at(0.0, Started())

    assert offered(play, 0.0) == GracefulRestart(
        120, keeps_on_notification=True, families=families(is_preserved=False)
    )


def test_a_restarted_process_says_so_once() -> None:
    """And later, that what it advertised is still served, but not that it has restarted again."""
    play = idle(restart_time=120, is_restarting=True)
    play.at(0.0, Started())

    first = offered(play, 0.0)
    play.hears(0.0, HELPER, Keepalive())
    play.at(1.0, ConnectionClosed(1, "end of stream"))
    play.until(10.0)
    second = offered(play, 10.0)

    assert first == GracefulRestart(
        120, has_restarted=True, keeps_on_notification=True, families=families(is_preserved=True)
    )
    assert second == GracefulRestart(120, keeps_on_notification=True, families=families(is_preserved=True))


def test_that_it_has_restarted_is_true_whatever_is_configured_meanwhile() -> None:
    """Without the bit the router drops at once what it has kept."""
    play = idle(restart_time=120, is_restarting=True)
    play.at(0.0, Started(), Reconfigured(replace(play.peer.config, hold_time=30, is_restarting=False)))

    told = offered(play, 0.0)

    assert told is not None
    assert (told.has_restarted, told.families) == (True, families(is_preserved=True))


def test_after_a_restart_end_of_rib_waits_until_the_routes_are_complete() -> None:
    """It is what makes the router drop the old ones."""
    play = with_helper("198.51.100.1/32", is_restarting=True)
    play.at(1.0, RoutesChanged(routes("198.51.100.1/32", "198.51.100.2/32")))

    before = sent(play.until(20.0))
    effects = play.at(20.0, RoutesComplete())

    assert END_OF_RIB not in before
    assert sent(effects) == [END_OF_RIB]


def test_end_of_rib_waits_no_longer_than_the_deferral() -> None:
    play = with_helper("198.51.100.1/32", is_restarting=True, restart_deferral=30.0)

    assert END_OF_RIB not in sent(play.until(29.9))
    assert END_OF_RIB in sent(play.until(30.0))


def test_a_refresh_before_end_of_rib_is_told_without_brackets() -> None:
    """RFC 7313 section 4: no BoRR before End-of-RIB, which is the end of what is told once more as well."""
    remote = router_open(capabilities=(*CAPABILITIES, GracefulRestart(120), EnhancedRouteRefresh()))
    play = with_helper("198.51.100.1/32", remote=remote, is_restarting=True)

    before = sent(play.hears(1.0, RouteRefresh(IPV4_UNICAST)))
    completed = sent(play.at(2.0, RoutesComplete()))
    begin, *told, end = sent(play.hears(3.0, RouteRefresh(IPV4_UNICAST)))

    assert [type(message) for message in before] == [Update]
    assert completed == [END_OF_RIB]
    assert (begin, told, end) == (
        RouteRefresh(IPV4_UNICAST, BEGIN_OF_REFRESH),
        before,
        RouteRefresh(IPV4_UNICAST, END_OF_REFRESH),
    )


def test_a_stop_for_a_restart_leaves_the_routes_standing() -> None:
    """The connection just ends: neither withdrawals nor a NOTIFICATION."""
    play = with_helper("198.51.100.1/32")

    effects = play.at(1.0, StopRequested("upgrade", is_restart=True))

    assert sent(effects) == []
    assert effects[0] == CloseConnection(1)
    assert effects[-1] == Stopped()


@pytest.mark.parametrize("heard", [[], [HELPER_ON_NOTIFICATION]], ids=["OpenSent", "OpenConfirm"])
def test_a_stop_for_a_restart_leaves_standing_what_earlier_sessions_left(heard: list[Open]) -> None:
    """The router may keep routes since before this connection, and any NOTIFICATION has it drop them."""
    play = open_sent(restart_time=120, is_restarting=True)
    play.hears(0.5, *heard)

    effects = play.at(1.0, StopRequested("upgrade", is_restart=True))

    assert sent(effects) == []
    assert effects[0] == CloseConnection(1)
    assert effects[-1] == Stopped()


def test_a_router_that_keeps_nothing_is_told_of_the_restart_before_there_is_a_session() -> None:
    play = open_sent(restart_time=120)
    play.hears(0.5, router_open())

    assert sent(play.at(1.0, StopRequested("upgrade", is_restart=True))) == [Notification.shutdown("upgrade")]


def test_without_graceful_restart_a_stop_for_a_restart_is_a_stop() -> None:
    play = established("198.51.100.1/32", restart_time=120)

    effects = play.at(1.0, StopRequested("upgrade", is_restart=True)) + play.until(2.0)

    assert sent(effects) == [
        Update(withdrawn=_withdrawn(sent(effects))),
        Notification.shutdown("upgrade"),
    ]
    assert _withdrawn(sent(effects)) != Update().withdrawn


def _withdrawn(messages: list[Any]) -> Any:
    return next(message.withdrawn for message in messages if isinstance(message, Update))


def test_a_stop_for_good_is_a_hard_reset_where_notifications_keep_routes() -> None:
    """RFC 8538 section 4."""
    play = with_helper(remote=HELPER_ON_NOTIFICATION)

    effects = play.at(1.0, StopRequested("gone"))

    assert sent(effects) == [Notification.shutdown("gone").as_hard_reset()]


def test_a_dead_path_is_a_hard_reset_where_notifications_keep_routes() -> None:
    """RFC 8538 section 5.1: the router is to send nothing more into it."""
    play = with_helper(remote=HELPER_ON_NOTIFICATION)

    effects = play.at(1.0, BfdDown("no packet for 150 ms"))

    assert sent(effects) == [Notification.cease(CeaseError.BFD_DOWN).as_hard_reset()]


def test_too_many_prefixes_are_a_hard_reset_where_notifications_keep_routes() -> None:
    """RFC 8538 section 5.1: we are not back before somebody has looked at the router."""
    play = with_helper(remote=HELPER_ON_NOTIFICATION, received_prefixes_max=1)

    effects = play.hears(1.0, announced("198.51.100.1/32", "198.51.100.2/32"))

    assert sent(effects) == [Notification.prefix_limit(IPV4_UNICAST, 1).as_hard_reset()]


def test_bfd_ends_the_session_at_once_and_calls_again_when_the_path_is_back() -> None:
    """RFC 9384, RFC 5882."""
    play = established("198.51.100.1/32")

    down = play.at(1.0, BfdDown("no packet for 150 ms"))
    up = play.at(1.01, BfdUp())

    assert sent(down) == [Notification.cease(CeaseError.BFD_DOWN)]
    [end] = [effect for effect in down if isinstance(effect, SessionEnded)]
    assert (end.reason.kind, end.was_established) == (EndKind.BFD_DOWN, True)
    assert "no packet for 150 ms" in str(end.reason)
    assert [type(effect) for effect in up] == [Connect]


def test_a_path_that_is_back_ends_the_long_wait_after_short_sessions() -> None:
    """And if the router is not ready yet, the waits begin anew, from the shortest one."""
    play = idle(connect_retry=(1.0, 2.0, 4.0, 8.0, 16.0))
    play.at(0.0, Started())
    for _ in range(5):
        now = play.now
        play.connects(now)
        play.hears(now, router_open(), Keepalive())
        [*_, end] = play.at(now, ConnectionClosed(play.connection, "end of stream"))
        assert isinstance(end, SessionEnded)
        if end.retry_in != 16.0:
            play.until(now + (end.retry_in or 0.0))

    called = play.at(play.now + 0.1, BfdUp())
    [end] = play.at(play.now, ConnectionFailed(play.connection, "Connection refused"))

    assert [type(effect) for effect in called] == [Connect]
    assert isinstance(end, SessionEnded)
    assert end.retry_in == 1.0


def test_a_call_into_a_dead_path_is_made_again_when_the_path_is_back() -> None:
    """TCP itself would repeat it only after 1, 3, 7 s. One that has just been made is left alone."""
    play = idle(connect_timeout=5.0)
    play.at(0.0, Started())

    assert play.at(0.1, BfdUp()) == []
    given_up, again = play.at(2.0, BfdUp())

    assert given_up == CloseConnection(1)
    assert isinstance(again, Connect)
    assert again.connection == 2
    assert play.peer.next_deadline() == 7.0


def test_bfd_that_dies_with_a_gracefully_restarting_router_costs_no_routes() -> None:
    """RFC 5882 section 4.3: it may just be restarting."""
    play = with_helper("198.51.100.1/32")

    effects = play.at(1.0, BfdDown("no packet for 150 ms", is_fate_shared=True))

    assert sent(effects) == []
    assert effects[0] == CloseConnection(1)


def test_news_of_bfd_without_a_session_change_nothing() -> None:
    play = idle()

    assert play.at(0.0, BfdDown("x"), BfdUp()) == []
    assert play.peer.state is State.IDLE
