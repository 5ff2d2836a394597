"""The layers of a packet: a CRC outermost, then compress and compound in any order, then messages.

Label and encryption, when they come, go outside the CRC: they turn a datagram into what `decode_packet`
takes, and the other way round.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from membership.errors import DecodeError
from membership.wire import lzw
from membership.wire.codec import Fields, pack, unpack
from membership.wire.messages import Message, MessageType, decode

PARTS_MAX = 255
"""The count is one octet; old members overflow it, we split."""
PART_OVERHEAD_OCTETS = 2
COMPOUND_OVERHEAD_OCTETS = 2
DECOMPRESSED_OCTETS_MAX = 1 << 18
"""For all of a packet together: four times the largest datagram, so that no small packet costs much."""
COMPRESSED_OCTETS_MAX = 1 << 20
"""Of one message: room for the table of thousands of members, and everything else waits while it is expanded."""
_NESTING_MAX = 8
_CRC_HEADER_OCTETS = 5
_COMPRESS = (b"Algo", b"Buf")
_ALGO_LZW = 0
_WRAPPERS = frozenset((MessageType.HAS_CRC, MessageType.COMPRESS, MessageType.COMPOUND))


def decode_packet(data: bytes) -> list[Message | DecodeError]:
    """Every message of a packet in its order; a part that is broken spoils no other, so errors are values."""
    if data and data[0] not in _WRAPPERS:
        # Most packets are a bare ping or ack.
        try:
            return [decode(data)]
        except DecodeError as error:
            return [error]
    if len(data) >= _CRC_HEADER_OCTETS and data[0] == MessageType.HAS_CRC:
        if int.from_bytes(data[1:5], "big") != zlib.crc32(data[5:]):
            return [DecodeError("crc-mismatch")]
        data = data[_CRC_HEADER_OCTETS:]
    return list(_decode_nested(data, _Budget(DECOMPRESSED_OCTETS_MAX), 0))


def with_crc(data: bytes) -> bytes:
    """Only for members that say they understand it (PMax of 5 or more)."""
    return b"\x0c" + zlib.crc32(data).to_bytes(4, "big") + data


def compound(parts: Sequence[bytes]) -> bytes:
    """One message of several; a single part stays bare, as memberlist does it."""
    assert 1 <= len(parts) <= PARTS_MAX
    assert all(parts), "an empty part ends old members"
    if len(parts) == 1:
        return parts[0]
    lengths = b"".join(len(part).to_bytes(2, "big") for part in parts)
    return bytes((MessageType.COMPOUND, len(parts))) + lengths + b"".join(parts)


def compress(message: bytes) -> bytes:
    assert message, "a compress of nothing ends old members"
    return b"\x09" + pack({"Algo": _ALGO_LZW, "Buf": lzw.compress(message)})


def decompress(value: object, octets_max: int) -> bytes:
    """The message inside the struct of a compress message."""
    fields = Fields(value, _COMPRESS)
    if fields.integer(b"Algo", 0, 255) != _ALGO_LZW:
        raise DecodeError("unknown-compression")
    message = lzw.decompress(fields.octets(b"Buf", min(octets_max, COMPRESSED_OCTETS_MAX)), octets_max)
    if not message:
        raise DecodeError("empty")
    return message


@dataclass(slots=True)
class _Budget:
    """Decompressed octets that the rest of this packet may still use."""

    octets: int


def _decode_nested(data: bytes, budget: _Budget, depth: int) -> Iterator[Message | DecodeError]:
    try:
        if depth > _NESTING_MAX:
            raise DecodeError("nested-too-deeply")
        if data and data[0] == MessageType.COMPRESS:
            inner = decompress(unpack(data[1:]), budget.octets)
            budget.octets -= len(inner)
            yield from _decode_nested(inner, budget, depth + 1)
        elif data and data[0] == MessageType.COMPOUND:
            for part in _split(data):
                yield from _decode_nested(part, budget, depth + 1)
            if _is_truncated(data):
                raise DecodeError("compound-truncated")
        else:
            yield decode(data)
    except DecodeError as error:
        yield error


def _split(data: bytes) -> Iterator[bytes]:
    """The whole parts of a compound: a truncated tail loses only the parts that do not fit."""
    start = 2 + 2 * _part_count(data)
    for length in _lengths(data):
        if start + length > len(data):
            return
        yield data[start : start + length]
        start += length


def _is_truncated(data: bytes) -> bool:
    return 2 + 2 * _part_count(data) + sum(_lengths(data)) > len(data)


def _part_count(data: bytes) -> int:
    if len(data) < 2 or len(data) < 2 + 2 * data[1]:
        raise DecodeError("compound-truncated")
    return data[1]


def _lengths(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 2], "big") for at in range(2, 2 + 2 * _part_count(data), 2)]
