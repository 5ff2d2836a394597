"""What a `Peer` is told. Connections carry the number that `Connect` gave them; old numbers are ignored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from announce.bgp.config import IpAddress
from announce.bgp.routes import Route


@dataclass(frozen=True, slots=True)
class Started:
    """The session is wanted from now on."""


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The session is to end in good order: withdraw, let routers digest it, say why, close."""

    communication: str = ""
    """For the operator of the router (RFC 9003), up to 255 octets."""


@dataclass(frozen=True, slots=True)
class RoutesChanged:
    """All that is to be advertised from now on. What is not in it is withdrawn."""

    routes: frozenset[Route] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConnectionEstablished:
    """The TCP connection that `Connect` asked for is there."""

    connection: int
    local_address: IpAddress


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
    ConnectionEstablished | ConnectionFailed | ConnectionClosed | BytesReceived | BytesSent
)
Event: TypeAlias = Started | StopRequested | RoutesChanged | ConnectionEvent
