"""States, timers, and what goes in and out of the finite state machine (`fsm`)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from typing import TypeAlias

from announce.bgp.effects import CloseConnection, Connect, EndReason, Send, SessionEnded, SessionEstablished
from announce.bgp.events import BfdDown, BfdUp, ConnectionEvent, Started
from announce.bgp.messages import MessageType, Update
from announce.bgp.nlri import Family


class State(StrEnum):
    IDLE = "Idle"
    CONNECT = "Connect"
    ACTIVE = "Active"
    OPEN_SENT = "OpenSent"
    OPEN_CONFIRM = "OpenConfirm"
    ESTABLISHED = "Established"


@dataclass(slots=True)
class Tally:
    """How many messages all connections of a peer have carried, by their type."""

    received: Counter[MessageType] = field(default_factory=Counter[MessageType])
    sent: Counter[MessageType] = field(default_factory=Counter[MessageType])


class Timer(Enum):
    CONNECT_RETRY = auto()
    """ConnectRetryTimer in Active, IdleHoldTimer in Idle: the next attempt."""
    REFUSED = auto()
    """IdleHoldTimer after SessionRefused, which no good news of the path shortens."""
    CONNECT = auto()
    DELAY_OPEN = auto()
    OPEN = auto()
    HOLD = auto()
    KEEPALIVE = auto()
    SEND_HOLD = auto()


@dataclass(frozen=True, slots=True)
class ManualStop:
    """End the session now (RFC 4271 section 8.1.2, Event 2)."""

    communication: str
    is_restart: bool = False


@dataclass(frozen=True, slots=True)
class SessionRefused:
    """What the peer sent in Established cannot be borne; it is told why, and left alone for a while."""

    reason: EndReason
    wait: float


@dataclass(frozen=True, slots=True)
class UpdateReceived:
    """The peer has sent routes, in Established."""

    update: Update


@dataclass(frozen=True, slots=True)
class RouteRefreshRequested:
    """The peer wants the routes of a family once more (RFC 2918)."""

    family: Family


FsmEvent: TypeAlias = Started | ManualStop | SessionRefused | BfdDown | BfdUp | ConnectionEvent
FsmEffect: TypeAlias = (
    Connect
    | Send
    | CloseConnection
    | SessionEstablished
    | SessionEnded
    | UpdateReceived
    | RouteRefreshRequested
)
