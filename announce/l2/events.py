"""What can happen to a Responder."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from announce.l2.interface import Interface

IpAddress: TypeAlias = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class AnnounceRequested:
    """This node is to answer for an address. What is announced already is not announced again."""

    address: IpAddress
    interfaces: frozenset[str] | None = None
    """On these, where they suit; None: on all that suit, also those that appear later."""


@dataclass(frozen=True, slots=True)
class WithdrawRequested:
    """This node is to be silent about an address from now on."""

    address: IpAddress


@dataclass(frozen=True, slots=True)
class HandOverRequested:
    """Another node is about to announce an address: go on answering for it, but announce it no more.

    An announcement of ours after the successor's would send neighbors back to a node that is about to be silent.
    Ends with WithdrawRequested, or with AnnounceRequested when the address stays after all.
    """

    address: IpAddress


@dataclass(frozen=True, slots=True)
class ReannounceRequested:
    """The takeover announcements of an address are to start over, for instance after a conflict was won.

    At most once in `Config.reannounce_interval` for each address: what comes sooner waits until then.
    """

    address: IpAddress


@dataclass(frozen=True, slots=True)
class DefendRequested:
    """A stranger uses an address that this node announces: say once that it is ours (RFC 5227 section 2.4).

    Ignored when the last defense of the address is less than `Config.defend_interval` ago.
    """

    address: IpAddress


@dataclass(frozen=True, slots=True)
class WatchRequested:
    """Report who announces an address, although this node does not."""

    address: IpAddress


@dataclass(frozen=True, slots=True)
class UnwatchRequested:
    """No more reports are needed about an address that this node does not announce."""

    address: IpAddress


@dataclass(frozen=True, slots=True)
class ProbeRequested:
    """Ask on all interfaces whether anybody has an address, without claiming it (RFC 5227 section 2.1.1, RFC 4862).

    Who has it answers, which is reported for an address that is watched.
    """

    address: IpAddress


@dataclass(frozen=True, slots=True)
class SolicitRequested:
    """Ask on all interfaces who has an address, as one that wants to reach it.

    Who has it answers this station alone, so for an address that is watched a claim of kind REPLY is an answer, and no
    other one is. IPv6 is asked for where the interface has a link-local address to ask from.
    """

    address: IpAddress


@dataclass(frozen=True, slots=True)
class FramesReceived:
    """Ethernet frames, with their headers and without a VLAN tag, in the order of their arrival."""

    interface: str
    frames: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SendFailed:
    """A frame could not be sent. Announcements repeat and neighbors ask again, so nothing is sent anew."""

    interface: str
    reason: str


@dataclass(frozen=True, slots=True)
class GroupFailed:
    """A multicast group could not be joined on an interface. It is tried again."""

    interface: str
    group: IPv6Address
    reason: str


@dataclass(frozen=True, slots=True)
class SocketFailed:
    """An interface could not be opened, or is closed now because of an error."""

    interface: str
    reason: str


@dataclass(frozen=True, slots=True)
class InterfaceAdded:
    interface: Interface


@dataclass(frozen=True, slots=True)
class InterfaceChanged:
    """Something about an interface is different: its MAC, its flags, its addresses. Index and name are not."""

    interface: Interface


@dataclass(frozen=True, slots=True)
class InterfaceRemoved:
    """An interface is gone, or now has another name (then InterfaceAdded follows)."""

    name: str


InterfaceEvent: TypeAlias = InterfaceAdded | InterfaceChanged | InterfaceRemoved

Change: TypeAlias = (
    AnnounceRequested
    | WithdrawRequested
    | HandOverRequested
    | ReannounceRequested
    | DefendRequested
    | WatchRequested
    | UnwatchRequested
    | ProbeRequested
    | SolicitRequested
    | SendFailed
    | GroupFailed
    | SocketFailed
    | InterfaceEvent
)

Event: TypeAlias = FramesReceived | Change
