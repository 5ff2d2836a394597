"""What a member wants done, and what it has to tell: everything that `Memberlist` returns.

The first four are orders to the transport, the rest are facts for the application.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from membership.address import Endpoint
from membership.members import Member


@dataclass(frozen=True, slots=True)
class SendPacket:
    target: Endpoint
    payload: bytes


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Connect and send `payload`; report what comes back, and the end of it, within `timeout` seconds."""

    stream: int
    target: Endpoint
    payload: bytes
    timeout: float


@dataclass(frozen=True, slots=True)
class SendStream:
    """The answer on a stream that was accepted."""

    stream: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class CloseStream:
    """Close once all is sent. No event about this stream is wanted any more."""

    stream: int


@dataclass(frozen=True, slots=True)
class MemberJoined:
    """A member is there that was not: new, or back from the dead. Never this member itself."""

    member: Member


@dataclass(frozen=True, slots=True)
class MemberUpdated:
    """Its meta or its address has changed."""

    member: Member


@dataclass(frozen=True, slots=True)
class Observation:
    """What this member itself has seen of one that it observes. Not an effect: evidence in one."""

    misses: int
    """Pings in a row without an answer."""
    silent_for: float
    """Seconds since anything at all was heard from it."""
    rtt: float | None
    """Of its last answer; None if it never gave one."""
    is_refused: bool
    """Its host has said that nobody listens there."""


class Cause(StrEnum):
    """What made a member believe in a death."""

    OBSERVERS = "observers"
    """A majority of its live observers accuses it."""
    SUSPICION = "suspicion"
    """It was suspected for as long as it may take to refute."""
    TOLD = "told"
    """Another member's verdict."""


@dataclass(frozen=True, slots=True)
class MemberSuspected:
    """`accuser` got no answer from it. It still counts as a member, and has time to refute."""

    name: str
    incarnation: int
    accuser: str
    observation: Observation | None = None
    """What we have seen, if it is us who accuse, and we observe it."""


@dataclass(frozen=True, slots=True)
class MemberRefuted:
    """A suspected member has said that it lives."""

    name: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class MemberFailed:
    """The group agrees that a member is dead. It did not say goodbye (that is MemberLeft)."""

    name: str
    incarnation: int
    accusers: tuple[str, ...]
    """Who accused it, as far as known here; the last word was the first one's."""
    suspected_for: float
    """Seconds from the suspicion to the verdict; 0 when only the verdict was heard."""
    cause: Cause = Cause.TOLD
    observation: Observation | None = None
    """What we have seen, if we observed it and accused it."""


@dataclass(frozen=True, slots=True)
class MemberLeft:
    """A member has said goodbye."""

    name: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class AccusationRefuted:
    """This member was said to be suspect or dead, and has told the ring otherwise."""

    incarnation: int
    """Its new one."""
    accuser: str


@dataclass(frozen=True, slots=True)
class NotHeard:
    """The others take this member for dead or suspect, it hears them say so, and nobody answers what it asks.

    What it has to say does not arrive, and neither, perhaps, does anything else from this node.
    """

    accuser: str
    """The first one that said so."""


@dataclass(frozen=True, slots=True)
class HeardAgain:
    """Somebody answers, or there is nobody left who could hear: `NotHeard` is over."""

    lasted: float


@dataclass(frozen=True, slots=True)
class NameConflict:
    """Two addresses claim one name. The known one keeps it."""

    name: str
    known: Endpoint
    claimed: Endpoint


@dataclass(frozen=True, slots=True)
class JoinFailure:
    """One seed that could not be joined, and why. Not an effect itself: part of JoinCompleted."""

    seed: Endpoint
    reason: str


@dataclass(frozen=True, slots=True)
class JoinCompleted:
    """Every seed of one JoinRequested has answered or failed. Failed ones are tried again in the background."""

    contacted: tuple[Endpoint, ...]
    failures: tuple[JoinFailure, ...]


@dataclass(frozen=True, slots=True)
class LeaveCompleted:
    """The goodbye has been sent as often as news is sent; the sockets may be closed."""


@dataclass(frozen=True, slots=True)
class PushPullFailed:
    """An exchange of tables that was not part of a JoinRequested went wrong; others will be tried."""

    target: Endpoint
    reason: str


@dataclass(frozen=True, slots=True)
class PacketDropped:
    """Something received, by packet or stream, was refused in whole or in part. It has changed nothing."""

    source: Endpoint
    reason: str
    """Short and machine-readable, for a metric's label."""


@dataclass(frozen=True, slots=True)
class UserMessageReceived:
    """Bytes of another application in the same ring (serf's events, for example)."""

    source: Endpoint
    payload: bytes


@dataclass(frozen=True, slots=True)
class UserMessageFailed:
    """A message of the application was not sent, or a stream with it broke. It is not tried again."""

    member: str | None
    """None for a broadcast."""
    reason: str


@dataclass(frozen=True, slots=True)
class RunningLate:
    """This member was not run for so long past its deadline that its verdicts were put off by as much."""

    lateness: float


@dataclass(frozen=True, slots=True)
class PaceChanged:
    """Another profile is in force from now on: memberlist's, or again the configured one."""

    profile: str
    because_of: tuple[str, ...]
    """A member that cannot keep the configured pace; empty when there is none any more."""


TransportEffect: TypeAlias = SendPacket | OpenStream | SendStream | CloseStream
"""What `membership.net.Transport.perform` takes."""

Effect: TypeAlias = (
    TransportEffect
    | MemberJoined
    | MemberUpdated
    | MemberSuspected
    | MemberRefuted
    | MemberFailed
    | MemberLeft
    | AccusationRefuted
    | NotHeard
    | HeardAgain
    | NameConflict
    | JoinCompleted
    | LeaveCompleted
    | PushPullFailed
    | PacketDropped
    | UserMessageReceived
    | UserMessageFailed
    | RunningLate
    | PaceChanged
)
