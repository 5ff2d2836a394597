"""What a `Peer` asks for or reports, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address
from typing import TypeAlias

from announce.bgp.capabilities import Capability
from announce.bgp.config import IpAddress
from announce.bgp.messages import Notification
from announce.bgp.nlri import Family


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """Open a TCP connection; answered by ConnectionEstablished or ConnectionFailed with its number.

    The Peer gives up the attempt itself, by CloseConnection.
    """

    connection: int
    address: IpAddress
    port: int
    source: IpAddress | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Send:
    """Write, without waiting; answered by BytesSent."""

    connection: int
    data: bytes


@dataclass(frozen=True, slots=True)
class CloseConnection:
    """Give up an attempt, or deliver what was sent and close. No event of the connection follows."""

    connection: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEstablished:
    """Both sides agree (RFC 4271: Established). Routes follow."""

    local_address: IpAddress
    router_id: IPv4Address
    """Our BGP Identifier in this session."""
    remote_asn: int
    remote_router_id: IPv4Address
    hold_time: int
    """Negotiated; 0: neither side sends KEEPALIVEs."""
    families: frozenset[Family]
    """Named by both sides."""
    is_four_octet_as: bool
    remote_capabilities: tuple[Capability, ...] = ()
    is_inbound: bool = False
    """The peer opened the connection."""
    next_hops: tuple[IpAddress, ...] = ()
    """The addresses of the interface of `local_address`."""
    has_graceful_restart: bool = False
    """The peer keeps our routes when the connection just ends (RFC 4724)."""
    keeps_on_notification: bool = False
    """And also at a NOTIFICATION, unless it is a hard reset (RFC 8538)."""
    has_extended_next_hop: bool = False
    """IPv4 prefixes may have an IPv6 next hop (RFC 8950)."""
    has_extended_messages: bool = False
    """The peer takes messages of up to 65535 octets (RFC 8654)."""
    has_enhanced_refresh: bool = False
    """The answer to ROUTE-REFRESH stands in brackets (RFC 7313)."""


class EndKind(StrEnum):
    CONNECT_FAILED = "connect_failed"
    CONNECTION_CLOSED = "connection_closed"
    NOTIFICATION_RECEIVED = "notification_received"
    PROTOCOL_ERROR = "protocol_error"
    """The peer did what BGP or the configuration forbids, and was told by NOTIFICATION."""
    OPEN_TIMEOUT = "open_timeout"
    HOLD_TIMER_EXPIRED = "hold_timer_expired"
    SEND_HOLD_TIMER_EXPIRED = "send_hold_timer_expired"
    BFD_DOWN = "bfd_down"
    PREFIX_LIMIT_REACHED = "prefix_limit_reached"
    REPLACED = "replaced"
    """Another connection stays: of two at once (RFC 4271 section 6.8), or of a peer that restarted (RFC 4724)."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class EndReason:
    """Why a session, or an attempt at one, ended."""

    kind: EndKind
    text: str
    """For people, with the way out where there is one."""
    notification: Notification | None = None
    """The one received (NOTIFICATION_RECEIVED), or sent (all others) to a peer that had our OPEN."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A session, or an attempt at one, is over. Its routes are gone at the peer, or stale there for a while."""

    reason: EndReason
    was_established: bool
    retry_in: float | None
    """Seconds to the next attempt; None: there is none, because of StopRequested."""


@dataclass(frozen=True, slots=True)
class RoutesReceived:
    """The peer sent routes. They are counted and dropped; malformed ones count as withdrawn (RFC 7606)."""

    announced: int
    withdrawn: int
    fault: str | None = None
    """What was wrong with the first malformed one."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """What StopRequested asked for is done; the Peer does nothing more."""


ConnectionEffect: TypeAlias = Connect | Send | CloseConnection
Effect: TypeAlias = ConnectionEffect | SessionEstablished | SessionEnded | RoutesReceived | Stopped
