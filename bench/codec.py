"""What it costs to encode and decode each message, beside msgpack on a dict with the same fields."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgpack

from membership.wire.messages import (
    Ack,
    Alive,
    Dead,
    IndirectPing,
    Message,
    Nack,
    Ping,
    Suspect,
    decode,
    encode,
)
from membership.wire.stream import NodeState, StreamDecoder, encode_push_pull

_ADDRESS = bytes((192, 0, 2, 1))
_VERSIONS = bytes((1, 5, 2, 0, 0, 0))
MESSAGES: tuple[Message, ...] = (
    Ping(70_000, "node-b", _ADDRESS, 7946, "node-a"),
    IndirectPing(70_000, _ADDRESS, 7946, "node-b", True, _ADDRESS, 7946, "node-a"),
    Ack(70_000, b""),
    Nack(70_000),
    Alive(7, "node-a", _ADDRESS, 7946, bytes(64), _VERSIONS),
    Suspect(7, "node-a", "node-b"),
    Dead(7, "node-a", "node-b"),
)
_TABLE = [NodeState(f"node-{number}", _ADDRESS, 7946, bytes(64), 7, 0, _VERSIONS) for number in range(20)]


@dataclass(frozen=True, slots=True)
class Timing:
    """Nanoseconds per message: the best of the rounds, because whatever disturbs only ever adds."""

    message: str
    octets: int
    encode: float
    decode: float
    msgpack_encode: float
    msgpack_decode: float


def timings(seconds: float) -> list[Timing]:
    """In about so many seconds."""
    share = seconds / (4 * (len(MESSAGES) + 1))
    return [*(_message(message, share) for message in MESSAGES), _table(share)]


def _message(message: Message, share: float) -> Timing:
    data = encode(message)
    plain: dict[Any, Any] = msgpack.unpackb(data[1:], raw=True)
    return Timing(
        type(message).__name__,
        len(data),
        _nanoseconds(lambda: encode(message), share),
        _nanoseconds(lambda: decode(data), share),
        _nanoseconds(lambda: msgpack.packb(plain, use_bin_type=False), share),
        _nanoseconds(lambda: msgpack.unpackb(data[1:], raw=True), share),
    )


def _table(share: float) -> Timing:
    """A push/pull of 20 rows; for msgpack, a list of its maps."""
    data = encode_push_pull(_TABLE, is_join=False)
    maps = [
        {
            "Addr": row.address,
            "Incarnation": row.incarnation,
            "Meta": row.meta,
            "Name": row.name,
            "Port": row.port,
            "State": row.state,
            "Vsn": row.versions,
        }
        for row in _TABLE
    ]
    packed = msgpack.packb(maps, use_bin_type=False)
    return Timing(
        f"PushPull of {len(_TABLE)}",
        len(data),
        _nanoseconds(lambda: encode_push_pull(_TABLE, is_join=False), share),
        _nanoseconds(lambda: StreamDecoder().feed(data), share),
        _nanoseconds(lambda: msgpack.packb(maps, use_bin_type=False), share),
        _nanoseconds(lambda: msgpack.unpackb(packed, raw=True), share),
    )


def _nanoseconds(call: Callable[[], object], share: float, rounds: int = 5) -> float:
    count = 1
    while (took := _time(call, count)) < share / rounds / 2 * 1e9:
        count *= 2
    return min(took, *(_time(call, count) for _ in range(rounds - 1))) / count


def _time(call: Callable[[], object], count: int) -> int:
    begun = time.perf_counter_ns()
    for _ in range(count):
        call()
    return time.perf_counter_ns() - begun
