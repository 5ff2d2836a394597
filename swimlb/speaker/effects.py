"""What the speaker's core orders. Performed in order by `swimlb.app`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from announce.bgp.routes import Route
from swimlb.model import BgpPeer, IpAddress
from swimlb.speaker.links import Link


@dataclass(frozen=True, slots=True)
class AddLocalAddress:
    """Traffic for this address ends on this node: put it on `lo` (standalone mode)."""

    address: IpAddress


@dataclass(frozen=True, slots=True)
class RemoveLocalAddress:
    address: IpAddress


@dataclass(frozen=True, slots=True)
class Announce:
    """Answer for the address on these interfaces from now on (None: all suitable ones), and say so."""

    address: IpAddress
    interfaces: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class AnnounceAgain:
    """The address is this node's, and others may have heard otherwise."""

    address: IpAddress


@dataclass(frozen=True, slots=True)
class HandOver:
    """Answer for the address on, but announce it no more: another node is about to. Announce takes it back."""

    address: IpAddress


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Do not answer for the address any more."""

    address: IpAddress


@dataclass(frozen=True, slots=True)
class Defend:
    """A stranger uses the address: say that it is this node's, no more often than RFC 5227 allows."""

    address: IpAddress


@dataclass(frozen=True, slots=True)
class Watch:
    """Report who announces the address, although this node does not."""

    address: IpAddress


@dataclass(frozen=True, slots=True)
class Unwatch:
    address: IpAddress


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask on the LAN who has the address; the answer is a claim heard, as the address is watched."""

    address: IpAddress


@dataclass(frozen=True, slots=True)
class Solicit:
    """Ask on the LAN who has the address, so that an answer can be told from an announcement: it is this node's alone."""

    address: IpAddress


@dataclass(frozen=True, slots=True)
class AnswerAskers:
    """Answer for this address, which is no Service's: others want to find out whether this node hears them."""

    address: IpAddress


@dataclass(frozen=True, slots=True)
class EndAnswer:
    """Do not answer for an address of `AnswerAskers` any more."""

    address: IpAddress


@dataclass(frozen=True, slots=True)
class ChainTo:
    """Packets for these addresses, of connections that this node does not know, belong to that member; None: to nobody."""

    members: Mapping[IpAddress, str | None]


@dataclass(frozen=True, slots=True)
class KnowMember:
    """The interfaces of a member of which `ChainTo` may speak; none: it is of no interest any more."""

    member: str
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class StartPeer:
    peer: BgpPeer


@dataclass(frozen=True, slots=True)
class ReconfigurePeer:
    """The settings have changed in what needs no new session: the one that there is goes on."""

    peer: BgpPeer


@dataclass(frozen=True, slots=True)
class StopPeer:
    """Withdraw the routes, wait until routers have let go of them, end the session, report PeerStopped."""

    name: str
    is_restart: bool = False
    """End the session so that the router keeps the routes, if it has agreed to."""


@dataclass(frozen=True, slots=True)
class Advertise:
    """What this peer is to hear from now on that it has not heard yet, and what no more. A new peer has heard nothing."""

    peer: str
    added: frozenset[Route] = frozenset()
    removed: frozenset[Route] = frozenset()


@dataclass(frozen=True, slots=True)
class JoinRing:
    """This node can serve: become a member."""


@dataclass(frozen=True, slots=True)
class PublishMeta:
    """Tell the ring something new about this node."""

    meta: bytes


@dataclass(frozen=True, slots=True)
class LeaveRing:
    """Say goodbye, report RingLeft."""


@dataclass(frozen=True, slots=True)
class OwnerChanged:
    """For the log and for people: who answers for an address now, as this node sees it."""

    address: IpAddress
    previous: str | None
    owner: str | None


@dataclass(frozen=True, slots=True)
class ConflictNoticed:
    """Somebody else claims an address that is this node's by the plan. Told now and then while it lasts."""

    address: IpAddress
    mac: str
    interface: str
    member: str | None = None
    """Who that is; None: a stranger."""


@dataclass(frozen=True, slots=True)
class Yielded:
    """A member that gossip had lost is alive and comes first for the address, so this node is silent about it."""

    address: IpAddress
    member: str
    mac: str


@dataclass(frozen=True, slots=True)
class AddressInUse:
    """A stranger has an address that this node was about to announce for the first time: it is not announced."""

    address: IpAddress
    mac: str
    interface: str


@dataclass(frozen=True, slots=True)
class AddressFree:
    """The stranger that had the address does not answer any more; it is announced."""

    address: IpAddress


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A member has not answered for its addresses on the LAN, round after round, although this node hears others."""

    member: str
    address: IpAddress
    """The last one that it was asked for."""
    lasted: float
    """Seconds since the first question that it left unanswered."""


@dataclass(frozen=True, slots=True)
class AnsweredAgain:
    """A member that was told of by `Unanswered` does answer."""

    member: str
    lasted: float


@dataclass(frozen=True, slots=True)
class DeafnessChanged:
    """A member is passed over from now on, because others get no answer from it on the LAN, or is no longer."""

    member: str
    found_by: tuple[str, ...]
    """Who gets no answer. Empty: it is not passed over any more."""
    lasted: float = 0.0
    """For how long it was passed over."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Nothing is held any more: the process may end."""


LanEffect: TypeAlias = (
    AddLocalAddress
    | RemoveLocalAddress
    | Announce
    | AnnounceAgain
    | HandOver
    | Withdraw
    | Defend
    | Watch
    | Unwatch
    | Ask
    | Solicit
    | AnswerAskers
    | EndAnswer
)
ChainEffect: TypeAlias = ChainTo | KnowMember
PeerEffect: TypeAlias = StartPeer | ReconfigurePeer | StopPeer | Advertise
RingEffect: TypeAlias = JoinRing | PublishMeta | LeaveRing
NewsEffect: TypeAlias = (
    OwnerChanged
    | ConflictNoticed
    | Yielded
    | AddressInUse
    | AddressFree
    | Unanswered
    | AnsweredAgain
    | DeafnessChanged
)
"""For people."""
Effect: TypeAlias = LanEffect | ChainEffect | PeerEffect | RingEffect | NewsEffect | Stopped
