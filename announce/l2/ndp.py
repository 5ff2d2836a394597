"""Neighbor discovery for IPv6 over Ethernet (RFC 4861): the codec, and the templates that make a reply cheap.

0      6      12     14        18        20     21      22     38     54     55     56      58      62       78
| dst  | src  | 86dd | version | payload | next | limit | from | to   | type | code | cksum | flags | target | options

Addresses stay packed, sixteen octets each: most messages are answered without ever looking into one.
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag
from ipaddress import IPv6Address
from typing import NamedTuple

from announce.l2.effects import DropReason
from announce.l2.errors import MalformedFrame
from announce.l2.macs import NOBODY, is_station

ETHERTYPE_IPV6 = 0x86DD
ALL_NODES = IPv6Address("ff02::1").packed
UNSPECIFIED = bytes(16)
TARGET = slice(62, 78)
"""Where a frame has the address that it is about."""

_ETHERTYPE = ETHERTYPE_IPV6.to_bytes(2, "big")
_FRAME = struct.Struct("!6s6sHIHBB16s16sBBHI16s")
_IP_HEADER_OCTETS, _ICMP_OFFSET, _ICMP_OCTETS = 40, 54, 24
_VERSION_6 = 0x6000_0000
_ICMPV6 = 58
_HOP_LIMIT = 255
_SOURCE_LINK_LAYER, _TARGET_LINK_LAYER = 1, 2
_OPTION_OCTETS = 8
"""A link-layer option with an Ethernet address, and the unit in which all options are measured."""
_SOLICITED_NODE_PREFIX = IPv6Address("ff02::1:ff00:0").packed[:13]
_MULTICAST_MAC_PREFIX = b"\x33\x33"


class MessageType(IntEnum):
    SOLICITATION = 135
    ADVERTISEMENT = 136


class Flag(IntFlag):
    """Of a neighbor advertisement. A solicitation has none."""

    ROUTER = 0x8000_0000
    SOLICITED = 0x4000_0000
    OVERRIDE = 0x2000_0000


class NdpFrame(NamedTuple):
    """A neighbor solicitation or advertisement together with its Ethernet and IPv6 headers."""

    destination: bytes
    source: bytes
    source_address: bytes
    destination_address: bytes
    message: MessageType
    flags: Flag
    target: bytes
    link_layer: bytes | None
    """The source's address in a solicitation, the target's in an advertisement; None: the option is missing."""


def decode(frame: bytes) -> NdpFrame:
    """Read a frame and validate it (RFC 4861 sections 7.1.1 and 7.1.2); raises MalformedFrame with the reason."""
    if frame[12:14] != _ETHERTYPE:
        raise MalformedFrame(DropReason.NOT_NDP)
    if len(frame) < _FRAME.size:
        raise MalformedFrame(DropReason.TRUNCATED)
    destination, source, _, version, payload_octets, next_header, hop_limit, *addresses, kind, code, _, flags, target = (
        _FRAME.unpack_from(frame)
    )  # fmt: skip
    source_address, destination_address = addresses
    if version >> 28 != 6 or next_header != _ICMPV6 or not 135 <= kind <= 136:
        raise MalformedFrame(DropReason.NOT_NDP)
    # A packet from another network has passed a router, which has taken at least one off.
    if hop_limit != _HOP_LIMIT:
        raise MalformedFrame(DropReason.HOP_LIMIT)
    icmp = frame[_ICMP_OFFSET : _ICMP_OFFSET + payload_octets]
    if not _ICMP_OCTETS <= payload_octets == len(icmp):
        raise MalformedFrame(DropReason.TRUNCATED)
    if _sum(source_address + destination_address, payload_octets, icmp):
        raise MalformedFrame(DropReason.CHECKSUM)
    if code != 0:
        raise MalformedFrame(DropReason.CODE)
    if target[0] == 0xFF:
        raise MalformedFrame(DropReason.TARGET)
    message = MessageType(kind)
    is_solicitation = message is MessageType.SOLICITATION
    link_layer = _link_layer(icmp, _SOURCE_LINK_LAYER if is_solicitation else _TARGET_LINK_LAYER)
    if is_solicitation:
        _check_source(source_address, destination_address, link_layer)
        if link_layer is None and not is_station(source):
            raise MalformedFrame(DropReason.SENDER_MAC)
    elif flags & Flag.SOLICITED and destination_address[0] == 0xFF:
        raise MalformedFrame(DropReason.SOLICITED_FLAG)
    return NdpFrame(
        destination,
        source,
        source_address,
        destination_address,
        message,
        Flag(0) if is_solicitation else Flag(flags & 0xE000_0000),
        target,
        link_layer,
    )


def encode(frame: NdpFrame) -> bytes:
    """Write a frame."""
    options = b""
    if frame.link_layer is not None:
        is_solicitation = frame.message is MessageType.SOLICITATION
        kind = _SOURCE_LINK_LAYER if is_solicitation else _TARGET_LINK_LAYER
        options = bytes((kind, 1)) + frame.link_layer
    body = struct.pack("!BBHI", frame.message, 0, 0, frame.flags) + frame.target + options
    checksum = _checksum(_sum(frame.source_address + frame.destination_address, len(body), body))
    return b"".join(
        (
            frame.destination,
            frame.source,
            _ETHERTYPE,
            struct.pack("!IHBB", _VERSION_6, len(body), _ICMPV6, _HOP_LIMIT),
            frame.source_address,
            frame.destination_address,
            body[:2],
            checksum,
            body[4:],
        )
    )


def announcement(mac: bytes, address: IPv6Address) -> bytes:
    """The unsolicited advertisement that tells a LAN where an address is (RFC 4861 section 7.2.6).

    It also is the answer to a node that probes whether the address is in use: that one has no address to answer to.
    """
    return _advertisement(mac, address.packed, group_mac(ALL_NODES), ALL_NODES, Flag.OVERRIDE)


def probe(mac: bytes, address: IPv6Address) -> bytes:
    """Ask whether anybody has an address, without having one oneself (RFC 4862 section 5.4.2)."""
    group = solicited_node(address).packed
    return encode(
        NdpFrame(
            group_mac(group), mac, UNSPECIFIED, group, MessageType.SOLICITATION, Flag(0), address.packed, None
        )
    )


def solicitation(mac: bytes, source: IPv6Address, address: IPv6Address) -> bytes:
    """Ask who has an address, from one's own: the answer comes to this station alone (RFC 4861 section 7.2.2)."""
    group = solicited_node(address).packed
    return encode(
        NdpFrame(
            group_mac(group),
            mac,
            source.packed,
            group,
            MessageType.SOLICITATION,
            Flag(0),
            address.packed,
            mac,
        )
    )


