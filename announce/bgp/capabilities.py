"""Capabilities, which two speakers tell each other in OPEN (RFC 5492)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from announce.bgp.cursor import Cursor
from announce.bgp.nlri import Family

AS_TRANS = 23456
"""What stands in a 2-octet field for an AS number that does not fit (RFC 6793)."""


class CapabilityCode(IntEnum):
    MULTIPROTOCOL = 1
    ROUTE_REFRESH = 2
    FOUR_OCTET_AS = 65


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
class FourOctetAs:
    """The speaker's true AS number, and that it writes AS_PATH in four octets (RFC 6793)."""

    asn: int


@dataclass(frozen=True, slots=True)
class UnknownCapability:
    """One that we do not use. RFC 5492 section 3: it is ignored, not refused."""

    code: int
    value: bytes


Capability: TypeAlias = Multiprotocol | RouteRefreshSupport | FourOctetAs | UnknownCapability


def encode_capability(capability: Capability) -> bytes:
    match capability:
        case Multiprotocol(Family(afi, safi)):
            code, value = CapabilityCode.MULTIPROTOCOL, afi.to_bytes(2, "big") + bytes((0, safi))
        case RouteRefreshSupport():
            code, value = CapabilityCode.ROUTE_REFRESH, b""
        case FourOctetAs(asn):
            code, value = CapabilityCode.FOUR_OCTET_AS, asn.to_bytes(4, "big")
        case UnknownCapability(code, value):
            pass
    return bytes((code, len(value))) + value


def decode_capabilities(cursor: Cursor) -> Iterable[Capability]:
    """The capabilities of one optional parameter."""
    while cursor:
        code = cursor.u8()
        with cursor.limit(cursor.u8()) as value:
            yield _decode_value(code, value)


def _decode_value(code: int, value: Cursor) -> Capability:
    match code:
        case CapabilityCode.MULTIPROTOCOL:
            afi, _reserved, safi = value.u16(), value.u8(), value.u8()
            return Multiprotocol(Family(afi, safi))
        case CapabilityCode.ROUTE_REFRESH:
            return RouteRefreshSupport()
        case CapabilityCode.FOUR_OCTET_AS:
            return FourOctetAs(value.u32())
        case _:
            return UnknownCapability(code, value.rest())
