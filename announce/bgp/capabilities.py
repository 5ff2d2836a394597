"""Capabilities, which two speakers tell each other in OPEN (RFC 5492)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from announce.bgp.cursor import Cursor
from announce.bgp.nlri import Family

AS_TRANS = 23456
"""What stands in a 2-octet field for an AS number that does not fit (RFC 6793)."""

RESTART_TIME_MAX = (1 << 12) - 1
_RESTARTED = 0x8000
_NOTIFICATION_SUPPORT = 0x4000
_FORWARDING_PRESERVED = 0x80


class CapabilityCode(IntEnum):
    MULTIPROTOCOL = 1
    ROUTE_REFRESH = 2
    EXTENDED_NEXT_HOP = 5
    EXTENDED_MESSAGE = 6
    ROLE = 9
    GRACEFUL_RESTART = 64
    FOUR_OCTET_AS = 65
    ENHANCED_ROUTE_REFRESH = 70


class Role(IntEnum):
    """What a speaker is to the other one (RFC 9234 section 4.1)."""

    PROVIDER = 0
    ROUTE_SERVER = 1
    ROUTE_SERVER_CLIENT = 2
    CUSTOMER = 3
    PEER = 4


@dataclass(frozen=True, slots=True)
class Multiprotocol:
    """The speaker handles this family in MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760 section 8)."""

    family: Family


@dataclass(frozen=True, slots=True)
class RouteRefreshSupport:
    """The speaker answers ROUTE-REFRESH (RFC 2918)."""


@dataclass(frozen=True, slots=True)
class ExtendedNextHop:
    """The speaker takes next hops of another address family, for each of these (RFC 8950 section 4)."""

    next_hops: tuple[tuple[Family, int], ...]
    """The family of the prefixes, and the AFI that their next hop may be of."""


@dataclass(frozen=True, slots=True)
class ExtendedMessage:
    """The speaker takes messages of up to 65535 octets (RFC 8654)."""


@dataclass(frozen=True, slots=True)
class BgpRole:
    """What the speaker is to the other one (RFC 9234); a number where no RFC has named it."""

    role: int


@dataclass(frozen=True, slots=True)
class GracefulRestart:
    """How the speaker restarts (RFC 4724 section 3); without a family: it can only help others to do so."""

    restart_time: int
    has_restarted: bool = False
    keeps_on_notification: bool = False
    """Also a NOTIFICATION, except a hard reset, leaves routes standing (RFC 8538)."""
    families: tuple[tuple[Family, bool], ...] = ()
    """And whether the speaker still forwards what it advertised in it before."""


@dataclass(frozen=True, slots=True)
class FourOctetAs:
    """The speaker's true AS number, and that it writes AS_PATH in four octets (RFC 6793)."""

    asn: int


@dataclass(frozen=True, slots=True)
class EnhancedRouteRefresh:
    """The speaker wants the answer to ROUTE-REFRESH bracketed (RFC 7313)."""


@dataclass(frozen=True, slots=True)
class UnknownCapability:
    """One that we do not use. RFC 5492 section 3: it is ignored, not refused."""

    code: int
    value: bytes


Capability: TypeAlias = (
    Multiprotocol
    | RouteRefreshSupport
    | ExtendedNextHop
    | ExtendedMessage
    | BgpRole
    | GracefulRestart
    | FourOctetAs
    | EnhancedRouteRefresh
    | UnknownCapability
)


def code_of(capability: Capability) -> int:
    match capability:
        case Multiprotocol():
            return CapabilityCode.MULTIPROTOCOL
        case RouteRefreshSupport():
            return CapabilityCode.ROUTE_REFRESH
        case ExtendedNextHop():
            return CapabilityCode.EXTENDED_NEXT_HOP
        case ExtendedMessage():
            return CapabilityCode.EXTENDED_MESSAGE
        case BgpRole():
            return CapabilityCode.ROLE
        case GracefulRestart():
            return CapabilityCode.GRACEFUL_RESTART
        case FourOctetAs():
            return CapabilityCode.FOUR_OCTET_AS
        case EnhancedRouteRefresh():
            return CapabilityCode.ENHANCED_ROUTE_REFRESH
        case UnknownCapability(code):
            return code


def encode_capability(capability: Capability) -> bytes:
    value = _encode_value(capability)
    return bytes((code_of(capability), len(value))) + value


def _encode_value(capability: Capability) -> bytes:
    match capability:
        case Multiprotocol(Family(afi, safi)):
            return struct.pack(">HBB", afi, 0, safi)
        case ExtendedNextHop(next_hops):
            return b"".join(struct.pack(">HHH", *family, afi) for family, afi in next_hops)
        case BgpRole(role):
            return bytes((role,))
        case GracefulRestart(restart_time, has_restarted, keeps_on_notification, families):
            flags = has_restarted * _RESTARTED | keeps_on_notification * _NOTIFICATION_SUPPORT
            return struct.pack(">H", flags | restart_time) + b"".join(
                struct.pack(">HBB", *family, is_preserved * _FORWARDING_PRESERVED)
                for family, is_preserved in families
            )
        case FourOctetAs(asn):
            return asn.to_bytes(4, "big")
        case UnknownCapability(_, value):
            return value
        case RouteRefreshSupport() | ExtendedMessage() | EnhancedRouteRefresh():
            return b""


def decode_capabilities(cursor: Cursor) -> Iterable[Capability]:
    """The capabilities of one optional parameter."""
    while cursor:
        code = cursor.u8()
        with cursor.limit(cursor.u8()) as value:
            yield _decode_value(code, value)


_WITHOUT_VALUE: dict[int, Capability] = {
    CapabilityCode.ROUTE_REFRESH: RouteRefreshSupport(),
    CapabilityCode.EXTENDED_MESSAGE: ExtendedMessage(),
    CapabilityCode.ENHANCED_ROUTE_REFRESH: EnhancedRouteRefresh(),
}


def _decode_value(code: int, value: Cursor) -> Capability:
    match code:
        case CapabilityCode.MULTIPROTOCOL:
            afi, _reserved, safi = value.u16(), value.u8(), value.u8()
            return Multiprotocol(Family(afi, safi))
        case (
            CapabilityCode.ROUTE_REFRESH
            | CapabilityCode.EXTENDED_MESSAGE
            | CapabilityCode.ENHANCED_ROUTE_REFRESH
        ):
            # They have no value. One that comes all the same is no reason to refuse a session.
            value.rest()
            return _WITHOUT_VALUE[code]
        case CapabilityCode.EXTENDED_NEXT_HOP:
            return ExtendedNextHop(tuple(_decode_next_hops(value)))
        case CapabilityCode.ROLE:
            return BgpRole(value.u8())
        case CapabilityCode.GRACEFUL_RESTART:
            return _decode_graceful_restart(value)
        case CapabilityCode.FOUR_OCTET_AS:
            return FourOctetAs(value.u32())
        case _:
            return UnknownCapability(code, value.rest())


def _decode_next_hops(value: Cursor) -> Iterable[tuple[Family, int]]:
    while value:
        # The subsequent address family has two octets here, alone of all its places.
        yield Family(value.u16(), value.u16()), value.u16()


def _decode_graceful_restart(value: Cursor) -> GracefulRestart:
    head = value.u16()
    families: list[tuple[Family, bool]] = []
    while value:
        family, flags = Family(value.u16(), value.u8()), value.u8()
        families.append((family, bool(flags & _FORWARDING_PRESERVED)))
    return GracefulRestart(
        head & RESTART_TIME_MAX,
        bool(head & _RESTARTED),
        bool(head & _NOTIFICATION_SUPPORT),
        tuple(families),
    )
