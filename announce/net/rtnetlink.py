"""The messages of rtnetlink that swimlb needs: links, addresses, local routes and neighbours, in bytes (rtnetlink(7), RFC 3549).

Pure: the sockets are in `links`, `addresses` and `daisy_chain`. All numbers are in the byte order of the host.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import TypeAlias

from announce.net.netlink import (
    NLM_F_ACK,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    NLMSG_OVERRUN,
    Acknowledgement,
    NetlinkError,
    attribute,
    attributes_in,
    errno_in,
    frames,
    message,
    unpack,
)

AF_INET, AF_INET6 = 2, 10

_RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK = 16, 17, 18
_RTM_NEWADDR, _RTM_DELADDR, _RTM_GETADDR = 20, 21, 22
_RTM_NEWROUTE, _RTM_DELROUTE = 24, 25
_RTM_NEWNEIGH, _RTM_DELNEIGH, _RTM_GETNEIGH = 28, 29, 30
_NLM_F_DUMP_INTR = 0x10
_NLM_F_DUMP, _NLM_F_CREATE_EXCL, _NLM_F_CREATE_REPLACE = 0x300, 0x600, 0x500

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MASTER, _IFLA_WIRELESS = 1, 3, 10, 11
_IFA_ADDRESS, _IFA_LOCAL, _IFA_LABEL, _IFA_CACHEINFO, _IFA_FLAGS, _IFA_PROTO = 1, 2, 3, 6, 8, 11
_IFA_F_NODAD, _IFA_F_TENTATIVE = 0x02, 0x40
_RTA_DST, _RTA_OIF = 1, 4
_NDA_DST, _NDA_LLADDR, _NDA_PROTOCOL, _NUD_PERMANENT = 1, 2, 12, 0x80
_RT_TABLE_LOCAL, _RTN_LOCAL = 255, 2
_FOREVER = 0xFFFFFFFF
_SCOPE_HOST = 254

_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBi")
_ROUTE = struct.Struct("=8BI")
_NEIGHBOUR = struct.Struct("=BxxxiHBB")

GROUPS_OF_INTEREST = 0x1 | 0x10 | 0x100
"""RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR."""


class LinkFlag(IntFlag):
    """`IFF_*` of linux/if.h."""

    UP = 0x1
    BROADCAST = 0x2
    LOOPBACK = 0x8
    RUNNING = 0x40
    NOARP = 0x80
    LOWER_UP = 0x10000


_KNOWN_FLAGS = sum(LinkFlag)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkMessage:
    """RTM_NEWLINK or RTM_DELLINK."""

    is_removal: bool
    index: int
    name: str
    flags: LinkFlag
    mac: bytes
    master: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressMessage:
    """RTM_NEWADDR or RTM_DELADDR."""

    is_removal: bool
    index: int
    address: IPv4Interface | IPv6Interface
    label: str
    protocol: int
    """IFA_PROTO: who put the address there; 0 when nobody said."""
    is_tentative: bool = False
    """IFA_F_TENTATIVE: the kernel has not found yet that nobody else has it (RFC 4862 section 5.4), or found that somebody has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourMessage:
    """RTM_NEWNEIGH, of an IPv6 address."""

    index: int
    address: IPv6Address
    mac: bytes
    protocol: int
    """NDA_PROTOCOL: who put it there; 0 when nobody said."""


@dataclass(frozen=True, slots=True)
class DumpInterrupted:
    """NLM_F_DUMP_INTR, on any message of a dump: something has changed since the one before, and the dump may miss what has not.

    It has to be made again. Later messages of it do not say so any more, and its end does not either.
    """

    sequence: int


@dataclass(frozen=True, slots=True)
class DumpDone:
    """NLMSG_DONE."""

    sequence: int
    errno: int


Message: TypeAlias = (
    LinkMessage | AddressMessage | NeighbourMessage | Acknowledgement | DumpInterrupted | DumpDone
)


def parse(datagram: bytes) -> list[Message]:
    """The messages of one datagram; kinds that are of no interest are left out. Raises only NetlinkError."""
    return list(_messages(datagram))


def dump_links(sequence: int) -> bytes:
    return message(_RTM_GETLINK, NLM_F_REQUEST | _NLM_F_DUMP, sequence, _LINK.pack(0, 0, 0, 0, 0))


