"""The five BGP messages, typed, and their octets (RFC 4271 section 4, RFC 2918).

Decoders take a message body whose length and type `framing` has already checked. They raise `NotificationError`
and nothing else.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address
from typing import TypeAlias

from announce.bgp.attribute_decoding import decode_attributes
from announce.bgp.attributes import PathAttributes, encode_attributes
from announce.bgp.capabilities import (
    AS_TRANS,
    Capability,
    ExtendedMessage,
    FourOctetAs,
    GracefulRestart,
    Multiprotocol,
    decode_capabilities,
    encode_capability,
)
from announce.bgp.cursor import Cursor
from announce.bgp.errors import (
    CeaseError,
    ErrorCode,
    NotificationError,
    OpenError,
    RouteRefreshError,
    UpdateError,
    describe,
)
from announce.bgp.nlri import IPV4_UNICAST, Afi, Family, Prefixes

MARKER = b"\xff" * 16
HEADER_OCTETS = 19
TYPE_AT = 18
"""Where the octet of its type is in a message."""
MESSAGE_OCTETS_MAX = 4096
EXTENDED_OCTETS_MAX = 65535
"""Where both sides have the capability ExtendedMessage (RFC 8654)."""
VERSION = 4


class MessageType(IntEnum):
    OPEN = 1
    UPDATE = 2
    NOTIFICATION = 3
    KEEPALIVE = 4
    ROUTE_REFRESH = 5


@dataclass(frozen=True, slots=True)
class Open:
    """RFC 4271 section 4.2."""

    asn: int
    """The true AS number: of the capability where there is one, else of the 2-octet field."""
    hold_time: int
    identifier: IPv4Address
    capabilities: tuple[Capability, ...] = ()

    @property
    def is_four_octet_as(self) -> bool:
        return any(isinstance(capability, FourOctetAs) for capability in self.capabilities)

    @property
    def has_extended_messages(self) -> bool:
        return any(isinstance(capability, ExtendedMessage) for capability in self.capabilities)

    @property
    def graceful_restart(self) -> GracefulRestart | None:
        """RFC 4724 section 3: of several, the last one counts."""
        several = [it for it in self.capabilities if isinstance(it, GracefulRestart)]
        return several[-1] if several else None

    @property
    def families(self) -> frozenset[Family]:
        """A speaker that names no family means IPv4 unicast."""
        named = [
            capability.family for capability in self.capabilities if isinstance(capability, Multiprotocol)
        ]
        return frozenset(named or [IPV4_UNICAST])


@dataclass(frozen=True, slots=True)
class Update:
    """RFC 4271 section 4.3."""

    withdrawn: Prefixes = Prefixes(Afi.IPV4)  # noqa: RUF009 - frozen.
    attributes: PathAttributes = PathAttributes()  # noqa: RUF009 - frozen.
    nlri: Prefixes = Prefixes(Afi.IPV4)  # noqa: RUF009 - frozen.
    fault: str | None = None
    """Why the announced routes are to be treated as withdrawn (RFC 7606); only in received messages."""

    @property
    def announced_count(self) -> int:
        reach = self.attributes.mp_reach
        return 0 if self.fault else len(self.nlri) + (len(reach.nlri) if reach else 0)

    @property
    def withdrawn_count(self) -> int:
        unreach = self.attributes.mp_unreach
        return len(self.withdrawn) + (len(unreach.withdrawn) if unreach else 0)


@dataclass(frozen=True, slots=True)
class Notification:
    """RFC 4271 section 4.5: the last message of a session, which says why."""

    code: int
    subcode: int
    data: bytes = b""

    @classmethod
    def answering(cls, error: NotificationError) -> Notification:
        return cls(error.code, error.subcode, error.data)

    @classmethod
    def shutdown(cls, communication: str = "") -> Notification:
        """Administrative Shutdown with a text for the operator of the other side (RFC 9003)."""
        text = communication.encode()[:255].decode(errors="ignore").encode()
        data = bytes((len(text),)) + text if text else b""
        return cls(ErrorCode.CEASE, CeaseError.ADMINISTRATIVE_SHUTDOWN, data)

    @classmethod
    def cease(cls, subcode: CeaseError) -> Notification:
        return cls(ErrorCode.CEASE, subcode)

    @classmethod
    def prefix_limit(cls, family: Family, prefixes_max: int) -> Notification:
        """RFC 4486 section 4."""
        data = struct.pack(">HBI", *family, prefixes_max)
        return cls(ErrorCode.CEASE, CeaseError.MAXIMUM_NUMBER_OF_PREFIXES_REACHED, data)

    def as_hard_reset(self) -> Notification:
        """The same, but the peer shall keep no routes (RFC 8538 section 3.1)."""
        data = bytes((self.code, self.subcode)) + self.data
        return Notification(ErrorCode.CEASE, CeaseError.HARD_RESET, data)

    @property
    def cause(self) -> Notification:
        """What a hard reset encloses; else the message itself."""
        if (self.code, self.subcode) != (ErrorCode.CEASE, CeaseError.HARD_RESET) or len(self.data) < 2:
            return self
        return Notification(self.data[0], self.data[1], self.data[2:])

    @property
    def communication(self) -> str:
        """The text that came with a shutdown or reset (RFC 9003); empty if there is none, or a broken one."""
        if self.code != ErrorCode.CEASE or self.subcode not in _CEASE_WITH_TEXT or not self.data:
            return ""
        length, text = self.data[0], self.data[1:]
        # It goes to logs and terminals: control characters of a stranger have no business there.
        return "".join(
            character if character.isprintable() else "?"
            for character in text[:length].decode(errors="replace")
        )

    def __str__(self) -> str:
        words = describe(self.code, self.subcode)
        if (cause := self.cause) is not self:
            # One level is all that RFC 8538 has: the peer may nest them as deep as the message is long.
            words += f": {describe(cause.code, cause.subcode)}"
        return f"{words} ({cause.communication})" if cause.communication else words


_CEASE_WITH_TEXT = (CeaseError.ADMINISTRATIVE_SHUTDOWN, CeaseError.ADMINISTRATIVE_RESET)


@dataclass(frozen=True, slots=True)
class Keepalive:
    """RFC 4271 section 4.4."""


BEGIN_OF_REFRESH = 1
END_OF_REFRESH = 2


@dataclass(frozen=True, slots=True)
class RouteRefresh:
    """The peer asks for all routes of a family again (RFC 2918)."""

    family: Family
    subtype: int = 0
    """Not 0: the brackets of enhanced route refresh (RFC 7313), which ask for nothing."""


Message: TypeAlias = Open | Update | Notification | Keepalive | RouteRefresh


def frame(kind: MessageType, body: bytes = b"") -> bytes:
    """Put the header before a body."""
    length = HEADER_OCTETS + len(body)
    assert length <= EXTENDED_OCTETS_MAX, f"{kind.name} of {length} octets"
    return MARKER + struct.pack(">HB", length, kind) + body


def encode(message: Message, *, four_octet_as: bool = True) -> bytes:
    """The whole message with header. The caller keeps it within what the peer takes."""
    match message:
        case Open():
            return frame(MessageType.OPEN, _encode_open(message))
        case Update(withdrawn, attributes, nlri):
            path = encode_attributes(attributes, four_octet_as=four_octet_as)
            return encode_update(withdrawn.octets, path, nlri.octets)
        case Notification(code, subcode, data):
            room = MESSAGE_OCTETS_MAX - HEADER_OCTETS - 2
            return frame(MessageType.NOTIFICATION, bytes((code, subcode)) + data[:room])
        case Keepalive():
            return frame(MessageType.KEEPALIVE)
        case RouteRefresh(Family(afi, safi), subtype):
            return frame(MessageType.ROUTE_REFRESH, struct.pack(">HBB", afi, subtype, safi))


def encode_update(withdrawn: bytes = b"", attributes: bytes = b"", nlri: bytes = b"") -> bytes:
    """An UPDATE of fields that are encoded already."""
    lengths = len(withdrawn).to_bytes(2, "big"), len(attributes).to_bytes(2, "big")
    return frame(MessageType.UPDATE, lengths[0] + withdrawn + lengths[1] + attributes + nlri)


def _encode_open(message: Open) -> bytes:
    my_as = message.asn if message.asn <= 0xFFFF else AS_TRANS
    capabilities = b"".join(map(encode_capability, message.capabilities))
    parameters = bytes((_CAPABILITIES, len(capabilities))) + capabilities if capabilities else b""
    fixed = struct.pack(">BHH", VERSION, my_as, message.hold_time) + message.identifier.packed
    return fixed + bytes((len(parameters),)) + parameters


_CAPABILITIES = 2
_EXTENDED = 255


def decode_message(kind: MessageType, body: bytes, *, four_octet_as: bool = True) -> Message:
    match kind:
        case MessageType.OPEN:
            return decode_open(body)
        case MessageType.UPDATE:
            return decode_update(body, four_octet_as=four_octet_as)
        case MessageType.NOTIFICATION:
            return Notification(body[0], body[1], body[2:])
        case MessageType.KEEPALIVE:
            return Keepalive()
        case MessageType.ROUTE_REFRESH:
            return decode_route_refresh(body)


def decode_open(body: bytes) -> Open:
    """What can be refused without knowing what the operator expects; the rest is the FSM's."""
    cursor = Cursor(body, OpenError.UNSPECIFIC)
    version = cursor.u8()
    if version != VERSION:
        raise NotificationError(
            OpenError.UNSUPPORTED_VERSION_NUMBER, f"version {version}", VERSION.to_bytes(2, "big")
        )
    my_as, hold_time, identifier = cursor.u16(), cursor.u16(), cursor.ipv4()
    capabilities = _decode_parameters(cursor)
    true_asns = [capability.asn for capability in capabilities if isinstance(capability, FourOctetAs)]
    return Open(true_asns[0] if true_asns else my_as, hold_time, identifier, capabilities)


