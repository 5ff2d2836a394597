"""A run as text: one line for each thing that happened to a member and each fact that it told."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from membership import (
    Effect,
    Event,
    OpenStream,
    PacketReceived,
    SendPacket,
    SendStream,
    StreamReceived,
)
from membership.errors import DecodeError
from membership.wire.packet import decode_packet


def line(now: float, name: str, what: Event | Effect | str) -> str:
    return f"{now:12.6f} {name:10} {describe(what)}"


def describe(what: Event | Effect | str) -> str:
    """Packets by the messages in them, streams by their length, all else as it is."""
    match what:
        case str():
            return what
        case PacketReceived():
            return f"<- {what.source} {_messages(what.payload)}"
        case SendPacket():
            return f"-> {what.target} {_messages(what.payload)}"
        case OpenStream():
            return f"OpenStream({what.stream}, {what.target}, {len(what.payload)} octets)"
        case SendStream():
            return f"SendStream({what.stream}, {len(what.payload)} octets)"
        case StreamReceived():
            return f"StreamReceived({what.stream}, {len(what.data)} octets)"
        case _:
            return str(what)


def digest(lines: Iterable[str]) -> str:
    """Two runs with the same digest are the same run."""
    summed = blake2b(digest_size=16)
    for one in lines:
        summed.update(one.encode())
        summed.update(b"\n")
    return summed.hexdigest()


def _messages(payload: bytes) -> str:
    return " + ".join(
        f"refused: {message.reason}" if isinstance(message, DecodeError) else str(message)
        for message in decode_packet(payload)
    )
