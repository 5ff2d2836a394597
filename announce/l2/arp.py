"""ARP for IPv4 over Ethernet (RFC 826): the codec, and the templates that make a reply cheap.

0      6      12     14     16     18  19  20     22     28     32     38     42          60
| dst  | src  | 0806 | htype| ptype|hl |pl | op   | SHA  | SPA  | THA  | TPA  | padding   |
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address

from announce.l2.effects import DropReason
from announce.l2.errors import MalformedFrame
from announce.l2.macs import NOBODY, is_station

ETHERTYPE_ARP = 0x0806
BROADCAST = b"\xff" * 6

_FRAME = struct.Struct("!6s6sHHHBBH6s4s6s4s")
_PEEK = struct.Struct("!6s6x10s6s4s6x4s")
_NOTHING = b"", b"", b"", b"", b""
_HARDWARE_ETHERNET = 1
_PROTOCOL_IPV4 = 0x0800
# The smallest Ethernet frame is 60 octets without its check sequence.
_PADDING = bytes(60 - _FRAME.size)


class Operation(IntEnum):
    REQUEST = 1
    REPLY = 2


def _constant_octets(operation: Operation) -> bytes:
    """The octets 12 to 22, which are the same in all frames of one operation."""
    return struct.pack("!HHHBBH", ETHERTYPE_ARP, _HARDWARE_ETHERNET, _PROTOCOL_IPV4, 6, 4, operation)


REQUEST = _constant_octets(Operation.REQUEST)
_REPLY_CONSTANT = _constant_octets(Operation.REPLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArpFrame:
    """An ARP packet together with its Ethernet header."""

    destination: bytes
    source: bytes
    operation: Operation
    sender_mac: bytes
    sender_address: IPv4Address
    target_mac: bytes
    target_address: IPv4Address


def decode(frame: bytes) -> ArpFrame:
    """Read a frame; raises MalformedFrame with the reason to count it under."""
    if len(frame) < _FRAME.size:
        raise MalformedFrame(DropReason.TRUNCATED)
    destination, source, ethertype, hardware, protocol, hardware_octets, protocol_octets, operation, *rest = (
        _FRAME.unpack_from(frame)
    )
    if ethertype != ETHERTYPE_ARP:
        raise MalformedFrame(DropReason.NOT_ARP)
    if hardware != _HARDWARE_ETHERNET:
        raise MalformedFrame(DropReason.HARDWARE_TYPE)
    if protocol != _PROTOCOL_IPV4:
        raise MalformedFrame(DropReason.PROTOCOL_TYPE)
    if (hardware_octets, protocol_octets) != (6, 4):
        raise MalformedFrame(DropReason.ADDRESS_LENGTH)
    if operation not in (Operation.REQUEST, Operation.REPLY):
        raise MalformedFrame(DropReason.OPERATION)
    sender_mac, sender_address, target_mac, target_address = rest
    if not is_station(sender_mac):
        raise MalformedFrame(DropReason.SENDER_MAC)
    return ArpFrame(
        destination=destination,
        source=source,
        operation=Operation(operation),
        sender_mac=sender_mac,
        sender_address=IPv4Address(sender_address),
        target_mac=target_mac,
        target_address=IPv4Address(target_address),
    )


def encode(frame: ArpFrame) -> bytes:
    """Write a frame, padded to Ethernet's minimum."""
    return (
        _FRAME.pack(
            frame.destination,
            frame.source,
            ETHERTYPE_ARP,
            _HARDWARE_ETHERNET,
            _PROTOCOL_IPV4,
            6,
            4,
            frame.operation,
            frame.sender_mac,
            frame.sender_address.packed,
            frame.target_mac,
            frame.target_address.packed,
        )
        + _PADDING
    )


def announcement(mac: bytes, address: IPv4Address) -> tuple[bytes, bytes]:
    """The two frames that tell a LAN where an address is, as MetalLB sends them.

    Both forms, because some neighbors update their cache only on a request and others only on a reply.
    """
    request, reply = (
        encode(
            ArpFrame(
                destination=BROADCAST,
                source=mac,
                operation=operation,
                sender_mac=mac,
                sender_address=address,
                target_mac=BROADCAST,
                target_address=address,
            )
        )
        for operation in Operation
    )
    return request, reply


def probe(mac: bytes, address: IPv4Address) -> bytes:
    """Ask whether anybody has an address, without having one oneself (RFC 5227 section 2.1.1)."""
    return encode(
        ArpFrame(
            destination=BROADCAST,
            source=mac,
            operation=Operation.REQUEST,
            sender_mac=mac,
            sender_address=IPv4Address(0),
            target_mac=NOBODY,
            target_address=address,
        )
    )


def peek(frame: bytes) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """Destination, octets 12 to 22, sender MAC, sender address and target address, octet for octet; too few octets
    give empty ones. For who does not want to pay for a whole `decode`."""
    return _PEEK.unpack_from(frame) if len(frame) >= _FRAME.size else _NOTHING


def reply_template(mac: bytes, address: IPv4Address) -> bytes:
    """The octets 6 to 32 of every reply about an address, for `reply`."""
    return mac + _REPLY_CONSTANT + mac + address.packed


def reply(template: bytes, mac: bytes, address: bytes) -> bytes:
    """Answer a request: its sender becomes the target, octet for octet."""
    return b"".join((mac, template, mac, address, _PADDING))
