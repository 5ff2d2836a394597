from __future__ import annotations

import pytest

from membership.errors import DecodeError
from membership.wire.codec import pack
from membership.wire.messages import Ack, User, encode
from membership.wire.packet import compress
from membership.wire.stream import Err, NodeState, StreamDecoder, encode_err, encode_push_pull, encode_user

ROW = NodeState("node-a", bytes((192, 0, 2, 1)), 7946, b"meta", 3, 0, bytes((1, 5, 2, 0, 0, 0)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x63", "unknown-type"),
        (b"\xf4\x06ring-a", "unknown-type"),
        (b"\x0a\x00\x00\x00\x20", "unknown-type"),
        (b"\x06" + pack({"Nodes": 2**31}), "number-out-of-range"),
        (b"\x06" + pack({"UserStateLen": -1}), "number-out-of-range"),
        (b"\x08" + pack({"UserMsgLen": 2**30}), "number-out-of-range"),
        (b"\x06\x81\xa5Nodes\xdd\xff\xff\xff\xff", "bad-msgpack"),
        (b"\x06" + pack({"Nodes": 1}) + b"\x05", "not-a-struct"),
        (b"\x06" + pack({str(number): 0 for number in range(65)}), "bad-msgpack"),
        (b"\x09" + pack({"Algo": 0, "Buf": bytes((1 << 20) + 1)}), "bytes-too-long"),
        (compress(compress(encode(Ack(1)))), "nested-too-deeply"),
        (compress(encode_push_pull([ROW], is_join=True)[:-1]), "message-truncated"),
    ],
)
def test_refuses_at_once(data: bytes, reason: str) -> None:
    """A length that promises more than the limit is not waited for."""
    with pytest.raises(DecodeError, match=reason):
        StreamDecoder(octets_max=1 << 21).feed(data)


def test_refuses_more_octets_than_allowed() -> None:
    """However slowly they come."""
    decoder = StreamDecoder(octets_max=1000)
    decoder.feed(encode_push_pull([ROW] * 100, is_join=True)[:999])

    with pytest.raises(DecodeError, match="stream-too-long"):
        decoder.feed(bytes(2))


def test_user_messages_and_errors() -> None:
    """The two that have a form of their own on streams."""
    assert StreamDecoder().feed(encode_user(b"hello")) == User(b"hello")
    assert StreamDecoder().feed(encode_err("no")) == Err("no")