def _decode_parameters(cursor: Cursor) -> tuple[Capability, ...]:
    length, width = cursor.u8(), 1
    if length and cursor.peek() == _EXTENDED:
        # RFC 9072 section 2: told by the first type alone; the length before it "MUST be ignored" then.
        _, length, width = cursor.u8(), cursor.u16(), 2
    capabilities: list[Capability] = []
    with cursor, cursor.limit(length) as parameters:
        while parameters:
            kind = parameters.u8()
            with parameters.limit(int.from_bytes(parameters.take(width), "big")) as value:
                if kind != _CAPABILITIES:
                    raise NotificationError(OpenError.UNSUPPORTED_OPTIONAL_PARAMETER, f"parameter {kind}")
                capabilities.extend(decode_capabilities(value))
    return tuple(capabilities)


def decode_update(body: bytes, *, four_octet_as: bool) -> Update:
    """RFC 4271 section 6.3 as revised by RFC 7606."""
    cursor = Cursor(body, UpdateError.MALFORMED_ATTRIBUTE_LIST)
    withdrawn = _ipv4_prefixes(cursor.take(cursor.u16()))
    decoded = decode_attributes(cursor.take(cursor.u16()), four_octet_as=four_octet_as)
    nlri = _ipv4_prefixes(cursor.rest())
    fault = decoded.fault or _missing(decoded.attributes, has_nlri=bool(nlri))
    return Update(withdrawn, decoded.attributes, nlri, fault)


