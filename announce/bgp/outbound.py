"""The form that routes take in a session: their attributes, their next hop, and the octets of UPDATE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import TypeAlias

from announce.bgp.attributes import (
    Community,
    MpReach,
    MpUnreach,
    Origin,
    PathAttributes,
    Segment,
    SegmentType,
    encode_attributes,
)
from announce.bgp.capabilities import Role
from announce.bgp.config import IpAddress, PeerConfig
from announce.bgp.effects import SessionEstablished
from announce.bgp.messages import HEADER_OCTETS, MESSAGE_OCTETS_MAX, encode_update
from announce.bgp.nlri import IPV4_UNICAST, IPV6_UNICAST, Afi, Family, Prefixes
from announce.bgp.routes import RouteAttributes

NextHop: TypeAlias = tuple[IpAddress, ...]
"""One address, or a global and a link-local one of IPv6 (RFC 2545 section 3)."""

GRACEFUL_SHUTDOWN: Community = (65535, 0)
"""Whoever hears it takes any other path (RFC 8326)."""

UPDATES_OCTETS_MAX = 16 * 1024
"""Longest message that we make: longer ones, where the peer takes them, save nothing more."""

_EMPTY_UPDATE_OCTETS = HEADER_OCTETS + 4
_MP_REACH_OCTETS = 4 + 4 + 1
"""Attribute header with extended length, family, length of the next hop, reserved octet."""
_MP_UNREACH_OCTETS = 4 + 3
_TO_CUSTOMERS_ONLY = (Role.PROVIDER, Role.ROUTE_SERVER, Role.PEER)
"""RFC 9234 section 5: roles of ours in which routes go down or sideways, and may not come up again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """What a session decides about the form of routes."""

    local_asn: int
    is_internal: bool
    is_four_octet_as: bool
    families: frozenset[Family]
    default_local_pref: int
    next_hops: Mapping[Family, NextHop] = field(default_factory=dict[Family, NextHop])
    """Ours, for routes that name none. A family that is missing has none in this session."""
    has_extended_next_hop: bool = False
    has_enhanced_refresh: bool = False
    is_only_to_customer: bool = False
    is_shutting_down: bool = False
    """Every route is the last choice from now on (RFC 8326)."""
    octets_max: int = MESSAGE_OCTETS_MAX

    @classmethod
    def of(cls, config: PeerConfig, session: SessionEstablished) -> Outbound:
        return cls(
            local_asn=config.local_asn,
            is_internal=config.is_internal,
            is_four_octet_as=session.is_four_octet_as,
            families=session.families,
            default_local_pref=config.default_local_pref,
            next_hops=own_next_hops(session),
            has_extended_next_hop=session.has_extended_next_hop,
            has_enhanced_refresh=session.has_enhanced_refresh,
            is_only_to_customer=config.role in _TO_CUSTOMERS_ONLY,
            octets_max=UPDATES_OCTETS_MAX if session.has_extended_messages else MESSAGE_OCTETS_MAX,
        )

    def next_hop(self, family: Family, attributes: RouteAttributes) -> NextHop | None:
        """None where the session can give no next hop for a prefix of the family."""
        address = attributes.next_hop
        if address is None:
            return self.next_hops.get(family)
        is_of_family = (address.version == 4) is (family == IPV4_UNICAST)
        is_extended = self.has_extended_next_hop and family == IPV4_UNICAST
        return (address,) if is_of_family or is_extended else None

    def head(self, family: Family, attributes: RouteAttributes, next_hop: NextHop) -> Head:
        """The octets that prefixes with equal attributes share."""
        path = self._path_attributes(attributes)
        is_plain = family == IPV4_UNICAST and isinstance(next_hop[0], IPv4Address)
        if is_plain:
            path = replace(path, next_hop=next_hop[0])
        octets = encode_attributes(path, four_octet_as=self.is_four_octet_as)
        overhead = _EMPTY_UPDATE_OCTETS + len(octets)
        if not is_plain:
            overhead += _MP_REACH_OCTETS + sum(len(address.packed) for address in next_hop)
        return Head(family, next_hop, octets, is_plain, self.octets_max - overhead)

    def _path_attributes(self, attributes: RouteAttributes) -> PathAttributes:
        """Always ORIGIN IGP: routers keep a path of another origin out of their ECMP set."""
        path = () if self.is_internal else (Segment(SegmentType.AS_SEQUENCE, (self.local_asn,)),)
        local_pref = self.default_local_pref if attributes.local_pref is None else attributes.local_pref
        communities = attributes.communities
        if self.is_shutting_down:
            local_pref, communities = 0, tuple(sorted({*communities, GRACEFUL_SHUTDOWN}))
        return PathAttributes(
            origin=Origin.IGP,
            as_path=path,
            med=attributes.med,
            local_pref=local_pref if self.is_internal else None,
            communities=communities,
            large_communities=attributes.large_communities,
            only_to_customer=self.local_asn if self.is_only_to_customer else None,
        )

    def withdrawal_room(self, family: Family) -> int:
        overhead = 0 if family == IPV4_UNICAST else _MP_UNREACH_OCTETS
        return self.octets_max - _EMPTY_UPDATE_OCTETS - overhead