def solicited_node(address: IPv6Address) -> IPv6Address:
    """The group that questions for an address are sent to (RFC 4291 section 2.7.1)."""
    return IPv6Address(_SOLICITED_NODE_PREFIX + address.packed[13:])


def group_mac(group: bytes) -> bytes:
    """The Ethernet address of a multicast group (RFC 2464 section 7)."""
    return _MULTICAST_MAC_PREFIX + group[12:]


class ReplyTemplate(NamedTuple):
    """What all answers to questions for one address share."""

    head: bytes
    """The octets 6 to 38."""
    tail: bytes
    """The octets from 58 on."""
    total: int
    """The checksum's sum without the destination."""


_REPLY_TYPE = bytes((MessageType.ADVERTISEMENT, 0))


def reply_template(mac: bytes, address: IPv6Address) -> ReplyTemplate:
    """Solicited, and overriding: the address is here and nowhere else, unlike one of a proxy."""
    sample = _advertisement(mac, address.packed, NOBODY, UNSPECIFIED, Flag.SOLICITED | Flag.OVERRIDE)
    return ReplyTemplate(sample[6:38], sample[58:], 0xFFFF - int.from_bytes(sample[56:58], "big"))


def reply(template: ReplyTemplate, destination: bytes, destination_address: bytes) -> bytes:
    """The answer to one neighbor; no group."""
    head, tail, total = template
    checksum = _checksum(total + int.from_bytes(destination_address, "big"))
    return b"".join((destination, head, destination_address, _REPLY_TYPE, checksum, tail))


def _advertisement(
    mac: bytes, target: bytes, destination: bytes, destination_address: bytes, flags: Flag
) -> bytes:
    # From the address itself, as Linux does: no other address of the interface has to exist.
    return encode(
        NdpFrame(destination, mac, target, destination_address, MessageType.ADVERTISEMENT, flags, target, mac)
    )


def _check_source(source_address: bytes, destination_address: bytes, link_layer: bytes | None) -> None:
    if source_address[0] == 0xFF:
        raise MalformedFrame(DropReason.SOURCE)
    if source_address == UNSPECIFIED and (
        link_layer is not None or not destination_address.startswith(_SOLICITED_NODE_PREFIX)
    ):
        raise MalformedFrame(DropReason.SOURCE)


def _link_layer(icmp: bytes, wanted: int) -> bytes | None:
    """The first option of a kind; every option's length is checked, whatever it is."""
    found: bytes | None = None
    offset = _ICMP_OCTETS
    while offset < len(icmp):
        # An option without a second octet has no length either.
        octets = icmp[offset + 1] * _OPTION_OCTETS if offset + 1 < len(icmp) else 0
        if octets == 0 or offset + octets > len(icmp):
            raise MalformedFrame(DropReason.OPTION)
        if icmp[offset] == wanted and found is None:
            if octets != _OPTION_OCTETS:
                raise MalformedFrame(DropReason.OPTION)
            found = icmp[offset + 2 : offset + _OPTION_OCTETS]
            if not is_station(found):
                raise MalformedFrame(DropReason.SENDER_MAC)
        offset += octets
    return found


def _sum(addresses: bytes, octets: int, icmp: bytes) -> int:
    """The sum of 16-bit words over pseudo-header and message (RFC 8200 section 8.1), 0 if a checksum in it is right.

    The ones' complement sum of words is the remainder of the whole as one number: 65536 leaves 1.
    """
    padded = icmp if octets % 2 == 0 else icmp + b"\0"
    return (int.from_bytes(addresses, "big") + octets + _ICMPV6 + int.from_bytes(padded, "big")) % 0xFFFF


def _checksum(total: int) -> bytes:
    return (-total % 0xFFFF).to_bytes(2, "big")
