"""Reading path attributes that a peer wrote, as RFC 7606 says.

A fault that leaves the prefixes of the message readable makes the routes in it invalid (*treat-as-withdraw*)
or the one attribute ignored (*attribute discard*). Only faults after which nobody can tell which prefixes are
meant end the session.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from announce.bgp.attributes import (
    FLAGS,
    AttributeType,
    Flag,
    MpReach,
    MpUnreach,
    Origin,
    PathAttributes,
    Segment,
    SegmentType,
)
from announce.bgp.cursor import Cursor
from announce.bgp.errors import NotificationError, UpdateError
from announce.bgp.nlri import Afi, Family, Prefixes


@dataclass(frozen=True, slots=True)
class DecodedAttributes:
    """What could be read, and the first fault that makes the routes of the message invalid, if any."""

    attributes: PathAttributes
    fault: str | None = None


class _TreatAsWithdraw(Exception):
    """The peer's attribute is broken and with it the routes of the message, but not the session."""


class _Discard(Exception):
    """The peer's attribute is broken and can be done without."""


def decode_attributes(octets: bytes, *, four_octet_as: bool) -> DecodedAttributes:
    """Raises NotificationError only where RFC 7606 still resets the session."""
    cursor = Cursor(octets, UpdateError.MALFORMED_ATTRIBUTE_LIST)
    attributes = PathAttributes()
    seen: set[int] = set()
    fault: str | None = None
    while cursor:
        try:
            flags, kind, value = _read_attribute(cursor)
        except NotificationError as short:
            # Section 4: the length of the attributes as a whole still says where the NLRI starts.
            fault = fault or short.reason
            break
        if kind in seen:
            _refuse_repeated_multiprotocol(kind)
            continue
        seen.add(kind)
        try:
            _check_flags(flags, kind, value)
            attributes = _with_attribute(attributes, kind, value, four_octet_as=four_octet_as)
        except _TreatAsWithdraw as problem:
            fault = fault or str(problem)
        except _Discard:
            pass
    return DecodedAttributes(attributes, fault)


def _read_attribute(cursor: Cursor) -> tuple[int, int, bytes]:
    flags, kind = cursor.u8(), cursor.u8()
    length = cursor.u16() if flags & Flag.EXTENDED_LENGTH else cursor.u8()
    return flags, kind, cursor.take(length)


def _refuse_repeated_multiprotocol(kind: int) -> None:
    """Section 3 (g): of other attributes that appear twice, the first one counts."""
    if kind in (AttributeType.MP_REACH_NLRI, AttributeType.MP_UNREACH_NLRI):
        raise NotificationError(
            UpdateError.MALFORMED_ATTRIBUTE_LIST, "a multiprotocol attribute appears twice"
        )


def _check_flags(flags: int, kind: int, value: bytes) -> None:
    """Section 3 (c) for attributes that we know, RFC 4271 section 6.3 for well-known ones that we do not."""
    expected = FLAGS.get(kind)
    if expected is None:
        if not flags & Flag.OPTIONAL:
            whole = struct.pack(">BBH", flags | Flag.EXTENDED_LENGTH, kind, len(value)) + value
            raise NotificationError(
                UpdateError.UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE, f"attribute {kind} is called well-known", whole
            )
    elif (flags ^ expected) & (Flag.OPTIONAL | Flag.TRANSITIVE):
        raise _TreatAsWithdraw(f"{AttributeType(kind).name} has flags {flags:#04x}")


