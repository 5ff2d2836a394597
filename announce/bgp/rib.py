"""Adj-RIB-Out: what a peer should know, what it has been told, and the UPDATEs between the two.

`updates` is a generator that marks a prefix as told when it hands out the message with it. So a peer that
reads slowly costs no queue of messages: they are made when there is room to send them, and a change that is
overtaken by the next one is never sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import islice

from announce.bgp.attributes import MpReach, MpUnreach, Origin, PathAttributes, Segment, SegmentType
from announce.bgp.attributes import encode_attributes as encode
from announce.bgp.config import IpAddress
from announce.bgp.messages import HEADER_OCTETS, MESSAGE_OCTETS_MAX, encode_update
from announce.bgp.nlri import (
    IPV4_UNICAST,
    IPV6_UNICAST,
    Afi,
    Family,
    IpNetwork,
    Prefixes,
    encode_prefix,
    family_of,
)
from announce.bgp.routes import Route, RouteAttributes, merged

_FAMILIES = (IPV4_UNICAST, IPV6_UNICAST)
_UPDATE_OCTETS_MAX = MESSAGE_OCTETS_MAX - HEADER_OCTETS - 4
"""Room for withdrawn routes, attributes and NLRI together."""
_MP_REACH_OCTETS = 4 + 4 + 16 + 1
"""Attribute header with extended length, family, length of the next hop, the next hop, reserved octet."""
_MP_UNREACH_OCTETS = 4 + 3

PREFIXES_AT_ONCE = 2048
"""Looked at together, to find those with equal attributes: some milliseconds of work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """What the session decides about the form of routes."""

    local_asn: int
    is_internal: bool
    is_four_octet_as: bool
    local_address: IpAddress
    families: frozenset[Family]
    default_local_pref: int

    def next_hop(self, route: Route) -> IpAddress | None:
        """None where the session can give no next hop of the family of the prefix."""
        next_hop = route.attributes.next_hop or self.local_address
        return next_hop if next_hop.version == route.prefix.version else None

    def can_carry(self, route: Route) -> bool:
        return family_of(route.prefix) in self.families and self.next_hop(route) is not None

    def path_attributes(self, attributes: RouteAttributes, next_hop: IPv4Address | None) -> PathAttributes:
        """Always ORIGIN IGP: routers keep a path of another origin out of their ECMP set."""
        path = () if self.is_internal else (Segment(SegmentType.AS_SEQUENCE, (self.local_asn,)),)
        local_pref = self.default_local_pref if attributes.local_pref is None else attributes.local_pref
        return PathAttributes(
            origin=Origin.IGP,
            as_path=path,
            next_hop=next_hop,
            med=attributes.med,
            local_pref=local_pref if self.is_internal else None,
            communities=attributes.communities,
            large_communities=attributes.large_communities,
        )


