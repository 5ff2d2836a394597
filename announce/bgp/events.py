"""What a `Peer` is told.

Connections carry the number that `Connect` gave them, or one below 0 where the peer opened them and the shell
numbers them: -1, -2, and so on. Old numbers are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from announce.bgp.config import IpAddress, PeerConfig
from announce.bgp.routes import Route


@dataclass(frozen=True, slots=True)
class Started:
    """The session is wanted from now on."""


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The session is to end in good order: withdraw, let routers digest it, say why, close."""

    communication: str = ""
    """For the operator of the router (RFC 9003), up to 255 octets."""

    is_restart: bool = False
    """We are back in a moment: where graceful restart is agreed on, or offered to a peer that has not answered
    yet, the connection just ends, and the peer keeps our routes. Else this is a stop like any other."""


@dataclass(frozen=True, slots=True)
class Reconfigured:
    """Other settings, for the next connection and all that is not settled by OPEN. The session stays."""

    config: PeerConfig


@dataclass(frozen=True, slots=True)
class RoutesChanged:
    """All that is to be advertised from now on. What is not in it is withdrawn."""

    routes: frozenset[Route] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RoutesUpdated:
    """The difference to what was to be advertised before. Removing what is not there changes nothing."""

    added: frozenset[Route] = field(default=frozenset(), repr=False)
    removed: frozenset[Route] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True)
class RoutesComplete:
    """After our restart, all that we advertised before and still do has been given again (RFC 4724 section 4.1)."""


@dataclass(frozen=True, slots=True)
class BfdDown:
    """BFD has found the path to the peer dead (RFC 5882), or its forwarding."""

    reason: str
    is_fate_shared: bool = False
    """The peer's BFD dies with its BGP (control plane independent bit clear), so it may be just restarting."""


@dataclass(frozen=True, slots=True)
class BfdUp:
    """BFD has found a path to the peer, so there is no sense in waiting to connect: neither by the ConnectRetryTimer nor
    for TCP to repeat what went into a dead path."""


@dataclass(frozen=True, slots=True)
class ConnectionEstablished:
    """The TCP connection that `Connect` asked for is there."""

    connection: int
    local_address: IpAddress
    next_hops: tuple[IpAddress, ...] = ()
    """All addresses of the interface of `local_address`, to be next hop of the other family."""


@dataclass(frozen=True, slots=True)
class NextHopsChanged:
    """The interface of the connection has other addresses than it had when the connection came about."""

    connection: int
    next_hops: tuple[IpAddress, ...]


@dataclass(frozen=True, slots=True)
class ConnectionAccepted:
    """The peer has opened a TCP connection. Its number is below 0."""

    connection: int
    local_address: IpAddress
    next_hops: tuple[IpAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class ConnectionFailed:
    """The TCP connection that `Connect` asked for could not be made."""

    connection: int
    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    """The TCP connection has ended without `CloseConnection`."""

    connection: int
    reason: str


@dataclass(frozen=True, slots=True)
class BytesReceived:
    connection: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BytesSent:
    """The kernel has taken this much more of what `Send` handed over, in total octets of whole `Send`s."""

    connection: int
    octets: int


ConnectionEvent: TypeAlias = (
    ConnectionEstablished
    | ConnectionAccepted
    | NextHopsChanged
    | ConnectionFailed
    | ConnectionClosed
    | BytesReceived
    | BytesSent
)
RouteEvent: TypeAlias = RoutesChanged | RoutesUpdated | RoutesComplete
Event: TypeAlias = Started | StopRequested | Reconfigured | BfdDown | BfdUp | RouteEvent | ConnectionEvent