def _with_attribute(
    attributes: PathAttributes, kind: int, value: bytes, *, four_octet_as: bool
) -> PathAttributes:
    match kind:
        case AttributeType.ORIGIN:
            return replace(attributes, origin=_origin(value))
        case AttributeType.AS_PATH:
            return replace(attributes, as_path=_path(value, 4 if four_octet_as else 2))
        case AttributeType.NEXT_HOP:
            return replace(attributes, next_hop=IPv4Address(_exactly(value, 4, "NEXT_HOP")))
        case AttributeType.MULTI_EXIT_DISC:
            return replace(attributes, med=int.from_bytes(_exactly(value, 4, "MULTI_EXIT_DISC"), "big"))
        case AttributeType.LOCAL_PREF:
            return replace(attributes, local_pref=int.from_bytes(_exactly(value, 4, "LOCAL_PREF"), "big"))
        case AttributeType.COMMUNITIES:
            items = struct.iter_unpack(">HH", _multiple(value, 4, "COMMUNITIES"))
            return replace(attributes, communities=tuple((high, low) for high, low in items))
        case AttributeType.LARGE_COMMUNITIES:
            large = struct.iter_unpack(">III", _multiple(value, 12, "LARGE_COMMUNITIES"))
            return replace(attributes, large_communities=tuple((a, b, c) for a, b, c in large))
        case AttributeType.ONLY_TO_CUSTOMER:
            asn = int.from_bytes(_exactly(value, 4, "ONLY_TO_CUSTOMER"), "big")
            return replace(attributes, only_to_customer=asn)
        case AttributeType.MP_REACH_NLRI:
            return replace(attributes, mp_reach=_mp_reach(value))
        case AttributeType.MP_UNREACH_NLRI:
            return replace(attributes, mp_unreach=_mp_unreach(value))
        case AttributeType.AS4_PATH:
            return attributes if four_octet_as else replace(attributes, as4_path=_as4_path(value))
        case _:
            return attributes


def _exactly(value: bytes, octets: int, name: str) -> bytes:
    if len(value) != octets:
        raise _TreatAsWithdraw(f"{name} has {len(value)} octets, not {octets}")
    return value


def _multiple(value: bytes, octets: int, name: str) -> bytes:
    if not value or len(value) % octets:
        raise _TreatAsWithdraw(f"{name} has {len(value)} octets, no multiple of {octets}")
    return value


def _origin(value: bytes) -> Origin:
    code = _exactly(value, 1, "ORIGIN")[0]
    try:
        return Origin(code)
    except ValueError:
        raise _TreatAsWithdraw(f"ORIGIN {code} is undefined") from None


def _path(value: bytes, width: int) -> tuple[Segment, ...]:
    cursor = Cursor(value, UpdateError.MALFORMED_AS_PATH)
    segments: list[Segment] = []
    try:
        while cursor:
            kind, count = SegmentType(cursor.u8()), cursor.u8()
            asns = tuple(int.from_bytes(cursor.take(width), "big") for _ in range(count))
            if not count:
                raise _TreatAsWithdraw("AS_PATH has an empty segment")
            segments.append(Segment(kind, asns))
    except (NotificationError, ValueError) as problem:
        raise _TreatAsWithdraw(f"AS_PATH: {problem}") from None
    return tuple(segments)


def _as4_path(value: bytes) -> tuple[Segment, ...]:
    """RFC 6793 section 6: a malformed one is ignored, AS_PATH still stands."""
    try:
        return _path(value, 4)
    except _TreatAsWithdraw as problem:
        raise _Discard from problem


def _mp_reach(value: bytes) -> MpReach:
    """RFC 4760 section 3. Its faults hide which prefixes are meant, so they end the session (RFC 7606, 3 (j))."""
    cursor = Cursor(value, UpdateError.OPTIONAL_ATTRIBUTE_ERROR)
    family = Family(cursor.u16(), cursor.u8())
    next_hop = cursor.take(cursor.u8())
    _reserved = cursor.u8()
    return MpReach(family, next_hop, _nlri(family, cursor.rest()))


def _mp_unreach(value: bytes) -> MpUnreach:
    cursor = Cursor(value, UpdateError.OPTIONAL_ATTRIBUTE_ERROR)
    family = Family(cursor.u16(), cursor.u8())
    return MpUnreach(family, _nlri(family, cursor.rest()))


def _nlri(family: Family, octets: bytes) -> Prefixes:
    try:
        return Prefixes(Afi(family.afi), octets)
    except ValueError as problem:
        # Other families are never negotiated, so that a peer has no business to send them.
        raise NotificationError(UpdateError.OPTIONAL_ATTRIBUTE_ERROR, f"{family}: {problem}") from problem
