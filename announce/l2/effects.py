"""What a Responder wants done, and what it has to tell."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class OpenInterface:
    """Receive ARP on an interface. Nothing passes before the first SetFilter."""

    interface: str


@dataclass(frozen=True, slots=True)
class CloseInterface:
    interface: str


@dataclass(frozen=True, slots=True)
class SetFilter:
    """Let the kernel pass only frames that speak of these addresses, as sender or as target.

    A hint: more may pass, fewer may not. None passes all ARP; it stands while the set is changing, so that no
    question is lost between the announcement of an address and the filter that knows it.
    """

    interface: str
    addresses: frozenset[IPv4Address] | None


@dataclass(frozen=True, slots=True)
class SendFrame:
    """Send an Ethernet frame, complete with header and padding."""

    interface: str
    frame: bytes


class ClaimKind(StrEnum):
    """How another station said that it has an address."""

    REQUEST = "request"
    REPLY = "reply"
    GRATUITOUS = "gratuitous"
    """Sender and target are the same address, in a request or a reply: an announcement (RFC 5227 section 3)."""


@dataclass(frozen=True, slots=True)
class AnnouncementHeard:
    """Another station uses an address that this node announces or watches."""

    address: IPv4Address
    mac: bytes
    interface: str
    kind: ClaimKind


class DropReason(StrEnum):
    """Why a frame was not answered."""

    UNKNOWN_INTERFACE = "unknown_interface"
    """It came from an interface that is not, or no longer, open."""
    TRUNCATED = "truncated"
    NOT_ARP = "not_arp"
    HARDWARE_TYPE = "hardware_type"
    PROTOCOL_TYPE = "protocol_type"
    ADDRESS_LENGTH = "address_length"
    OPERATION = "operation"
    """Neither a request nor a reply."""
    SENDER_MAC = "sender_mac"
    """The sender's hardware address is not that of a station (a group address, or all zero)."""
    OWN_FRAME = "own_frame"
    REPLY = "reply"
    """A reply: there is nothing to answer."""
    WRONG_DESTINATION = "wrong_destination"
    """The Ethernet destination is neither broadcast nor this interface."""
    NOT_ANNOUNCED = "not_announced"
    """The target is not announced here; perhaps on another interface."""


@dataclass(frozen=True, slots=True)
class FrameDropped:
    interface: str
    reason: DropReason


@dataclass(frozen=True, slots=True)
class InterfaceFailed:
    """The operating system refused something on an interface; it is tried again. Not told with each attempt."""

    interface: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unsupported:
    """The address is kept, but this version has no way to announce it (IPv6: neighbor discovery is missing)."""

    address: IPv6Address


Effect: TypeAlias = (
    OpenInterface
    | CloseInterface
    | SetFilter
    | SendFrame
    | AnnouncementHeard
    | FrameDropped
    | InterfaceFailed
    | Unsupported
)
