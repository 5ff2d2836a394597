"""Every packet captured from real members decodes to what it says, and our encoders make the same bytes."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from membership import (
    CloseStream,
    Config,
    Effect,
    Endpoint,
    Memberlist,
    PacketReceived,
    SendPacket,
    SendStream,
    StreamAccepted,
    StreamReceived,
)
from membership.wire.packet import decode_packet
from membership.wire.stream import StreamDecoder
from tests.unit.membership.wire.captures import (
    captured,
    leaves,
    load,
    octets,
    rebuild,
    rebuild_any,
    stream_message,
)

ACCEPTANCE = load("acceptance")
PEER_NAME = "peer-with-a-name-longer-than-31-bytes"


def test_packets_decode() -> None:
    """Through CRC, compression and compounds, to the very messages."""
    for packet in captured("udp"):
        assert decode_packet(octets(packet["hex"])) == list(leaves(packet["message"])), packet["shape"]


def test_packets_are_encoded_byte_for_byte() -> None:
    """Keys in the same order, numbers of the same width, LZW with the same codes."""
    for packet in captured("udp"):
        assert rebuild(packet["message"]).hex() == packet["hex"], packet["shape"]


def test_streams_decode() -> None:
    """Whether they come in one piece or octet by octet."""
    for packet in captured("tcp"):
        data = octets(packet["hex"])
        expected = stream_message(packet["message"])
        decoder = StreamDecoder()

        in_pieces = [decoder.feed(data[at : at + 1]) for at in range(len(data))]

        assert StreamDecoder().feed(data) == expected, packet["shape"]
        assert in_pieces == [None] * (len(data) - 1) + [expected], packet["shape"]


def test_streams_are_encoded_byte_for_byte() -> None:
    """The same for tables and what else goes by TCP."""
    for packet in captured("tcp"):
        assert rebuild_any(packet["message"]).hex() == packet["hex"], packet["shape"]


def peer() -> Memberlist:
    return Memberlist(Config(name=PEER_NAME, address="127.77.15.1"), Random(1))


@pytest.mark.parametrize("name", ACCEPTANCE["udp"])
def test_packets_are_accepted_as_memberlist_accepts_them(name: str) -> None:
    """Right and wrong ones: we answer what 0.2.2 and 0.5.1 answer, and are silent where they are."""
    case: Any = ACCEPTANCE["udp"][name]

    effects = peer().step(PacketReceived(Endpoint("127.77.15.9", 7946), octets(case["request"])), 1.0)

    answers = [effect.payload.hex() for effect in effects if isinstance(effect, SendPacket)]
    assert answers == list(filter(None, [case["answer"].get("0.5.1")]))


def test_streams_are_accepted_as_memberlist_accepts_them() -> None:
    """A ping is answered in kind, a push/pull with a table; what cannot be served is closed, not waited on."""
    requests = {name: octets(case["request"]) for name, case in ACCEPTANCE["tcp"].items() if case["request"]}

    answers = {name: answer_to(request) for name, request in requests.items()}

    assert {name for name, answer in answers.items() if answer[:1] == b"\x02"} == {"ping", "ping compressed"}
    assert {name for name, answer in answers.items() if answer[:1] == b"\x06"} == {
        "push/pull 1 node",
        "push/pull new-spec msgpack",
        "push/pull 200 left nodes",
        "push/pull of none",
    }
    for name, answer in answers.items():
        # The same kind of answer, or none: refusals are explained only where memberlist explains them.
        assert answer[:1].hex() == ACCEPTANCE["tcp"][name]["answer"]["0.5.1"][:2], name
    for name in ("encrypted stream to a node without key", "ping", "ping compressed"):
        assert answers[name].hex() == ACCEPTANCE["tcp"][name]["answer"]["0.5.1"]


def answer_to(request: bytes) -> bytes:
    """What we send on a stream with this request; in any case we close it."""
    memberlist = peer()
    effects: list[Effect] = memberlist.step(StreamAccepted(-1, Endpoint("127.77.15.9", 40_000)), 1.0)
    effects += memberlist.step(StreamReceived(-1, request), 1.0)
    assert CloseStream(-1) in effects
    return b"".join(effect.payload for effect in effects if isinstance(effect, SendStream))
