"""Adj-RIB-Out: what is sent for a change, in which form, and in how many messages."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any

import pytest

from announce.bgp import IPV4_UNICAST, IPV6_UNICAST, Route, RouteAttributes
from announce.bgp.attributes import MpReach, MpUnreach, Origin, PathAttributes, Segment, SegmentType
from announce.bgp.framing import Framer
from announce.bgp.messages import MESSAGE_OCTETS_MAX, Message, Update, decode_message
from announce.bgp.nlri import Afi, Prefixes
from announce.bgp.outbound import Outbound
from announce.bgp.rib import AdjRibOut
from announce.bgp.routes import merged
from tests.unit.announce.bgp.playbook import LOCAL, routes

OUTBOUND = Outbound(
    local_asn=64496,
    is_internal=False,
    is_four_octet_as=True,
    families=frozenset({IPV4_UNICAST}),
    default_local_pref=100,
    next_hops={IPV4_UNICAST: (LOCAL,)},
)
END_OF_RIB = Update()


def drained(rib: AdjRibOut, *, four_octet_as: bool = True) -> list[Message]:
    """All that the peer is told until there is no more."""
    messages: list[Message] = []
    rib.absorb(1 << 20)
    while (octets := rib.next_update()) is not None:
        assert len(octets) <= MESSAGE_OCTETS_MAX
        messages += [decode_message(*framed, four_octet_as=four_octet_as) for framed in Framer().feed(octets)]
    return messages


def told(outbound: Outbound, *prefixes: str, **attributes: Any) -> AdjRibOut:
    rib = AdjRibOut()
    rib.replace(routes(*prefixes, **attributes))
    rib.begin(outbound)
    return rib


def attributes_sent(outbound: Outbound, **attributes: Any) -> PathAttributes:
    update = drained(
        told(outbound, "198.51.100.1/32", **attributes), four_octet_as=outbound.is_four_octet_as
    )[0]
    assert isinstance(update, Update)
    return update.attributes


def test_external_peers_see_our_as_and_no_local_pref() -> None:
    assert attributes_sent(OUTBOUND, local_pref=200, med=5) == PathAttributes(
        origin=Origin.IGP,
        as_path=(Segment(SegmentType.AS_SEQUENCE, (64496,)),),
        next_hop=LOCAL,
        med=5,
    )


@pytest.mark.parametrize(("local_pref", "expected"), [(None, 100), (0, 0), (200, 200)])
def test_internal_peers_see_local_pref_and_an_empty_path(local_pref: int | None, expected: int) -> None:
    """LOCAL_PREF is mandatory there (RFC 4271 section 5.1.5)."""
    outbound = replace(OUTBOUND, is_internal=True)

    assert attributes_sent(outbound, local_pref=local_pref) == PathAttributes(
        origin=Origin.IGP, as_path=(), next_hop=LOCAL, local_pref=expected
    )


def test_a_two_octet_peer_sees_as_trans_and_the_true_path_beside_it() -> None:
    """RFC 6793 section 4.2.2."""
    outbound = replace(OUTBOUND, local_asn=4200000000, is_four_octet_as=False)

    assert attributes_sent(outbound) == PathAttributes(
        origin=Origin.IGP,
        as_path=(Segment(SegmentType.AS_SEQUENCE, (23456,)),),
        next_hop=LOCAL,
        as4_path=(Segment(SegmentType.AS_SEQUENCE, (4200000000,)),),
    )


def test_communities_are_sorted_and_may_need_an_extended_length() -> None:
    communities = tuple((64496, value) for value in reversed(range(100)))

    sent = attributes_sent(OUTBOUND, communities=communities, large_communities=((64496, 1, 2),))

    assert sent.communities == tuple(sorted(communities))
    assert sent.large_communities == ((64496, 1, 2),)


def test_a_configured_next_hop_replaces_our_own() -> None:
    assert attributes_sent(OUTBOUND, next_hop=IPv4Address("192.0.2.99")).next_hop == IPv4Address("192.0.2.99")


def test_ipv6_prefixes_travel_in_multiprotocol_attributes() -> None:
    """MP_REACH_NLRI, MP_UNREACH_NLRI, and an End-of-RIB of their own."""
    address = IPv6Address("2001:db8::10")
    rib = told(
        replace(OUTBOUND, next_hops={IPV6_UNICAST: (address,)}, families=frozenset({IPV6_UNICAST})),
        "2001:db8:1::/64",
    )

    announced = drained(rib)
    rib.replace(frozenset())
    withdrawn = drained(rib)

    nlri = Prefixes.of([ip_network("2001:db8:1::/64")], Afi.IPV6)
    path = PathAttributes(
        origin=Origin.IGP,
        as_path=(Segment(SegmentType.AS_SEQUENCE, (64496,)),),
        mp_reach=MpReach(IPV6_UNICAST, address.packed, nlri),
    )
    end_of_rib = Update(attributes=PathAttributes(mp_unreach=MpUnreach(IPV6_UNICAST, Prefixes(Afi.IPV6))))
    assert announced == [Update(attributes=path), end_of_rib]
    assert withdrawn == [Update(attributes=PathAttributes(mp_unreach=MpUnreach(IPV6_UNICAST, nlri)))]


@pytest.mark.parametrize("prefix", ["2001:db8:1::/64", "198.51.100.0/24"])
def test_what_a_session_cannot_carry_is_not_sent(prefix: str) -> None:
    """A family that was not negotiated, or one without a next hop of its own."""
    outbound = replace(OUTBOUND, families=frozenset({IPV6_UNICAST}))

    rib = told(outbound, prefix)

    assert [
        message for message in drained(rib) if isinstance(message, Update) and message.announced_count
    ] == []
    assert rib.advertised == ()


def test_prefixes_with_equal_attributes_share_messages() -> None:
    """5 octets each: 4096 octets hold 800 beside the attributes."""
    rib = told(OUTBOUND, *(f"198.51.{number // 256}.{number % 256}/32" for number in range(2000)))

    messages = drained(rib)

    assert [message.announced_count for message in messages if isinstance(message, Update)] == [
        810,
        810,
        380,
        0,
    ]


def test_withdrawals_are_packed_and_come_first() -> None:
    rib = told(OUTBOUND, *(f"198.51.{number // 256}.{number % 256}/32" for number in range(1000)))
    drained(rib)

    rib.replace(routes("203.0.113.0/24"))
    updates = [message for message in drained(rib) if isinstance(message, Update)]

    assert [(update.withdrawn_count, update.announced_count) for update in updates] == [
        (814, 0),
        (186, 0),
        (0, 1),
    ]


def test_a_change_of_attributes_replaces_the_route_without_a_withdrawal() -> None:
    rib = told(OUTBOUND, "198.51.100.1/32", "198.51.100.2/32")
    drained(rib)

    rib.replace(routes("198.51.100.1/32") | routes("198.51.100.2/32", med=1))
    [update] = drained(rib)

    assert isinstance(update, Update)
    assert list(update.nlri) == [ip_network("198.51.100.2/32")]
    assert update.withdrawn_count == 0


def test_a_change_that_is_overtaken_is_never_sent() -> None:
    rib = told(OUTBOUND)
    drained(rib)

    rib.replace(routes("198.51.100.1/32"))
    rib.replace(routes())

    assert drained(rib) == []


def test_a_route_that_goes_while_it_is_refreshed_is_withdrawn() -> None:
    rib = told(OUTBOUND, "198.51.100.1/32")
    drained(rib)

    rib.refresh(IPV4_UNICAST)
    rib.replace(frozenset())

    assert drained(rib) == [Update(withdrawn=Prefixes.of([ip_network("198.51.100.1/32")]))]


def test_a_refresh_of_another_family_sends_nothing() -> None:
    rib = told(OUTBOUND, "198.51.100.1/32")
    drained(rib)

    rib.refresh(IPV6_UNICAST)

    assert drained(rib) == []


def test_several_advertisements_of_a_prefix_are_merged() -> None:
    """Communities are united, the best LOCAL_PREF and MED are kept."""
    prefix = ip_network("198.51.100.0/24")
    one = RouteAttributes(local_pref=100, med=7, communities=((64496, 2),))
    other = RouteAttributes(local_pref=200, communities=((64496, 1),), large_communities=((1, 2, 3),))

    route = merged({Route(prefix, one), Route(prefix, other)})

    assert route == Route(
        prefix,
        RouteAttributes(
            local_pref=200, med=7, communities=((64496, 1), (64496, 2)), large_communities=((1, 2, 3),)
        ),
    )


def test_too_many_communities_are_refused_and_cut_when_merged() -> None:
    """They must leave room for prefixes; a merge may not fail for what each part was allowed."""
    with pytest.raises(ValueError, match="2048 octets"):
        RouteAttributes(communities=tuple((1, value) for value in range(513)))
    prefix = ip_network("198.51.100.0/24")
    halves = [RouteAttributes(communities=tuple((high, value) for value in range(400))) for high in (1, 2)]

    route = merged([Route(prefix, half) for half in halves])

    assert len(route.attributes.communities) == 512


def test_what_a_session_can_carry_no_more_is_withdrawn_and_waits() -> None:
    """Its next hop is another family's from now on; people see that it is not told."""
    rib = told(OUTBOUND, "198.51.100.1/32")
    drained(rib)

    rib.replace(routes("198.51.100.1/32", next_hop=IPv6Address("2001:db8::1")))
    messages = drained(rib)

    assert messages == [Update(withdrawn=Prefixes.of([ip_network("198.51.100.1/32")]))]
    assert (rib.advertised, rib.waiting_count) == ((), 1)
