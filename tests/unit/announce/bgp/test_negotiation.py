"""What OPEN settles: the AS, roles, capabilities, and the next hops that follow from it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from typing import Any

import pytest

from announce.bgp import (
    ConnectionEstablished,
    DynamicAsn,
    Effect,
    NextHopsChanged,
    Role,
    RoutesChanged,
    RoutesReceived,
    Send,
    SessionEnded,
    SessionEstablished,
    Started,
    State,
)
from announce.bgp.attributes import MpReach
from announce.bgp.capabilities import (
    BgpRole,
    Capability,
    EnhancedRouteRefresh,
    ExtendedMessage,
    ExtendedNextHop,
    FourOctetAs,
    GracefulRestart,
    Multiprotocol,
    code_of,
    encode_capability,
)
from announce.bgp.errors import ErrorCode, OpenError
from announce.bgp.messages import Keepalive, Notification, Open, RouteRefresh, Update
from announce.bgp.nlri import IPV4_UNICAST, IPV6_UNICAST, Afi, Prefixes
from announce.bgp.outbound import own_next_hops
from tests.unit.announce.bgp.playbook import (
    CAPABILITIES,
    Playbook,
    idle,
    open_sent,
    router_open,
    routes,
    sent,
)

EVERYTHING = (
    *CAPABILITIES,
    Multiprotocol(IPV6_UNICAST),
    ExtendedNextHop(((IPV4_UNICAST, Afi.IPV6),)),
    ExtendedMessage(),
    EnhancedRouteRefresh(),
)


def end(effects: list[Effect]) -> SessionEnded:
    [found] = [effect for effect in effects if isinstance(effect, SessionEnded)]
    return found


@pytest.mark.parametrize(
    ("rule", "asn", "is_accepted"),
    [
        (DynamicAsn.EXTERNAL, 64497, True),
        (DynamicAsn.EXTERNAL, 4200000000, True),
        (DynamicAsn.EXTERNAL, 64496, False),
        (DynamicAsn.INTERNAL, 64496, True),
        (DynamicAsn.INTERNAL, 64497, False),
    ],
)
def test_the_as_of_the_peer_may_be_a_rule(rule: DynamicAsn, asn: int, is_accepted: bool) -> None:
    play = open_sent(peer_asn=rule)

    effects = play.hears(0.0, router_open(asn=asn, capabilities=(FourOctetAs(asn),)))

    if is_accepted:
        assert play.peer.state is State.OPEN_CONFIRM
    else:
        assert sent(effects) == [Notification(ErrorCode.OPEN_MESSAGE, OpenError.BAD_PEER_AS)]
        assert f"an {rule} AS" in str(end(effects).reason)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Role.PROVIDER, Role.CUSTOMER),
        (Role.CUSTOMER, Role.PROVIDER),
        (Role.ROUTE_SERVER, Role.ROUTE_SERVER_CLIENT),
        (Role.ROUTE_SERVER_CLIENT, Role.ROUTE_SERVER),
        (Role.PEER, Role.PEER),
    ],
)
def test_roles_must_fit(ours: Role, theirs: Role) -> None:
    """RFC 9234 section 4.2, table 2: all other pairs are refused."""
    for role in (*Role, 200):
        play = open_sent(role=ours)
        effects = play.hears(0.0, router_open(capabilities=(*CAPABILITIES, BgpRole(role))))

        if role == theirs:
            assert play.peer.state is State.OPEN_CONFIRM
        else:
            assert sent(effects) == [Notification(ErrorCode.OPEN_MESSAGE, OpenError.ROLE_MISMATCH)]


@pytest.mark.parametrize(
    ("is_strict", "roles", "is_accepted"),
    [(False, (), True), (True, (), False), (False, (3, 3), True), (False, (3, 4), False)],
)
def test_roles_that_are_missing_or_several(
    is_strict: bool, roles: tuple[int, ...], is_accepted: bool
) -> None:
    play = open_sent(role=Role.PROVIDER, is_role_strict=is_strict)

    play.hears(0.0, router_open(capabilities=(*CAPABILITIES, *map(BgpRole, roles))))

    assert (play.peer.state is State.OPEN_CONFIRM) is is_accepted


@pytest.mark.parametrize(
    ("role", "marked"),
    [
        (Role.PROVIDER, 64496),
        (Role.ROUTE_SERVER, 64496),
        (Role.PEER, 64496),
        (Role.CUSTOMER, None),
        (None, None),
    ],
)
def test_routes_that_may_only_go_down_are_marked(role: Role | None, marked: int | None) -> None:
    """RFC 9234 section 5: ONLY_TO_CUSTOMER with our AS."""
    play = open_sent(role=role)
    play.at(0.0, RoutesChanged(routes("198.51.100.1/32")))

    messages = sent(play.hears(0.0, router_open(), Keepalive()))

    [update] = [it for it in messages if isinstance(it, Update) and it.announced_count]
    assert update.attributes.only_to_customer == marked


def test_a_role_stands_in_open() -> None:
    play = idle(role=Role.CUSTOMER)
    play.at(0.0, Started())

    [message] = sent(play.connects(0.0))

    assert isinstance(message, Open)
    assert BgpRole(Role.CUSTOMER) in message.capabilities


def offered_after(notification: Notification, **changes: Any) -> tuple[set[int], set[int]]:
    """The codes of capabilities offered before and after the peer ended an attempt so."""
    play = idle(restart_time=120, **changes)
    play.at(0.0, Started())
    before = sent(play.connects(0.0))
    play.hears(0.0, notification)
    play.until(5.0)
    after = sent(play.connects(5.0))
    first, second = ({code_of(it) for it in m.capabilities} for [m] in (before, after) if isinstance(m, Open))
    return first, second


def test_a_capability_that_the_peer_objects_to_is_not_offered_again() -> None:
    """RFC 5492: the data of the NOTIFICATION names it. One that we never offered changes nothing."""
    data = encode_capability(GracefulRestart(0)) + bytes((131, 0))
    objection = Notification(ErrorCode.OPEN_MESSAGE, OpenError.UNSUPPORTED_CAPABILITY, data)

    before, after = offered_after(objection)

    assert before - after == {64}


def test_an_objection_without_a_name_is_to_all_that_can_be_done_without() -> None:
    _, after = offered_after(Notification(ErrorCode.OPEN_MESSAGE, OpenError.UNSUPPORTED_CAPABILITY))

    assert after == {1, 65}


def test_a_peer_that_knows_no_capabilities_hears_none() -> None:
    """RFC 5492 section 3. The session is one of IPv4 with 2-octet AS numbers then."""
    objection = Notification(ErrorCode.OPEN_MESSAGE, OpenError.UNSUPPORTED_OPTIONAL_PARAMETER)
    play = open_sent()
    play.hears(0.0, objection)
    play.until(5.0)

    [message] = sent(play.connects(5.0))
    effects = play.hears(5.0, router_open(capabilities=()), Keepalive())

    assert isinstance(message, Open)
    assert message.capabilities == ()
    [session] = [effect for effect in effects if isinstance(effect, SessionEstablished)]
    assert session.families == {IPV4_UNICAST}
    assert not session.is_four_octet_as


def test_what_was_withheld_is_offered_again_after_the_session() -> None:
    """The router may know better after its upgrade."""
    play = open_sent()
    play.hears(0.0, Notification(ErrorCode.OPEN_MESSAGE, OpenError.UNSUPPORTED_OPTIONAL_PARAMETER))
    play.until(5.0)
    play.connects(5.0)
    play.hears(5.0, router_open(capabilities=()), Keepalive())
    play.hears(50.0, Notification.shutdown())
    play.until(60.0)

    [message] = sent(play.connects(60.0))

    assert isinstance(message, Open)
    assert message.capabilities != ()


# Next hops.

GLOBAL, LINK_LOCAL = IPv6Address("2001:db8::10"), IPv6Address("fe80::10%eth0")
IPV4 = IPv4Address("192.0.2.10")


def session_over(local: str, *others: str, capabilities: tuple[Capability, ...] = EVERYTHING) -> Playbook:
    """Established over this local address, whose interface has the others too."""
    play = idle(router_id=IPV4)
    play.at(0.0, Started(), RoutesChanged(routes("198.51.100.1/32", "2001:db8:1::/64")))
    play.at(0.0, ConnectionEstablished(1, ip_address(local), tuple(map(ip_address, others))))
    play.hears(0.0, router_open(capabilities=capabilities), Keepalive())
    return play


WITHOUT_EXTENDED = (*CAPABILITIES, Multiprotocol(IPV6_UNICAST))


@pytest.mark.parametrize(
    ("local", "others", "is_extended", "ipv4", "ipv6"),
    [
        ("192.0.2.10", ("192.0.2.10", "fe80::10", "2001:db8::10"), True, (IPV4,), (GLOBAL,)),
        ("192.0.2.10", ("192.0.2.10", "fe80::10"), True, (IPV4,), None),
        ("2001:db8::10", ("192.0.2.10", "2001:db8::10"), False, (IPV4,), (GLOBAL,)),
        ("2001:db8::10", ("192.0.2.10", "2001:db8::10"), True, (GLOBAL,), (GLOBAL,)),
        ("2001:db8::10", (), False, None, (GLOBAL,)),
        ("fe80::10%eth0", (), True, (LINK_LOCAL, LINK_LOCAL), (LINK_LOCAL, LINK_LOCAL)),
        ("fe80::10%eth0", ("2001:db8::10",), True, (GLOBAL, LINK_LOCAL), (GLOBAL, LINK_LOCAL)),
        ("fe80::10%eth0", ("169.254.1.1", "127.0.0.1"), False, None, (LINK_LOCAL, LINK_LOCAL)),
    ],
)
def test_next_hop_self_per_family(
    local: str, others: tuple[str, ...], is_extended: bool, ipv4: object, ipv6: object
) -> None:
    """Our address in the session, or one of the interface; two for link-local ones (RFC 2545)."""
    session = (
        session_over(local, *others, capabilities=EVERYTHING if is_extended else WITHOUT_EXTENDED)
        .peer.status()
        .session
    )

    assert session is not None
    found = own_next_hops(session)
    assert (found.get(IPV4_UNICAST), found.get(IPV6_UNICAST)) == (ipv4, ipv6)


def test_an_unnumbered_session_carries_ipv4_with_an_ipv6_next_hop() -> None:
    """RFC 8950: MP_REACH_NLRI with 32 octets of next hop, withdrawn by the plain field."""
    play = idle(router_id=IPV4)
    play.at(0.0, Started(), RoutesChanged(routes("198.51.100.1/32")))
    play.at(0.0, ConnectionEstablished(1, LINK_LOCAL))

    messages = sent(play.hears(0.0, router_open(capabilities=EVERYTHING), Keepalive()))
    gone = sent(play.at(1.0, RoutesChanged(routes())))

    [update] = [it for it in messages if isinstance(it, Update) and it.announced_count]
    reach = update.attributes.mp_reach
    assert isinstance(reach, MpReach)
    assert (reach.family, reach.next_hop) == (IPV4_UNICAST, LINK_LOCAL.packed * 2)
    assert [str(prefix) for prefix in reach.nlri] == ["198.51.100.1/32"]
    assert update.attributes.next_hop is None
    assert [len(it.withdrawn) for it in gone if isinstance(it, Update)] == [1]


def test_an_address_that_comes_changes_or_goes_is_followed_by_the_routes() -> None:
    """Within the session, without a word about those of the other family."""
    other = IPv6Address("2001:db8:99::10")
    play = idle()
    play.at(0.0, Started(), RoutesChanged(routes("198.51.100.1/32", "2001:db8:1::1/128")))
    play.at(0.0, ConnectionEstablished(1, IPV4, (IPV4,)))
    play.hears(0.0, router_open(capabilities=EVERYTHING), Keepalive())
    assert (play.peer.status().advertised_count, play.peer.status().waiting_count) == (1, 1)

    def told_of(now: float, *beside: IPv4Address | IPv6Address) -> list[IPv6Address | None]:
        """The IPv6 next hops that the router hears of; None: the routes are withdrawn."""
        messages = sent(play.at(now, NextHopsChanged(1, (IPV4, *beside))) + play.until(now + 1.0))
        found: list[IPv6Address | None] = []
        for update in (it for it in messages if isinstance(it, Update)):
            if isinstance(reach := update.attributes.mp_reach, MpReach):
                found.append(IPv6Address(reach.next_hop))
            if update.attributes.mp_unreach is not None:
                found.append(None)
            assert not update.nlri
        return found

    assert told_of(10.0, GLOBAL) == [GLOBAL]
    assert (play.peer.status().advertised_count, play.peer.status().waiting_count) == (2, 0)
    assert told_of(20.0, GLOBAL) == []
    assert told_of(30.0, other) == [other]
    assert told_of(40.0) == [None]
    assert (play.peer.status().advertised_count, play.peer.status().waiting_count) == (1, 1)


def test_an_address_that_comes_before_the_session_stands_is_known_in_it() -> None:
    play = idle()
    play.at(0.0, Started(), RoutesChanged(routes("2001:db8:1::1/128")))
    play.at(0.0, ConnectionEstablished(1, IPV4, (IPV4,)), NextHopsChanged(1, (IPV4, GLOBAL)))

    play.hears(0.0, router_open(capabilities=EVERYTHING), Keepalive())

    assert play.peer.status().advertised_count == 1


def test_extended_next_hops_are_offered_only_over_ipv6() -> None:
    """Over IPv4 there is always an IPv4 next hop, and routers that see the offer use it."""
    offered: list[bool] = []
    for local in ("192.0.2.10", "2001:db8::10"):
        play = idle(router_id=IPV4)
        play.at(0.0, Started())
        [message] = sent(play.at(0.0, ConnectionEstablished(1, ip_address(local))))
        assert isinstance(message, Open)
        offered.append(any(isinstance(it, ExtendedNextHop) for it in message.capabilities))

    assert offered == [False, True]


def test_the_router_id_may_come_from_the_interface_of_an_ipv6_session() -> None:
    """As MetalLB does it."""
    play = idle()
    play.at(0.0, Started())

    [message] = sent(play.at(0.0, ConnectionEstablished(1, GLOBAL, (GLOBAL, IPV4))))

    assert isinstance(message, Open)
    assert message.identifier == IPV4


def test_a_loopback_address_beside_the_session_s_own_is_no_router_id() -> None:
    """Every node has it; where there is no other, the name of the node makes one, as in MetalLB."""
    loopback = ip_address("127.0.0.1")
    found: list[Open] = []
    for beside in ((loopback, IPV4), (loopback,)):
        play = idle()
        play.at(0.0, Started())
        found += [
            message
            for message in sent(play.at(0.0, ConnectionEstablished(1, GLOBAL, (*beside, GLOBAL))))
            if isinstance(message, Open)
        ]

    assert found[0].identifier == IPV4
    assert not found[1].identifier.is_loopback


# Longer messages, and the brackets of a refresh.


def test_messages_are_longer_where_the_peer_takes_them() -> None:
    """RFC 8654."""
    many = routes(*(f"2001:db8:{number:x}::/64" for number in range(1500)))
    longest: list[int] = []
    for capabilities in (EVERYTHING, WITHOUT_EXTENDED):
        play = session_over("2001:db8::10", capabilities=capabilities)
        effects = play.at(1.0, RoutesChanged(many)) + play.until(2.0)
        longest.append(max(len(effect.data) for effect in effects if isinstance(effect, Send)))
    extended, plain = longest

    assert plain <= 4096 < extended <= 65535


def test_a_long_message_of_the_peer_is_read_after_we_have_offered_to() -> None:
    play = session_over("192.0.2.10")
    prefixes = [IPv4Network((0x0A000000 + (number << 8), 24)) for number in range(2000)]
    many = Update(withdrawn=Prefixes.of(prefixes))

    effects = play.hears(1.0, many)

    assert play.peer.state is State.ESTABLISHED
    assert effects == [RoutesReceived(announced=0, withdrawn=2000)]


def test_a_refresh_stands_in_brackets_where_both_know_them() -> None:
    """RFC 7313 section 4."""
    play = session_over("192.0.2.10")

    messages = sent(play.hears(1.0, RouteRefresh(IPV4_UNICAST)))

    assert messages[0] == RouteRefresh(IPV4_UNICAST, 1)
    assert [it.announced_count for it in messages[1:-1] if isinstance(it, Update)] == [1]
    assert messages[-1] == RouteRefresh(IPV4_UNICAST, 2)


def test_a_refresh_of_nothing_has_its_brackets_too() -> None:
    play = open_sent()
    play.hears(0.0, router_open(capabilities=EVERYTHING), Keepalive())

    messages = sent(play.hears(1.0, RouteRefresh(IPV4_UNICAST)))

    assert messages == [RouteRefresh(IPV4_UNICAST, 1), RouteRefresh(IPV4_UNICAST, 2)]
