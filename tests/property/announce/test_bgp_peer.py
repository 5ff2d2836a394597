"""A peer and a router that does anything at any time: no exception, no lost deadline, no unbounded sending."""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from announce.bgp import (
    BfdDown,
    BfdUp,
    BytesReceived,
    BytesSent,
    ConnectionAccepted,
    ConnectionClosed,
    ConnectionEstablished,
    ConnectionFailed,
    DynamicAsn,
    Effect,
    Event,
    NextHopsChanged,
    Peer,
    PeerConfig,
    Reconfigured,
    Role,
    Route,
    RouteAttributes,
    RoutesChanged,
    RoutesComplete,
    RoutesUpdated,
    Send,
    Started,
    StopRequested,
)
from announce.bgp.attributes import Origin, PathAttributes
from announce.bgp.capabilities import (
    BgpRole,
    Capability,
    EnhancedRouteRefresh,
    ExtendedMessage,
    FourOctetAs,
    GracefulRestart,
    Multiprotocol,
)
from announce.bgp.framing import Framer
from announce.bgp.messages import (
    Keepalive,
    Notification,
    Open,
    RouteRefresh,
    Update,
    decode_message,
    encode,
)
from announce.bgp.nlri import IPV4_UNICAST, IPV6_UNICAST, IpNetwork, Prefixes
from tests.unit.announce.bgp.ledger import Ledger

ROUTER = IPv4Address("192.0.2.1")
CONFIG = PeerConfig(local_asn=64496, peer_asn=64497, peer_address=ROUTER, send_octets_max=100)
CONFIGS = (
    CONFIG,
    replace(CONFIG, is_listening=True, restart_time=120, is_restarting=True, received_prefixes_max=1),
    replace(CONFIG, is_listening=True, is_active=False, restart_time=120, delay_open=1.0),
    replace(CONFIG, is_listening=True, delay_open=1.0, shutdown_wait=5.0, keeps_received=True),
    replace(CONFIG, peer_asn=DynamicAsn.EXTERNAL, role=Role.PROVIDER, update_interval=3.0, hold_time=0),
)
LOCAL = (IPv4Address("192.0.2.10"), IPv6Address("2001:db8::10"))

PORTIONS_MAX = 20
"""Calls of advance within which all that is due has been done, for the few routes there are here."""

FAMILIES = (IPV4_UNICAST, IPV6_UNICAST)


def host_route(last: int, attributes: RouteAttributes) -> Route:
    return Route(IPv4Network((0xC6336400 + last, 32)), attributes)


def open_of(asn: int, hold_time: int, *others: Capability, identifier: IPv4Address = ROUTER) -> Open:
    return Open(asn, hold_time, identifier, (*map(Multiprotocol, FAMILIES), FourOctetAs(asn), *others))


def announcing(*prefixes: IpNetwork) -> Update:
    path = PathAttributes(origin=Origin.IGP, as_path=(), next_hop=ROUTER)
    return Update(attributes=path, nlri=Prefixes.of(prefixes))


attributes = st.sampled_from(
    [RouteAttributes(), RouteAttributes(med=5), RouteAttributes(communities=((1, 2),))]
)
route_sets = st.frozensets(st.builds(host_route, st.integers(0, 15), attributes), max_size=8)
capabilities = st.sampled_from(
    [
        GracefulRestart(120, keeps_on_notification=True),
        ExtendedMessage(),
        EnhancedRouteRefresh(),
        BgpRole(Role.CUSTOMER),
    ]
)
opens = st.builds(
    open_of,
    st.sampled_from([64497, 64497, 64497, 64511]),
    st.sampled_from([0, 1, 3, 90]),
    capabilities,
    identifier=st.sampled_from([ROUTER, IPv4Address("192.0.2.200")]),
)
octets = st.one_of(
    opens.map(encode),
    opens.map(lambda message: encode(message) + encode(Keepalive())),
    st.just(encode(Keepalive())),
    st.just(encode(Update())),
    st.just(encode(RouteRefresh(IPV4_UNICAST))),
    st.just(encode(Notification.shutdown("bye"))),
    st.just(encode(Notification(2, 7, b"\x40"))),
    st.just(encode(announcing(ip_network("198.51.100.0/24"), ip_network("203.0.113.0/24")))),
    st.binary(min_size=1, max_size=30),
)
calls = st.integers(-3, -1)
connections = st.sampled_from([1, 1, 1, -1, -1, 2, -2, 0, 3])
events: st.SearchStrategy[Event] = st.one_of(
    st.just(Started()),
    st.builds(RoutesChanged, route_sets),
    st.builds(RoutesUpdated, route_sets, route_sets),
    st.just(RoutesComplete()),
    st.builds(BfdDown, st.just("no packet"), st.booleans()),
    st.just(BfdUp()),
    st.builds(Reconfigured, st.sampled_from(CONFIGS)),
    st.builds(ConnectionEstablished, connections, st.sampled_from(LOCAL)),
    st.builds(ConnectionEstablished, st.just(1), st.sampled_from(LOCAL)),
    st.builds(ConnectionAccepted, calls, st.sampled_from(LOCAL)),
    st.builds(NextHopsChanged, connections, st.lists(st.sampled_from(LOCAL)).map(tuple)),
    st.builds(ConnectionFailed, connections, st.just("Connection refused")),
    st.builds(ConnectionClosed, connections, st.just("end of stream")),
    st.builds(BytesReceived, connections, octets),
    st.builds(BytesSent, connections, st.integers(0, 200)),
    st.builds(StopRequested, st.sampled_from(["", "maintenance"]), st.booleans()),
)
pauses = st.sampled_from([0.0, 0.0, 0.1, 1.0, 5.0, 100.0])