class AdjRibOut:
    """The routes of one peer. Outlives its sessions: `begin` is told of each new one.

    The cost of a change is that of the prefixes it touches, not of all there are.
    """

    def __init__(self) -> None:
        self._routes: frozenset[Route] = frozenset()
        self._by_prefix: dict[IpNetwork, set[Route]] = {}
        self._desired: dict[IpNetwork, Route] = {}
        self._told: dict[IpNetwork, Route] = {}
        self._unsettled: dict[IpNetwork, None] = {}
        """Prefixes of which the peer may believe something else than is desired, in the order to tell them."""
        self._stale: set[IpNetwork] = set()
        """Told, but wanted once more."""
        self._outbound: Outbound | None = None
        self._ends_of_rib: list[Family] = []
        self._pending: Iterator[bytes] = iter(())
        self._advertised: frozenset[Route] | None = None

    @property
    def advertised(self) -> frozenset[Route]:
        """What the peer has been told, in this session."""
        if self._advertised is None:
            self._advertised = frozenset(self._told.values())
        return self._advertised

    @property
    def waiting_count(self) -> int:
        """Desired, but not told: no session, no room yet, or nothing that the session can carry."""
        return sum(self._told.get(prefix) != route for prefix, route in self._desired.items())

    @property
    def has_advertised(self) -> bool:
        return bool(self._told)

    def replace(self, routes: frozenset[Route]) -> None:
        removed, added = self._routes - routes, routes - self._routes
        self._routes = routes
        for route in removed:
            self._by_prefix[route.prefix].remove(route)
        for route in added:
            self._by_prefix.setdefault(route.prefix, set()).add(route)
        for prefix in _sorted({route.prefix for route in (*removed, *added)}):
            self._desire(prefix)
            self._unsettled[prefix] = None
        self._pending = self._updates()

    def _desire(self, prefix: IpNetwork) -> None:
        if several := self._by_prefix[prefix]:
            self._desired[prefix] = merged(several)
        else:
            del self._by_prefix[prefix]
            self._desired.pop(prefix, None)

    def begin(self, outbound: Outbound) -> None:
        """A new session: the peer knows nothing. Its first routes are closed by End-of-RIB (RFC 4724)."""
        self.end()
        self._outbound = outbound
        self._unsettled = dict.fromkeys(self._desired)
        self._ends_of_rib = [family for family in _FAMILIES if family in outbound.families]
        self._pending = self._updates()

    def end(self) -> None:
        self._outbound = None
        self._told.clear()
        self._stale.clear()
        self._unsettled.clear()
        self._advertised = None
        self._pending = iter(())

    def refresh(self, family: Family) -> None:
        """Tell everything of a family once more (RFC 2918)."""
        of_family = [prefix for prefix in self._told if family_of(prefix) == family]
        self._stale.update(of_family)
        self._unsettled.update(dict.fromkeys(of_family))
        self._pending = self._updates()

    def next_update(self) -> bytes | None:
        """The next message to send; None: the peer has been told everything."""
        return next(self._pending, None)

    def _updates(self) -> Iterator[bytes]:
        """Withdrawals first: they are what cannot wait, and they make room."""
        outbound = self._outbound
        if outbound is None:
            return
        yield from self._withdrawals(
            [
                prefix
                for prefix in self._unsettled
                if prefix in self._told and self._wanted(outbound, prefix) is None
            ]
        )
        while self._unsettled:
            yield from self._announcements(outbound, list(islice(self._unsettled, PREFIXES_AT_ONCE)))
        while self._ends_of_rib:
            yield _end_of_rib(self._ends_of_rib.pop(0))

    def _wanted(self, outbound: Outbound, prefix: IpNetwork) -> Route | None:
        route = self._desired.get(prefix)
        return route if route is not None and outbound.can_carry(route) else None

    def _withdrawals(self, prefixes: list[IpNetwork]) -> Iterator[bytes]:
        for family in _FAMILIES:
            of_family = [prefix for prefix in prefixes if family_of(prefix) == family]
            overhead = 0 if family == IPV4_UNICAST else _MP_UNREACH_OCTETS
            for batch, octets in _packed(of_family, _UPDATE_OCTETS_MAX - overhead):
                for prefix in batch:
                    del self._told[prefix]
                self._settle(batch)
                yield _withdrawal(family, octets)

    def _announcements(self, outbound: Outbound, prefixes: list[IpNetwork]) -> Iterator[bytes]:
        """Those of the prefixes that are not as they should be; all of them are settled in the end."""
        alike: dict[tuple[Family, RouteAttributes], list[IpNetwork]] = {}
        for prefix in prefixes:
            route = self._wanted(outbound, prefix)
            if route is None or (self._told.get(prefix) == route and prefix not in self._stale):
                self._settle([prefix])
            else:
                alike.setdefault((family_of(prefix), route.attributes), []).append(prefix)
        for (family, attributes), members in alike.items():
            next_hop = outbound.next_hop(self._desired[members[0]])
            assert next_hop is not None
            head = _encoded(outbound, attributes, next_hop)
            overhead = len(head) + (0 if family == IPV4_UNICAST else _MP_REACH_OCTETS)
            for batch, octets in _packed(members, _UPDATE_OCTETS_MAX - overhead):
                self._told.update((prefix, self._desired[prefix]) for prefix in batch)
                self._settle(batch)
                yield _announcement(family, head, next_hop, octets)

    def _settle(self, prefixes: list[IpNetwork]) -> None:
        self._stale.difference_update(prefixes)
        self._advertised = None
        for prefix in prefixes:
            del self._unsettled[prefix]


def _sorted(prefixes: Iterable[IpNetwork]) -> list[IpNetwork]:
    """In an order that depends on nothing but the prefixes, so that runs repeat."""
    return sorted(
        prefixes, key=lambda prefix: (prefix.version, int(prefix.network_address), prefix.prefixlen)
    )


def _packed(prefixes: list[IpNetwork], room: int) -> Iterator[tuple[list[IpNetwork], bytes]]:
    """As many prefixes at a time as fit into the room, with their octets."""
    batch: list[IpNetwork] = []
    octets = bytearray()
    for prefix in prefixes:
        encoded = encode_prefix(prefix)
        if len(octets) + len(encoded) > room:
            yield batch, bytes(octets)
            batch, octets = [], bytearray()
        batch.append(prefix)
        octets += encoded
    if batch:
        yield batch, bytes(octets)


def _encoded(outbound: Outbound, attributes: RouteAttributes, next_hop: IpAddress) -> bytes:
    own = next_hop if isinstance(next_hop, IPv4Address) else None
    return encode(outbound.path_attributes(attributes, own), four_octet_as=outbound.is_four_octet_as)


def _announcement(family: Family, head: bytes, next_hop: IpAddress, octets: bytes) -> bytes:
    if family == IPV4_UNICAST:
        return encode_update(attributes=head, nlri=octets)
    assert isinstance(next_hop, IPv6Address)
    reach = PathAttributes(mp_reach=MpReach.of_ipv6(family, next_hop, Prefixes(Afi.IPV6, octets)))
    # RFC 7606 section 5.1: MP_REACH_NLRI first, so that its prefixes can be read whatever follows.
    return encode_update(attributes=encode(reach, four_octet_as=True) + head)


def _withdrawal(family: Family, octets: bytes) -> bytes:
    if family == IPV4_UNICAST:
        return encode_update(withdrawn=octets)
    unreach = PathAttributes(mp_unreach=MpUnreach(family, Prefixes(Afi.IPV6, octets)))
    return encode_update(attributes=encode(unreach, four_octet_as=True))


def _end_of_rib(family: Family) -> bytes:
    """An UPDATE that withdraws nothing (RFC 4724 section 2)."""
    return _withdrawal(family, b"")
