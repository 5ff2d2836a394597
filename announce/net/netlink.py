"""What all kinds of netlink share: messages and their attributes, in bytes (netlink(7), RFC 3549 section 2.3).

Pure. All numbers are in the byte order of the host.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

NLMSG_ERROR, NLMSG_DONE, NLMSG_OVERRUN = 2, 3, 4
NLM_F_REQUEST, NLM_F_ACK = 0x1, 0x4

_ATTRIBUTE_TYPE_MASK = 0x3FFF  # NLA_TYPE_MASK: without the flags "nested" and "network byte order"

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ERRNO = struct.Struct("=i")


class NetlinkError(ValueError):
    """The kernel's, or ours: bytes that are no netlink message. Nothing of the datagram may be believed."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """NLMSG_ERROR: how a request went. `errno` is 0 for success."""

    sequence: int
    errno: int


def message(kind: int, flags: int, sequence: int, payload: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(payload), kind, flags, sequence, 0) + payload


def attribute(kind: int, value: bytes) -> bytes:
    octets = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(octets, kind) + value + bytes(-octets % 4)


def frames(datagram: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Kind, flags, sequence number and payload of each message. Raises NetlinkError."""
    offset = 0
    while offset < len(datagram):
        if len(datagram) - offset < _HEADER.size:
            raise NetlinkError("a header is cut off")
        octets, kind, flags, sequence, _ = _HEADER.unpack_from(datagram, offset)
        if not _HEADER.size <= octets <= len(datagram) - offset:
            raise NetlinkError(f"a message claims {octets} octets")
        yield kind, flags, sequence, datagram[offset + _HEADER.size : offset + octets]
        offset += octets + -octets % 4


def attributes_in(payload: bytes) -> dict[int, bytes]:
    """The last one of each type. Raises NetlinkError."""
    attributes: dict[int, bytes] = {}
    offset = 0
    while len(payload) - offset >= _ATTRIBUTE.size:
        octets, kind = _ATTRIBUTE.unpack_from(payload, offset)
        if not _ATTRIBUTE.size <= octets <= len(payload) - offset:
            raise NetlinkError(f"an attribute claims {octets} octets")
        attributes[kind & _ATTRIBUTE_TYPE_MASK] = payload[offset + _ATTRIBUTE.size : offset + octets]
        offset += octets + -octets % 4
    return attributes


def unpack(layout: struct.Struct, payload: bytes) -> tuple[int, ...]:
    """The fields at the beginning. Raises NetlinkError."""
    if len(payload) < layout.size:
        raise NetlinkError("a message is cut off")
    return layout.unpack_from(payload)


def errno_in(payload: bytes) -> int:
    """Of NLMSG_ERROR and NLMSG_DONE."""
    (errno,) = unpack(_ERRNO, payload)
    return -errno
