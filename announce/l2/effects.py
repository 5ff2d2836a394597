"""What a Responder wants done, and what it has to tell."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class OpenInterface:
    """Receive ARP and neighbor discovery on an interface. Nothing passes before the first SetFilter."""

    interface: str


@dataclass(frozen=True, slots=True)
class CloseInterface:
    interface: str


@dataclass(frozen=True, slots=True)
class SetFilter:
    """Let the kernel pass only frames that speak of these addresses, as sender or as target.

    A hint: more may pass, fewer may not. None passes all ARP and neighbor discovery; it stands while the set is
    changing, so that no question is lost between the announcement of an address and the filter that knows it.
    """

    interface: str
    addresses: frozenset[IPv4Address | IPv6Address] | None


@dataclass(frozen=True, slots=True)
class JoinGroup:
    """Receive what is sent to a multicast group on an open interface, and say so to switches (MLD, RFC 3810).

    Memberships end with CloseInterface. Each is joined once.
    """

    interface: str
    group: IPv6Address


@dataclass(frozen=True, slots=True)
class LeaveGroup:
    interface: str
    group: IPv6Address


@dataclass(frozen=True, slots=True)
class SendFrame:
    """Send an Ethernet frame of our own accord, complete with header and padding."""

    interface: str
    frame: bytes


@dataclass(frozen=True, slots=True)
class SendReplies:
    """Send Ethernet frames, complete with header and padding, that answer questions which came together."""

    interface: str
    frames: tuple[bytes, ...]


class ClaimKind(StrEnum):
    """How another station said that it has an address."""

    REQUEST = "request"
    """It asks for another address, in a request or a neighbor solicitation that comes from this one."""
    REPLY = "reply"
    """It has answered, by a reply or a solicited neighbor advertisement."""
    GRATUITOUS = "gratuitous"
    """An announcement: sender and target are the same address (RFC 5227 section 3), or nobody has solicited it."""


@dataclass(frozen=True, slots=True)
class AnnouncementHeard:
    """Another station uses an address that this node announces or watches."""

    address: IPv4Address | IPv6Address
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
    NOT_NDP = "not_ndp"
    """IPv6, but neither a neighbor solicitation nor an advertisement."""
    HOP_LIMIT = "hop_limit"
    """It was sent from another network: neighbor discovery ends at routers."""
    CHECKSUM = "checksum"
    CODE = "code"
    SOURCE = "source"
    """The source address is a group, or a probe of an address that is in doubt breaks the rules for such."""
    TARGET = "target"
    """The target is a group."""
    OPTION = "option"
    """An option of no length, one that goes beyond the message, or a link-layer address that is not Ethernet's."""
    SOLICITED_FLAG = "solicited_flag"
    """An advertisement to a group that claims to be an answer."""


@dataclass(frozen=True, slots=True)
class FrameDropped:
    interface: str
    reason: DropReason


@dataclass(frozen=True, slots=True)
class InterfaceFailed:
    """The operating system refused something on an interface; it is tried again. Not told with each attempt."""

    interface: str
    reason: str


Effect: TypeAlias = (
    OpenInterface
    | CloseInterface
    | SetFilter
    | JoinGroup
    | LeaveGroup
    | SendFrame
    | SendReplies
    | AnnouncementHeard
    | FrameDropped
    | InterfaceFailed
)
