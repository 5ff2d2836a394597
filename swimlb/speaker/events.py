"""What the speaker's core is told. Facts, in the past tense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from swimlb.model import IpAddress
from swimlb.speaker.inventory import Record
from swimlb.speaker.links import Link


@dataclass(frozen=True, slots=True)
class InventoryChanged:
    """*watch* sent a batch of records. The first one is the whole."""

    put: tuple[Record, ...]
    removed: tuple[str, ...] = ()
    """Keys, as `inventory.key_of` makes them."""


@dataclass(frozen=True, slots=True)
class RingJoined:
    """The first attempt to reach the other speakers has ended."""

    contacted: int
    """How many of them answered. 0: this node is alone, or cut off."""


@dataclass(frozen=True, slots=True)
class MemberPresent:
    """A member is alive, or said something new of itself."""

    name: str
    meta: bytes


@dataclass(frozen=True, slots=True)
class MemberGone:
    """A member died or left."""

    name: str
    has_failed: bool = True
    """It did not say goodbye."""
    address: IpAddress | None = None
    """Of its host, where it is known."""


@dataclass(frozen=True, slots=True)
class ClaimHeard:
    """Somebody else announced, or answered for, an address that this node announces or watches."""

    address: IpAddress
    mac: str
    interface: str
    is_answer: bool = False
    """It was said to this node alone, which has asked."""
    can_ask: bool = True
    """This node has what it needs to ask about the address on that interface."""


@dataclass(frozen=True, slots=True)
class ReceptionChanged:
    """Whether the other members hear this node: False from when they take it for dead, and it hears that they do."""

    is_heard: bool


@dataclass(frozen=True, slots=True)
class LinksChanged:
    """The interfaces of this node on which it can be heard are these now."""

    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class PeerStopped:
    """A BGP session that was told to stop has ended."""

    name: str


@dataclass(frozen=True, slots=True)
class RingLeft:
    """The others know that this node leaves."""


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Let go of everything as a planned move, then stop."""

    is_restart: bool = False
    """This node is back in a moment: routers that agreed on graceful restart keep its routes, and it serves on."""


Event: TypeAlias = (
    InventoryChanged
    | RingJoined
    | MemberPresent
    | MemberGone
    | ClaimHeard
    | ReceptionChanged
    | LinksChanged
    | PeerStopped
    | RingLeft
    | StopRequested
)
