"""What happens to a member: everything that `Memberlist.step` takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from membership.address import Endpoint
from membership.keyring import Encryption


@dataclass(frozen=True, slots=True)
class Started:
    """The sockets are open. The first event, and only once."""


@dataclass(frozen=True, slots=True)
class PacketReceived:
    source: Endpoint
    payload: bytes


@dataclass(frozen=True, slots=True)
class PacketUnsendable:
    """The operating system refused to send (no route, nobody listens there). Evidence, but no proof, of a death."""

    target: Endpoint
    reason: str


@dataclass(frozen=True, slots=True)
class StreamAccepted:
    """Somebody connected. `stream` is negative: the numbers above zero are those of OpenStream."""

    stream: int
    source: Endpoint


@dataclass(frozen=True, slots=True)
class StreamReceived:
    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The other side sends no more."""

    stream: int


@dataclass(frozen=True, slots=True)
class StreamFailed:
    """Refused, reset or out of time. Every stream ends or fails within its timeout."""

    stream: int
    reason: str


@dataclass(frozen=True, slots=True)
class JoinRequested:
    """Become part of the ring that any of these is in. They are remembered: one that is down is tried again."""

    seeds: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class LeaveRequested:
    """Say goodbye. There is no way back for this object: a later return is a new Memberlist."""


@dataclass(frozen=True, slots=True)
class MetaChanged:
    """What everybody shall know of this member from now on; at most 512 octets."""

    meta: bytes


@dataclass(frozen=True, slots=True)
class SeedsChanged:
    """All seeds as they are now: new ones are joined, and those that are no longer named are not tried again.

    For seeds by name, whose addresses change; JoinRequested only ever adds.
    """

    seeds: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class EncryptionChanged:
    """Other keys, or other switches, from now on."""

    encryption: Encryption


@dataclass(frozen=True, slots=True)
class UserMessageRequested:
    """Send octets of the application to one member; see `membership.user`."""

    member: str
    payload: bytes
    is_reliable: bool = False
    """By stream, up to 8 MiB, instead of by packet."""


@dataclass(frozen=True, slots=True)
class UserBroadcastRequested:
    """Gossip octets of the application. They ride where news of members leaves room."""

    payload: bytes


Event: TypeAlias = (
    Started
    | PacketReceived
    | PacketUnsendable
    | StreamAccepted
    | StreamReceived
    | StreamEnded
    | StreamFailed
    | JoinRequested
    | LeaveRequested
    | MetaChanged
    | SeedsChanged
    | EncryptionChanged
    | UserMessageRequested
    | UserBroadcastRequested
)
