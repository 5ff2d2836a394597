"""What a `Session` is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from announce.bfd.config import Timing
from announce.bfd.packet import ControlPacket, EchoPacket


@dataclass(frozen=True, slots=True)
class Started:
    """The session is wanted from now on."""


@dataclass(frozen=True, slots=True)
class PacketReceived:
    """A Control packet that `Demultiplexer` found to be this session's."""

    packet: ControlPacket


@dataclass(frozen=True, slots=True)
class EchoReceived:
    """The peer's forwarding looped one of our Echo packets back."""

    echo: EchoPacket


@dataclass(frozen=True, slots=True)
class Retimed:
    """Other intervals or another multiplier are wanted: agreed with the peer by a Poll Sequence, without a flap."""

    timing: Timing


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The session is to end, and the peer to know that nothing is wrong (AdminDown, RFC 5880 section 6.8.16)."""


Event: TypeAlias = Started | PacketReceived | EchoReceived | Retimed | StopRequested
