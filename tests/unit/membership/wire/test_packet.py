from __future__ import annotations

import pytest

from membership.errors import DecodeError
from membership.wire.messages import Ack, Alive, Dead, Nack, Suspect, encode
from membership.wire.packet import compound, compress, decode_packet, with_crc

ACK = Ack(7)


def outcome(data: bytes) -> list[object]:
    return [item.reason if isinstance(item, DecodeError) else item for item in decode_packet(data)]


def test_a_broken_part_spoils_no_other() -> None:
    """Errors are values, in the place of the part that they are about."""
    data = compound([encode(ACK), b"\x63", encode(Nack(8))])

    assert outcome(data) == [ACK, "unknown-type", Nack(8)]


def test_a_truncated_tail_loses_only_itself() -> None:
    """The parts that are whole count."""
    data = compound([encode(ACK), encode(Nack(8))])[:-1]

    assert outcome(data) == [ACK, "compound-truncated"]


def test_nesting_ends_somewhere() -> None:
    """Wrappers in wrappers are understood, but not without end."""
    data = encode(ACK)
    for _ in range(3):
        data = compress(compound([data, encode(ACK)]))
    assert outcome(data) == [ACK] * 4

    for _ in range(9):
        data = compress(data)
    assert outcome(data) == ["nested-too-deeply"]


def test_all_parts_share_one_budget() -> None:
    """Many small bombs are one large bomb."""
    bomb = compress(b"\x08" + bytes(100_000))

    reasons = outcome(compound([bomb] * 4))[2:]

    assert reasons == ["decompressed-too-long", "decompressed-too-long"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\x07\x01\x00\x00", "empty"),
        (b"\x02", "bad-msgpack"),
        (b"\x02\x05", "not-a-struct"),
        (with_crc(encode(ACK))[:-1], "crc-mismatch"),
        (b"\x02\xdd\xff\xff\xff\xff", "bad-msgpack"),
        (encode(Alive(1, "x" * 513, bytes(4), 1)), "bytes-too-long"),
        (encode(Alive(1, "node-a", bytes(4), 1, meta=bytes(513))), "bytes-too-long"),
        (encode(Suspect(1, "node-a", "node-b")).replace(b"node-a", b"\xff" * 6), "text-not-utf-8"),
        (encode(Dead(1, "node-a", "node-b")).replace(b"\x01", b"\xc3"), "not-a-number"),
    ],
)
def test_refusals_have_reasons(data: bytes, reason: str) -> None:
    """One for each way to be wrong, fit for a metric."""
    assert outcome(data) == [reason]
