"""The planned stop that lowers the preference first (RFC 8326)."""

from __future__ import annotations

from announce.bgp import (
    BytesSent,
    ConnectionClosed,
    Effect,
    RoutesChanged,
    RoutesUpdated,
    Stopped,
    StopRequested,
)
from announce.bgp.capabilities import FourOctetAs
from announce.bgp.messages import Notification, Update
from announce.bgp.outbound import GRACEFUL_SHUTDOWN
from tests.unit.announce.bgp.playbook import established, router_open, routes, sent


def updates(effects: list[Effect]) -> list[Update]:
    return [message for message in sent(effects) if isinstance(message, Update)]


def test_routes_become_the_last_choice_before_they_go() -> None:
    play = established("198.51.100.1/32", shutdown_wait=10.0)

    lowered = play.at(1.0, StopRequested("drain"))
    meanwhile = play.until(10.9)
    withdrawn = play.until(11.0)
    closed = play.until(12.0)

    [update] = updates(lowered)
    assert update.attributes.communities == (GRACEFUL_SHUTDOWN,)
    assert (update.announced_count, update.attributes.local_pref) == (1, None)
    assert updates(meanwhile) == []
    assert [it.withdrawn_count for it in updates(withdrawn)] == [1]
    assert sent(closed) == [Notification.shutdown("drain")]
    assert closed[-1] == Stopped()


def test_internal_peers_hear_a_local_pref_of_0_beside_the_community() -> None:
    """RFC 8326 section 3.3, whatever the route had before."""
    remote = router_open(asn=64496, identifier="192.0.2.2", capabilities=(FourOctetAs(64496),))
    play = established(remote=remote, peer_asn=64496, shutdown_wait=10.0)
    play.at(0.5, RoutesChanged(routes("198.51.100.1/32", local_pref=200, communities=((64496, 7),))))

    [update] = updates(play.at(1.0, StopRequested()))

    assert update.attributes.local_pref == 0
    assert update.attributes.communities == ((64496, 7), GRACEFUL_SHUTDOWN)


def test_while_the_preference_is_low_routes_may_still_change() -> None:
    """What may not be served any more goes at once; what comes has the low preference too."""
    play = established("198.51.100.1/32", "198.51.100.2/32", shutdown_wait=10.0)
    play.at(1.0, StopRequested())

    gone = play.at(2.0, RoutesUpdated(removed=routes("198.51.100.1/32")))
    new = play.at(3.0, RoutesUpdated(added=routes("198.51.100.3/32")))

    assert [it.withdrawn_count for it in updates(gone)] == [1]
    assert [it.attributes.communities for it in updates(new)] == [(GRACEFUL_SHUTDOWN,)]


def test_without_routes_left_the_wait_is_cut_short() -> None:
    play = established("198.51.100.1/32", shutdown_wait=10.0)
    play.at(1.0, StopRequested())

    play.at(2.0, RoutesUpdated(removed=routes("198.51.100.1/32")))
    effects = play.until(3.0)

    assert effects[-1] == Stopped()


def test_a_session_that_ends_meanwhile_ends_the_stop() -> None:
    play = established("198.51.100.1/32", shutdown_wait=10.0)
    play.at(1.0, StopRequested())

    effects = play.at(2.0, ConnectionClosed(1, "end of stream"))

    assert effects[-1] == Stopped()


def test_the_whole_stop_is_bounded_though_the_peer_takes_nothing() -> None:
    play = established("198.51.100.1/32", shutdown_wait=10.0, stop_timeout=2.0, send_octets_max=1)
    play.at(0.5, BytesSent(1, 1 << 20))
    play.until(0.6)

    begun = play.at(1.0, StopRequested())
    before = play.until(12.9)
    effects = play.until(13.0)

    assert (updates(begun), updates(before)) == ([], [])
    assert effects[-1] == Stopped()
