"""What the peer sends us: counted, bounded, and kept for people where they ask for it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any

import pytest

from announce.bgp import (
    BfdDown,
    BfdUp,
    CloseConnection,
    Connect,
    ConnectionClosed,
    EndKind,
    Reconfigured,
    RoutesReceived,
    SessionEnded,
    State,
)
from announce.bgp.attributes import MpReach, MpUnreach, Origin, PathAttributes
from announce.bgp.capabilities import FourOctetAs
from announce.bgp.messages import Notification, RouteRefresh, Update
from announce.bgp.nlri import IPV4_UNICAST, IPV6_UNICAST, Afi, Prefixes
from announce.bgp.received import KEPT_MAX
from tests.unit.announce.bgp.playbook import announced, established, router_open, sent


def test_one_prefix_too_many_ends_the_session_for_a_while() -> None:
    """RFC 4486 section 4: Cease with family and limit."""
    play = established(received_prefixes_max=2, prefix_limit_wait=300.0)
    play.hears(1.0, announced("198.51.100.1/32", "198.51.100.2/32"))

    effects = play.hears(2.0, announced("198.51.100.3/32"))
    waiting = play.until(301.9)
    after = play.until(302.0)

    assert sent(effects) == [Notification.prefix_limit(IPV4_UNICAST, 2)]
    assert CloseConnection(1) in effects
    [end] = [effect for effect in effects if isinstance(effect, SessionEnded)]
    assert (end.reason.kind, end.retry_in) == (EndKind.PREFIX_LIMIT_REACHED, 300.0)
    assert "received_prefixes_max" in str(end.reason)
    assert waiting == []
    assert [type(effect) for effect in after] == [Connect]


def test_a_lower_limit_counts_for_what_was_sent_before() -> None:
    """And at once: the next UPDATE may be hours away."""
    play = established(received_prefixes_max=5)
    play.hears(1.0, announced("198.51.100.1/32", "198.51.100.2/32"))

    enough = play.at(2.0, Reconfigured(replace(play.peer.config, received_prefixes_max=2)))
    too_few = play.at(3.0, Reconfigured(replace(play.peer.config, received_prefixes_max=1)))

    assert enough == []
    assert sent(too_few) == [Notification.prefix_limit(IPV4_UNICAST, 1)]
    [*_, end] = too_few
    assert isinstance(end, SessionEnded)
    assert (end.reason.kind, end.retry_in) == (EndKind.PREFIX_LIMIT_REACHED, 300.0)


@pytest.mark.parametrize("asked", [{"received_prefixes_max": 1}, {"keeps_received": True}])
def test_what_was_not_remembered_is_asked_for_once_more(asked: dict[str, Any]) -> None:
    """Else a first limit would not count what is there, and people would see nothing of it."""
    play = established()
    play.hears(1.0, announced("198.51.100.1/32"))
    config = replace(play.peer.config, **asked)

    effects = play.at(2.0, Reconfigured(config))
    again = play.at(3.0, Reconfigured(replace(config, hold_time=30)))

    assert sent(effects) == [RouteRefresh(IPV4_UNICAST)]
    assert again == []


def test_a_router_that_cannot_tell_again_is_not_asked() -> None:
    """RFC 2918 section 4; and without a session there is nobody to ask."""
    play = established(remote=router_open(capabilities=(FourOctetAs(64497),)))
    config = play.peer.config

    assert play.at(1.0, Reconfigured(replace(config, keeps_received=True))) == []
    play.at(2.0, ConnectionClosed(1, "end of stream"))
    assert play.at(2.0, Reconfigured(config), Reconfigured(replace(config, keeps_received=True))) == []


def test_a_path_that_is_back_shortens_no_wait_for_somebody_to_look_at_the_router() -> None:
    play = established(received_prefixes_max=1, prefix_limit_wait=300.0)
    play.hears(1.0, announced("198.51.100.1/32", "198.51.100.2/32"))

    assert play.at(2.0, BfdDown("no packet for 150 ms"), BfdUp()) == []
    assert [type(effect) for effect in play.until(301.0)] == [Connect]


def test_the_same_prefix_again_and_those_withdrawn_do_not_count() -> None:
    """Also where the bits behind the length differ."""
    play = established(received_prefixes_max=2)
    one = announced("198.51.100.0/25", "198.51.101.0/24")
    other_form = Update(attributes=one.attributes, nlri=Prefixes(Afi.IPV4, bytes((25, 198, 51, 100, 0x7F))))

    play.hears(1.0, one, one, other_form)
    play.hears(
        2.0, Update(withdrawn=Prefixes.of([ip_network("198.51.101.0/24")])), announced("203.0.113.0/24")
    )

    assert play.peer.state is State.ESTABLISHED
    assert play.peer.received.count == 2


def test_prefixes_of_both_families_count() -> None:
    play = established(received_prefixes_max=1)
    reach = MpReach(
        IPV6_UNICAST, IPv6Address("fe80::1").packed, Prefixes.of([ip_network("2001:db8::/64")], Afi.IPV6)
    )
    path = PathAttributes(origin=Origin.IGP, as_path=(), mp_reach=reach)
    play.hears(1.0, announced("198.51.100.0/24"))

    effects = play.hears(2.0, Update(attributes=path))

    assert sent(effects) == [Notification.prefix_limit(IPV6_UNICAST, 1)]


def test_routes_are_kept_for_people_if_asked() -> None:
    """As the last UPDATE says, until they are withdrawn or the session ends."""
    play = established(keeps_received=True)
    nlri = Prefixes.of([ip_network("2001:db8::/64")], Afi.IPV6)
    reach = MpReach(IPV6_UNICAST, IPv6Address("fe80::1").packed, nlri)

    play.hears(1.0, announced("198.51.100.0/24", med=1), announced("198.51.100.0/24", med=2))
    play.hears(1.0, Update(attributes=PathAttributes(origin=Origin.IGP, as_path=(), mp_reach=reach)))
    kept = {str(prefix): attributes.med for prefix, attributes in play.peer.received.routes()}
    play.hears(2.0, Update(attributes=PathAttributes(mp_unreach=MpUnreach(IPV6_UNICAST, nlri))))
    left = [str(prefix) for prefix, _ in play.peer.received.routes()]
    play.at(3.0, ConnectionClosed(1, "end of stream"))

    assert kept == {"198.51.100.0/24": 2, "2001:db8::/64": None}
    assert left == ["198.51.100.0/24"]
    assert play.peer.received.count == 0


def test_routes_with_a_fault_count_as_withdrawn() -> None:
    """RFC 7606: here ORIGIN is missing."""
    play = established(keeps_received=True)
    play.hears(1.0, announced("198.51.100.0/24"))
    faulty = Update(
        attributes=PathAttributes(as_path=(), next_hop=IPv4Address("192.0.2.1")),
        nlri=Prefixes.of([ip_network("198.51.100.0/24")]),
    )

    effects = play.hears(2.0, faulty)

    assert effects == [RoutesReceived(announced=0, withdrawn=0, fault="ORIGIN is missing")]
    assert play.peer.received.count == 0


def test_what_is_kept_without_a_limit_is_bounded() -> None:
    play = established(keeps_received=True)
    prefixes = [ip_network((0x0A000000 + number, 32)) for number in range(KEPT_MAX + 500)]

    for start in range(0, len(prefixes), 500):
        play.hears(1.0, announced(*map(str, prefixes[start : start + 500])))

    assert play.peer.received.count == KEPT_MAX
    assert play.peer.state is State.ESTABLISHED
    assert play.peer.status().routes_received == KEPT_MAX + 500


def test_nothing_is_kept_unless_asked() -> None:
    play = established()

    play.hears(1.0, announced("198.51.100.0/24"))

    assert play.peer.received.count == 0


def test_what_was_kept_goes_when_nobody_asks_any_more() -> None:
    """Else a route that is withdrawn meanwhile would be shown when somebody asks again, in the same session."""
    play = established(keeps_received=True)
    config = play.peer.config
    play.hears(1.0, announced("198.51.100.0/24"))

    play.at(2.0, Reconfigured(replace(config, keeps_received=False)))
    play.hears(3.0, Update(withdrawn=Prefixes.of([ip_network("198.51.100.0/24")])))
    play.at(4.0, Reconfigured(config))

    assert play.peer.received.count == 0
