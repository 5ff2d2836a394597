"""BFD as a sans-I/O core: one `Session` for each path (RFC 5880, 5881, 5883).

    demultiplexer = Demultiplexer(rng)
    config = SessionConfig(peer_address=IPv4Address("192.0.2.1"))
    session = Session(config, demultiplexer.add(config), rng)
    effects = session.step(Started(), now)

Feed it events, perform the effects in order, and call `advance` by `next_deadline`. `announce.net.bfd` does the
part that needs sockets.
"""

from announce.bfd.config import INTERVAL_US_MIN, SINGLE_HOP_TTL, SessionConfig, Timing
from announce.bfd.demultiplexer import Arrival, Demultiplexer
from announce.bfd.effects import (
    Effect,
    SendEcho,
    SendPacket,
    SessionDown,
    SessionUp,
    Stopped,
    TimingAgreed,
)
from announce.bfd.errors import InvalidConfig, PacketError
from announce.bfd.events import EchoReceived, Event, PacketReceived, Retimed, Started, StopRequested
from announce.bfd.packet import ControlPacket, EchoPacket
from announce.bfd.session import Session
from announce.bfd.states import Diagnostic, State, describe
from announce.bfd.status import SessionStatus

__all__ = [
    "Session",
    "SessionConfig",
    "SessionStatus",
    "Timing",
    "InvalidConfig",
    "INTERVAL_US_MIN",
    "SINGLE_HOP_TTL",
    "State",
    "Diagnostic",
    "describe",
    "Demultiplexer",
    "Arrival",
    "ControlPacket",
    "EchoPacket",
    "PacketError",
    "Event",
    "Started",
    "PacketReceived",
    "EchoReceived",
    "Retimed",
    "StopRequested",
    "Effect",
    "SendPacket",
    "SendEcho",
    "SessionUp",
    "SessionDown",
    "TimingAgreed",
    "Stopped",
]
