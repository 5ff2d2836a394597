"""The BFD Control packet (RFC 5880 section 4.1), and what our Echo packets hold (section 5: a local matter).

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
    |                       My Discriminator                        |
    |                      Your Discriminator                       |
    |                    Desired Min TX Interval                    |
    |                   Required Min RX Interval                    |
    |                 Required Min Echo RX Interval                 |

An Echo packet is a tag that only its session knows, and a number: a stranger who does not see them cannot keep a
dead path alive.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from announce.bfd.errors import PacketError
from announce.bfd.states import State

VERSION = 1
PACKET_OCTETS = 24
_LAYOUT = struct.Struct("!BBBBIIIII")
_ECHO_LAYOUT = struct.Struct("!IQI")
ECHO_OCTETS = _ECHO_LAYOUT.size
_POLL, _FINAL, _INDEPENDENT, _AUTHENTICATED, _DEMAND, _MULTIPOINT = 0x20, 0x10, 0x08, 0x04, 0x02, 0x01


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPacket:
    """Intervals are in microseconds, as on the wire."""

    state: State
    diagnostic: int = 0
    is_poll: bool = False
    is_final: bool = False
    is_control_plane_independent: bool = False
    """C: the sender's BFD goes on while its routing protocols restart."""
    is_demand: bool = False
    """D: the sender wants no periodic packets while both sides are Up."""
    detect_multiplier: int
    my_discriminator: int
    your_discriminator: int = 0
    desired_min_tx_us: int
    required_min_rx_us: int
    """0: the sender wants no periodic packets at all."""
    required_min_echo_rx_us: int = 0
    """0: the sender does not loop Echo packets back."""


@dataclass(frozen=True, slots=True)
class EchoPacket:
    discriminator: int
    tag: int
    number: int


def encode(packet: ControlPacket) -> bytes:
    flags = (
        packet.state << 6
        | _POLL * packet.is_poll
        | _FINAL * packet.is_final
        | _INDEPENDENT * packet.is_control_plane_independent
        | _DEMAND * packet.is_demand
    )
    return _LAYOUT.pack(
        VERSION << 5 | packet.diagnostic,
        flags,
        packet.detect_multiplier,
        PACKET_OCTETS,
        packet.my_discriminator,
        packet.your_discriminator,
        packet.desired_min_tx_us,
        packet.required_min_rx_us,
        packet.required_min_echo_rx_us,
    )


def decode(payload: bytes) -> ControlPacket:
    """A packet that passes what section 6.8.6 asks of it without knowing the session; else PacketError."""
    if len(payload) < PACKET_OCTETS:
        raise PacketError(f"{len(payload)} octets are less than a packet")
    first, flags, multiplier, length, mine, yours, desired_tx, required_rx, echo_rx = _LAYOUT.unpack_from(
        payload
    )
    if first >> 5 != VERSION:
        raise PacketError(f"version {first >> 5}")
    if not PACKET_OCTETS <= length <= len(payload):
        raise PacketError(f"length {length} in {len(payload)} octets")
    # We use no authentication, and "if the A bit is set and no authentication is in use, the packet MUST be discarded".
    if flags & _AUTHENTICATED:
        raise PacketError("authenticated, which the session is not")
    if multiplier == 0:
        raise PacketError("detect multiplier 0")
    if flags & _MULTIPOINT:
        raise PacketError("multipoint")
    if mine == 0:
        raise PacketError("my discriminator 0")
    state = State(flags >> 6)
    if yours == 0 and state not in (State.DOWN, State.ADMIN_DOWN):
        raise PacketError(f"your discriminator 0 in state {state.name}")
    return ControlPacket(
        state=state,
        diagnostic=first & 0x1F,
        is_poll=bool(flags & _POLL),
        is_final=bool(flags & _FINAL),
        is_control_plane_independent=bool(flags & _INDEPENDENT),
        is_demand=bool(flags & _DEMAND),
        detect_multiplier=multiplier,
        my_discriminator=mine,
        your_discriminator=yours,
        desired_min_tx_us=desired_tx,
        required_min_rx_us=required_rx,
        required_min_echo_rx_us=echo_rx,
    )


def encode_echo(echo: EchoPacket) -> bytes:
    return _ECHO_LAYOUT.pack(echo.discriminator, echo.tag, echo.number)


def decode_echo(payload: bytes) -> EchoPacket:
    """One of ours; others' Echo packets have any form, and are not for us to read."""
    if len(payload) != ECHO_OCTETS:
        raise PacketError(f"{len(payload)} octets are no Echo packet of ours")
    return EchoPacket(*_ECHO_LAYOUT.unpack(payload))