@dataclass(frozen=True, slots=True)
class Head:
    """An UPDATE that only wants its prefixes."""

    family: Family
    next_hop: NextHop
    attributes: bytes
    is_plain: bool
    """The prefixes go into the NLRI field of RFC 4271."""
    room: int
    """Octets of prefixes that a message has room for."""

    def update(self, prefixes: bytes) -> bytes:
        if self.is_plain:
            return encode_update(attributes=self.attributes, nlri=prefixes)
        next_hop = b"".join(address.packed for address in self.next_hop)
        nlri = Prefixes(Afi(self.family.afi), prefixes)
        reach = PathAttributes(mp_reach=MpReach(self.family, next_hop, nlri))
        # RFC 7606 section 5.1: MP_REACH_NLRI first, so that its prefixes can be read whatever follows.
        return encode_update(attributes=encode_attributes(reach, four_octet_as=True) + self.attributes)


def withdrawal(family: Family, prefixes: bytes) -> bytes:
    if family == IPV4_UNICAST:
        return encode_update(withdrawn=prefixes)
    unreach = PathAttributes(mp_unreach=MpUnreach(family, Prefixes(Afi(family.afi), prefixes)))
    return encode_update(attributes=encode_attributes(unreach, four_octet_as=True))


def end_of_rib(family: Family) -> bytes:
    """An UPDATE that withdraws nothing (RFC 4724 section 2)."""
    return withdrawal(family, b"")


def own_next_hops(session: SessionEstablished) -> dict[Family, NextHop]:
    """NEXT_HOP self: our address in the session, and for the other family one of the same interface.

    Over IPv6 to a peer that takes it, IPv4 has the IPv6 next hop too: that path is known to work.
    """
    local = session.local_address
    of_interface = [address for address in session.next_hops if _is_reachable_from_outside(address)]
    ipv4 = next(((address,) for address in of_interface if address.version == 4), None)
    ipv6 = next(((address,) for address in of_interface if address.version == 6), None)
    if isinstance(local, IPv4Address):
        ipv4 = (local,)
    else:
        # "the link-local address shall be included": twice where there is no global one.
        ipv6 = (*(ipv6 or (local,)), local) if local.is_link_local else (local,)
        ipv4 = ipv6 if session.has_extended_next_hop else ipv4
    found = {IPV4_UNICAST: ipv4, IPV6_UNICAST: ipv6}
    return {family: next_hop for family, next_hop in found.items() if next_hop is not None}


def _is_reachable_from_outside(address: IpAddress) -> bool:
    return not (address.is_link_local or address.is_loopback or address.is_unspecified)