def _ipv4_prefixes(octets: bytes) -> Prefixes:
    try:
        return Prefixes(Afi.IPV4, octets)
    except ValueError as problem:
        raise NotificationError(UpdateError.INVALID_NETWORK_FIELD, str(problem)) from problem


def _missing(attributes: PathAttributes, *, has_nlri: bool) -> str | None:
    """RFC 7606 section 3 (d): routes without a mandatory attribute are treated as withdrawn."""
    if not has_nlri and attributes.mp_reach is None:
        return None
    if attributes.origin is None:
        return "ORIGIN is missing"
    if attributes.as_path is None:
        return "AS_PATH is missing"
    if has_nlri and attributes.next_hop is None:
        return "NEXT_HOP is missing"
    return None


def decode_route_refresh(body: bytes) -> RouteRefresh:
    """RFC 2918 section 3; what follows a plain request are filters of RFC 5291, which we never offer."""
    cursor = Cursor(body, RouteRefreshError.INVALID_MESSAGE_LENGTH)
    afi, subtype, safi = cursor.u16(), cursor.u8(), cursor.u8()
    if cursor and subtype in (BEGIN_OF_REFRESH, END_OF_REFRESH):
        whole = frame(MessageType.ROUTE_REFRESH, body)
        raise NotificationError(
            RouteRefreshError.INVALID_MESSAGE_LENGTH, f"ROUTE-REFRESH of {len(whole)} octets", whole
        )
    return RouteRefresh(Family(afi, safi), subtype)