def dump_addresses(sequence: int, index: int = 0) -> bytes:
    """Of all interfaces; of one, where the socket has NETLINK_GET_STRICT_CHK."""
    return message(_RTM_GETADDR, NLM_F_REQUEST | _NLM_F_DUMP, sequence, _ADDRESS.pack(0, 0, 0, 0, index))


def add_address(
    sequence: int, index: int, address: IPv4Address | IPv6Address, label: str, protocol: int
) -> bytes:
    """Ask for a host address that the kernel accepts packets for but prefers not to speak from."""
    flags = NLM_F_REQUEST | NLM_F_ACK | _NLM_F_CREATE_EXCL
    attributes = [(_IFA_PROTO, bytes([protocol])), (_IFA_FLAGS, struct.pack("=I", _IFA_F_NODAD))]
    if isinstance(address, IPv6Address):
        # Deprecated from the start (preferred for 0 s, valid for ever): never chosen as a source by itself.
        attributes.append((_IFA_CACHEINFO, struct.pack("=IIII", 0, _FOREVER, 0, 0)))
    return message(_RTM_NEWADDR, flags, sequence, _address_payload(index, address, label, attributes))


def remove_address(sequence: int, index: int, address: IPv4Address | IPv6Address, label: str) -> bytes:
    """An IPv4 address is removed only if it carries the label; the kernel has no such check for IPv6."""
    payload = _address_payload(index, address, label, [])
    return message(_RTM_DELADDR, NLM_F_REQUEST | NLM_F_ACK, sequence, payload)


def add_local_route(sequence: int, index: int, address: IPv6Address, protocol: int) -> bytes:
    """Ask for packets to an address to be this host's own, marked with the protocol."""
    flags = NLM_F_REQUEST | NLM_F_ACK | _NLM_F_CREATE_EXCL
    return message(_RTM_NEWROUTE, flags, sequence, _local_route_payload(index, address, protocol))


def remove_local_route(sequence: int, index: int, address: IPv6Address, protocol: int) -> bytes:
    """Only the one with that protocol: the kernel has its own for each address of an interface."""
    flags = NLM_F_REQUEST | NLM_F_ACK
    return message(_RTM_DELROUTE, flags, sequence, _local_route_payload(index, address, protocol))


def dump_neighbours(sequence: int) -> bytes:
    """Of IPv6, on all interfaces."""
    payload = _NEIGHBOUR.pack(AF_INET6, 0, 0, 0, 0)
    return message(_RTM_GETNEIGH, NLM_F_REQUEST | _NLM_F_DUMP, sequence, payload)


def put_neighbour(sequence: int, index: int, address: IPv6Address, mac: bytes, protocol: int) -> bytes:
    """Ask for the address to be at the MAC on that interface, for good, whatever was known of it, marked with the protocol."""
    flags = NLM_F_REQUEST | NLM_F_ACK | _NLM_F_CREATE_REPLACE
    attributes = [(_NDA_LLADDR, mac), (_NDA_PROTOCOL, bytes([protocol]))]
    return message(_RTM_NEWNEIGH, flags, sequence, _neighbour_payload(index, address, attributes))


def remove_neighbour(sequence: int, index: int, address: IPv6Address) -> bytes:
    flags = NLM_F_REQUEST | NLM_F_ACK
    return message(_RTM_DELNEIGH, flags, sequence, _neighbour_payload(index, address, []))


def _neighbour_payload(index: int, address: IPv6Address, more: list[tuple[int, bytes]]) -> bytes:
    header = _NEIGHBOUR.pack(AF_INET6, index, _NUD_PERMANENT, 0, 0)
    attributes = [(_NDA_DST, address.packed), *more]
    return header + b"".join(attribute(kind, value) for kind, value in attributes)


def _local_route_payload(index: int, address: IPv6Address, protocol: int) -> bytes:
    header = _ROUTE.pack(AF_INET6, 128, 0, 0, _RT_TABLE_LOCAL, protocol, 0, _RTN_LOCAL, 0)
    attributes = ((_RTA_DST, address.packed), (_RTA_OIF, struct.pack("=I", index)))
    return header + b"".join(attribute(kind, value) for kind, value in attributes)


