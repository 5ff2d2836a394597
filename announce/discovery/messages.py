"""Router solicitations and advertisements (RFC 4861 sections 4.1 and 4.2), as far as finding a router takes.

Of what they say nothing is of interest but that they were sent, and by whom: prefixes and lifetimes are the kernel's
business. The kernel has checked the checksum of what a raw socket yields, and fills it in on what is sent.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from ipaddress import IPv6Address

ALL_NODES = IPv6Address("ff02::1")
ALL_ROUTERS = IPv6Address("ff02::2")
HOP_LIMIT = 255
"""Of every message of neighbor discovery: one that crossed a router has less, and is not believed."""

_HEADER = struct.Struct("!BBH")
_FIXED_OCTETS = {133: 8, 134: 16}
_OPTION_UNIT = 8
_SOURCE_LINK_LAYER = 1


class MalformedMessage(ValueError):
    """The sender's. Nothing of the message may be believed."""


class MessageType(IntEnum):
    SOLICITATION = 133
    ADVERTISEMENT = 134


def decode(message: bytes, source: IPv6Address, hop_limit: int) -> MessageType:
    """Which of the two it is; sections 6.1.1 and 6.1.2 say what makes it valid. Raises only MalformedMessage."""
    if len(message) < _HEADER.size:
        raise MalformedMessage("cut off")
    kind, code, _ = _HEADER.unpack_from(message)
    if kind not in _FIXED_OCTETS:
        raise MalformedMessage(f"type {kind} is none of router discovery")
    if hop_limit != HOP_LIMIT:
        raise MalformedMessage(f"a hop limit of {hop_limit}: it comes from another link")
    if code != 0:
        raise MalformedMessage(f"code {code}")
    if len(message) < _FIXED_OCTETS[kind]:
        raise MalformedMessage("cut off")
    if kind == MessageType.ADVERTISEMENT and not source.is_link_local:
        raise MalformedMessage(f"advertised by {source}, which is no link-local address")
    _check_options(message, _FIXED_OCTETS[kind])
    return MessageType(kind)


def _check_options(message: bytes, offset: int) -> None:
    while offset < len(message):
        if len(message) - offset < _OPTION_UNIT:
            raise MalformedMessage("an option is cut off")
        octets = message[offset + 1] * _OPTION_UNIT
        if not 0 < octets <= len(message) - offset:
            raise MalformedMessage(f"an option claims {octets} octets")
        offset += octets


def encode_solicitation(mac: bytes) -> bytes:
    return _HEADER.pack(MessageType.SOLICITATION, 0, 0) + bytes(4) + _link_layer(mac)


def encode_advertisement(mac: bytes) -> bytes:
    """No hop limit, no flags, no lifetime, no prefixes: it says that this node is here, and nothing else."""
    return _HEADER.pack(MessageType.ADVERTISEMENT, 0, 0) + bytes(12) + _link_layer(mac)


def _link_layer(mac: bytes) -> bytes:
    """The option Source Link-Layer Address, on links whose addresses are those of Ethernet."""
    return bytes([_SOURCE_LINK_LAYER, 1]) + mac if len(mac) == 6 else b""
