"""Layer 2: making addresses reachable on a LAN. Sans I/O; `announce.net` has the sockets.

Feed a `Responder` what happens and perform what it returns:

    step(event, now) -> list[Effect];  advance(now) -> list[Effect];  next_deadline() -> float | None
"""

from announce.l2.config import Config
from announce.l2.effects import (
    AnnouncementHeard,
    ClaimKind,
    CloseInterface,
    DropReason,
    Effect,
    FrameDropped,
    InterfaceFailed,
    JoinGroup,
    LeaveGroup,
    OpenInterface,
    SendFrame,
    SendReplies,
    SetFilter,
)
from announce.l2.errors import InvalidConfig, MalformedFrame
from announce.l2.events import (
    AnnounceRequested,
    Change,
    DefendRequested,
    Event,
    FramesReceived,
    GroupFailed,
    HandOverRequested,
    InterfaceAdded,
    InterfaceChanged,
    InterfaceEvent,
    InterfaceRemoved,
    ProbeRequested,
    ReannounceRequested,
    SendFailed,
    SocketFailed,
    SolicitRequested,
    UnwatchRequested,
    WatchRequested,
    WithdrawRequested,
)
from announce.l2.interface import DEFAULT_EXCLUDED_INTERFACES, Interface, InterfaceRules
from announce.l2.link import Answer, Answers
from announce.l2.responder import Responder
from announce.l2.tally import Tally

__all__ = [
    "Responder",
    "Answers",
    "Answer",
    "Config",
    "InvalidConfig",
    "MalformedFrame",
    "Interface",
    "InterfaceRules",
    "DEFAULT_EXCLUDED_INTERFACES",
    "Event",
    "Change",
    "AnnounceRequested",
    "WithdrawRequested",
    "HandOverRequested",
    "ReannounceRequested",
    "DefendRequested",
    "WatchRequested",
    "UnwatchRequested",
    "ProbeRequested",
    "SolicitRequested",
    "FramesReceived",
    "SendFailed",
    "GroupFailed",
    "SocketFailed",
    "InterfaceEvent",
    "InterfaceAdded",
    "InterfaceChanged",
    "InterfaceRemoved",
    "Effect",
    "OpenInterface",
    "CloseInterface",
    "SetFilter",
    "JoinGroup",
    "LeaveGroup",
    "SendFrame",
    "SendReplies",
    "AnnouncementHeard",
    "ClaimKind",
    "FrameDropped",
    "DropReason",
    "InterfaceFailed",
    "Tally",
]