@settings(max_examples=400)
@given(
    st.sampled_from(CONFIGS),
    st.lists(st.tuples(pauses, events), max_size=40),
    st.integers(0, 1 << 16),
)
def test_any_event_in_any_state_is_handled(
    config: PeerConfig, script: list[tuple[float, Event]], seed: int
) -> None:
    """Also when the driver is late: deadlines are not looked at before the next event."""
    peer, ledger, now = Peer(config, random.Random(seed)), Ledger(), 0.0

    for pause, event in script:
        now += pause
        for _ in range(PORTIONS_MAX):
            ledger.check(peer.advance(now))
            if (deadline := peer.next_deadline()) is None or deadline > now:
                break
        else:
            raise AssertionError("what is due is never done")
        if isinstance(event, ConnectionAccepted) and event.connection in ledger.theirs:
            continue  # The shell gives each number once.
        if not ledger.is_stopped:
            ledger.hear(event)
        ledger.check(peer.step(event, now))

        ledger.compare(peer.status())


@settings(max_examples=100)
@given(
    st.lists(
        st.one_of(
            st.builds(RoutesChanged, route_sets),
            st.builds(RoutesUpdated, route_sets, route_sets),
            st.just("refresh"),
            st.just("read"),
        ),
        max_size=12,
    ),
    st.integers(0, 1 << 16),
)
def test_the_router_ends_up_with_what_was_wanted_last(
    script: list[RoutesChanged | RoutesUpdated | str], seed: int
) -> None:
    """However slowly it reads, and however often it asks again."""
    peer = Peer(CONFIG, random.Random(seed))
    router = Router(peer)

    for action in script:
        if isinstance(action, RoutesChanged | RoutesUpdated):
            router.tell(action)
        elif action == "refresh":
            router.tell(BytesReceived(1, encode(RouteRefresh(IPV4_UNICAST))))
        else:
            router.read()
    while router.unread:
        router.read()

    advertised = {route.prefix: route.attributes for route in peer.status().advertised}
    assert peer.status().waiting_count == 0
    assert router.table == {prefix: (it.med, it.communities) for prefix, it in advertised.items()}


class Router:
    """The other end of an Established session, which reads when told to."""

    def __init__(self, peer: Peer) -> None:
        self.table: dict[IpNetwork, object] = {}
        self.unread = b""
        self._peer = peer
        self._now = 0.0
        self.tell(Started())
        self.tell(ConnectionEstablished(1, LOCAL[0]))
        self.tell(BytesReceived(1, encode(open_of(64497, 0)) + encode(Keepalive())))

    def tell(self, event: Event) -> None:
        """And let the peer do what it puts off."""
        self._take(self._peer.step(event, self._now))
        self._now += 1.0
        while (deadline := self._peer.next_deadline()) is not None and deadline <= self._now:
            self._take(self._peer.advance(deadline))

    def _take(self, effects: list[Effect]) -> None:
        self.unread += b"".join(effect.data for effect in effects if isinstance(effect, Send))
        assert len(self.unread) < CONFIG.send_octets_max + 2 * 4096

    def read(self) -> None:
        stream, self.unread = self.unread, b""
        for framed in Framer().feed(stream):
            message = decode_message(*framed)
            if isinstance(message, Update):
                shared = (message.attributes.med, message.attributes.communities)
                for prefix in message.withdrawn:
                    del self.table[prefix]
                self.table.update((prefix, shared) for prefix in message.nlri)
        self.tell(BytesSent(1, 1 << 20))
