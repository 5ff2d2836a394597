"""Path attributes and how they are written (RFC 4271 section 5, RFC 4760, RFC 6793, RFC 1997, RFC 8092, RFC 9234)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from ipaddress import IPv4Address
from typing import TypeAlias

from announce.bgp.capabilities import AS_TRANS
from announce.bgp.nlri import Family, Prefixes

Community: TypeAlias = tuple[int, int]
LargeCommunity: TypeAlias = tuple[int, int, int]


class AttributeType(IntEnum):
    ORIGIN = 1
    AS_PATH = 2
    NEXT_HOP = 3
    MULTI_EXIT_DISC = 4
    LOCAL_PREF = 5
    ATOMIC_AGGREGATE = 6
    AGGREGATOR = 7
    COMMUNITIES = 8
    MP_REACH_NLRI = 14
    MP_UNREACH_NLRI = 15
    AS4_PATH = 17
    LARGE_COMMUNITIES = 32
    ONLY_TO_CUSTOMER = 35


class Flag(IntFlag):
    OPTIONAL = 0x80
    TRANSITIVE = 0x40
    PARTIAL = 0x20
    EXTENDED_LENGTH = 0x10


_WELL_KNOWN = Flag.TRANSITIVE
FLAGS: dict[int, Flag] = {
    AttributeType.ORIGIN: _WELL_KNOWN,
    AttributeType.AS_PATH: _WELL_KNOWN,
    AttributeType.NEXT_HOP: _WELL_KNOWN,
    AttributeType.MULTI_EXIT_DISC: Flag.OPTIONAL,
    AttributeType.LOCAL_PREF: _WELL_KNOWN,
    AttributeType.ATOMIC_AGGREGATE: _WELL_KNOWN,
    AttributeType.AGGREGATOR: Flag.OPTIONAL | Flag.TRANSITIVE,
    AttributeType.COMMUNITIES: Flag.OPTIONAL | Flag.TRANSITIVE,
    AttributeType.MP_REACH_NLRI: Flag.OPTIONAL,
    AttributeType.MP_UNREACH_NLRI: Flag.OPTIONAL,
    AttributeType.AS4_PATH: Flag.OPTIONAL | Flag.TRANSITIVE,
    AttributeType.LARGE_COMMUNITIES: Flag.OPTIONAL | Flag.TRANSITIVE,
    AttributeType.ONLY_TO_CUSTOMER: Flag.OPTIONAL | Flag.TRANSITIVE,
}


class Origin(IntEnum):
    IGP = 0
    EGP = 1
    INCOMPLETE = 2


class SegmentType(IntEnum):
    AS_SET = 1
    AS_SEQUENCE = 2


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of AS_PATH."""

    type: SegmentType
    asns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MpReach:
    """MP_REACH_NLRI (RFC 4760 section 3): prefixes of a family and the next hop for them."""

    family: Family
    next_hop: bytes
    """Opaque here, as its form depends on the family: an IPv4 address, or one or two IPv6 addresses."""
    nlri: Prefixes


@dataclass(frozen=True, slots=True)
class MpUnreach:
    """MP_UNREACH_NLRI (RFC 4760 section 4)."""

    family: Family
    withdrawn: Prefixes


@dataclass(frozen=True, slots=True, kw_only=True)
class PathAttributes:
    """The attributes of one UPDATE; None or empty: absent."""

    origin: Origin | None = None
    as_path: tuple[Segment, ...] | None = None
    """The empty path, which iBGP sends, is an attribute that is present."""
    next_hop: IPv4Address | None = None
    med: int | None = None
    local_pref: int | None = None
    communities: tuple[Community, ...] = ()
    large_communities: tuple[LargeCommunity, ...] = ()
    mp_reach: MpReach | None = None
    mp_unreach: MpUnreach | None = None
    as4_path: tuple[Segment, ...] | None = None
    only_to_customer: int | None = None
    """The AS that lets the route go only downwards (RFC 9234 section 5)."""


def encode_attributes(attributes: PathAttributes, *, four_octet_as: bool) -> bytes:
    """In ascending order of type, as RFC 4271 appendix F.4 recommends.

    To a peer with 2-octet AS numbers, those that do not fit become AS_TRANS and the true path goes into
    AS4_PATH (RFC 6793 section 4.2.2).
    """
    parts: list[bytes] = []
    if attributes.origin is not None:
        parts.append(_attribute(AttributeType.ORIGIN, bytes((attributes.origin,))))
    if attributes.as_path is not None:
        parts.append(_attribute(AttributeType.AS_PATH, _encode_path(attributes.as_path, four_octet_as)))
    if attributes.next_hop is not None:
        parts.append(_attribute(AttributeType.NEXT_HOP, attributes.next_hop.packed))
    if attributes.med is not None:
        parts.append(_attribute(AttributeType.MULTI_EXIT_DISC, attributes.med.to_bytes(4, "big")))
    if attributes.local_pref is not None:
        parts.append(_attribute(AttributeType.LOCAL_PREF, attributes.local_pref.to_bytes(4, "big")))
    if attributes.communities:
        value = b"".join(struct.pack(">HH", *community) for community in attributes.communities)
        parts.append(_attribute(AttributeType.COMMUNITIES, value))
    if (reach := attributes.mp_reach) is not None:
        head = struct.pack(">HBB", *reach.family, len(reach.next_hop))
        parts.append(
            _attribute(AttributeType.MP_REACH_NLRI, head + reach.next_hop + b"\0" + reach.nlri.octets)
        )
    if (unreach := attributes.mp_unreach) is not None:
        head = struct.pack(">HB", *unreach.family)
        parts.append(_attribute(AttributeType.MP_UNREACH_NLRI, head + unreach.withdrawn.octets))
    if (as4_path := _as4_path(attributes, four_octet_as=four_octet_as)) is not None:
        parts.append(_attribute(AttributeType.AS4_PATH, _encode_path(as4_path, four_octet_as=True)))
    if attributes.large_communities:
        value = b"".join(struct.pack(">III", *community) for community in attributes.large_communities)
        parts.append(_attribute(AttributeType.LARGE_COMMUNITIES, value))
    if attributes.only_to_customer is not None:
        value = attributes.only_to_customer.to_bytes(4, "big")
        parts.append(_attribute(AttributeType.ONLY_TO_CUSTOMER, value))
    return b"".join(parts)


def _attribute(kind: AttributeType, value: bytes) -> bytes:
    if len(value) > 255:
        return struct.pack(">BBH", FLAGS[kind] | Flag.EXTENDED_LENGTH, kind, len(value)) + value
    return bytes((FLAGS[kind], kind, len(value))) + value


def _encode_path(path: Iterable[Segment], four_octet_as: bool) -> bytes:
    width = 4 if four_octet_as else 2
    return b"".join(
        bytes((segment.type, len(segment.asns)))
        + b"".join((asn if asn < 1 << 8 * width else AS_TRANS).to_bytes(width, "big") for asn in segment.asns)
        for segment in path
    )


def _as4_path(attributes: PathAttributes, *, four_octet_as: bool) -> tuple[Segment, ...] | None:
    path = attributes.as_path or ()
    if not four_octet_as and any(asn > 0xFFFF for segment in path for asn in segment.asns):
        return path
    return attributes.as4_path