def _address_payload(
    index: int, address: IPv4Address | IPv6Address, label: str, more: list[tuple[int, bytes]]
) -> bytes:
    if isinstance(address, IPv4Address):
        # Scope "host" keeps the kernel from choosing the address for connections of its own.
        header = _ADDRESS.pack(AF_INET, 32, 0, _SCOPE_HOST, index)
        more = [*more, (_IFA_LABEL, label.encode() + b"\0")]
    else:
        header = _ADDRESS.pack(AF_INET6, 128, 0, 0, index)
    attributes = [(_IFA_LOCAL, address.packed), (_IFA_ADDRESS, address.packed), *more]
    return header + b"".join(attribute(kind, value) for kind, value in attributes)


def _messages(datagram: bytes) -> Iterator[Message]:
    for kind, flags, sequence, payload in frames(datagram):
        if flags & _NLM_F_DUMP_INTR:
            yield DumpInterrupted(sequence)
        decoded = _decode(kind, sequence, payload)
        if decoded is not None:
            yield decoded


def _decode(kind: int, sequence: int, payload: bytes) -> Message | None:
    if kind in (_RTM_NEWLINK, _RTM_DELLINK):
        return _decode_link(kind == _RTM_DELLINK, payload)
    if kind in (_RTM_NEWADDR, _RTM_DELADDR):
        return _decode_address(kind == _RTM_DELADDR, payload)
    if kind == _RTM_NEWNEIGH:
        return _decode_neighbour(payload)
    if kind == NLMSG_ERROR:
        return Acknowledgement(sequence, errno_in(payload))
    if kind == NLMSG_DONE:
        return DumpDone(sequence, errno_in(payload) if payload else 0)
    if kind == NLMSG_OVERRUN:
        raise NetlinkError("the kernel has lost messages")
    return None


def _decode_link(is_removal: bool, payload: bytes) -> LinkMessage | None:
    family, _, index, flags, _ = unpack(_LINK, payload)
    if family != 0:
        return None  # A bridge's notice about one of its ports (AF_BRIDGE), not about the link itself.
    attributes = attributes_in(payload[_LINK.size :])
    if _IFLA_WIRELESS in attributes:
        return None  # An event of a radio, in the shape of a link message that lacks nearly all of the link.
    return LinkMessage(
        is_removal=is_removal,
        index=index,
        name=_text(attributes.get(_IFLA_IFNAME, b"")),
        flags=LinkFlag(flags & _KNOWN_FLAGS),
        mac=attributes.get(_IFLA_ADDRESS, b""),
        master=_u32(attributes[_IFLA_MASTER]) if _IFLA_MASTER in attributes else None,
    )


def _decode_address(is_removal: bool, payload: bytes) -> AddressMessage | None:
    family, prefix_length, flags, _, index = unpack(_ADDRESS, payload)
    attributes = attributes_in(payload[_ADDRESS.size :])
    # On a point-to-point link IFA_ADDRESS is the other end, and IFA_LOCAL ours; IPv6 has mostly IFA_ADDRESS alone.
    packed = attributes.get(_IFA_LOCAL, attributes.get(_IFA_ADDRESS, b""))
    if (family, len(packed)) not in ((AF_INET, 4), (AF_INET6, 16)):
        return None
    if prefix_length > len(packed) * 8:
        raise NetlinkError(f"an address has a prefix length of {prefix_length}")
    interface = IPv4Interface if family == AF_INET else IPv6Interface
    return AddressMessage(
        is_removal=is_removal,
        index=index,
        address=interface((packed, prefix_length)),
        label=_text(attributes.get(_IFA_LABEL, b"")),
        protocol=_octet(attributes.get(_IFA_PROTO, b"")),
        is_tentative=bool(flags & _IFA_F_TENTATIVE),
    )


def _decode_neighbour(payload: bytes) -> NeighbourMessage | None:
    family, index, _, _, _ = unpack(_NEIGHBOUR, payload)
    attributes = attributes_in(payload[_NEIGHBOUR.size :])
    packed = attributes.get(_NDA_DST, b"")
    if (family, len(packed)) != (AF_INET6, 16):
        return None
    return NeighbourMessage(
        index=index,
        address=IPv6Address(packed),
        mac=attributes.get(_NDA_LLADDR, b""),
        protocol=_octet(attributes.get(_NDA_PROTOCOL, b"")),
    )


def _octet(value: bytes) -> int:
    """0 where there is none."""
    return value[0] if value else 0


def _u32(value: bytes) -> int:
    if len(value) != 4:
        raise NetlinkError("a number has the wrong size")
    return int.from_bytes(value, sys.byteorder)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")
