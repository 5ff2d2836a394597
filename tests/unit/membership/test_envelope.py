"""Captured packets under keys and labels open to what they say, and close to the same bytes again."""

from __future__ import annotations

from typing import Any

import pytest

from membership.envelope import Envelope
from membership.errors import DecodeError
from membership.keyring import Encryption, Keyring
from membership.opener import StreamOpener
from membership.wire.crypto import SealVersion
from membership.wire.messages import Ack, Ping, User, encode
from membership.wire.packet import compress, decode_packet
from membership.wire.stream import NodeState, PushPull, encode_push_pull, encode_user
from tests.unit.membership.wire.captures import (
    FULL_CAPTURES,
    WRAPPED_CAPTURES,
    leaves,
    load,
    octets,
    rebuild,
    rebuild_any,
    stream_message,
)

KEY = bytes(range(32))
NONCE = bytes(12)


def envelope(
    *keys: bytes,
    label: bytes = b"",
    nonce: bytes = NONCE,
    version: SealVersion = SealVersion.UNPADDED,
    compression: bool = False,
    verify_incoming: bool = True,
    verify_outgoing: bool = True,
) -> Envelope:
    encryption = Encryption(
        keyring=Keyring(keys),
        verify_incoming=verify_incoming,
        verify_outgoing=verify_outgoing,
        version=version,
    )
    return Envelope(label, encryption, lambda: nonce, compression=compression)


def of_capture(capture: Any, packet: Any, *, compression: bool = False) -> Envelope:
    """An envelope with the keys, the label, and the nonce of a captured packet."""
    encryption: Any = packet.get("encryption") or {"version": 1, "nonce": NONCE.hex()}
    return envelope(
        *map(octets, capture["keys"]),
        label=capture["label"].encode(),
        nonce=octets(encryption["nonce"]),
        version=SealVersion(encryption["version"]),
        compression=compression,
    )


@pytest.mark.parametrize("name", WRAPPED_CAPTURES)
def test_captured_packets_open(name: str) -> None:
    """By key and label, to the plaintext, and that to the very messages."""
    capture = load(name)
    packets = [packet for packet in capture["packets"] if packet["transport"] == "udp"]
    assert len(packets) > 20

    for packet in packets:
        plaintext = of_capture(capture, packet).open_packet(octets(packet["hex"]))

        if "encryption" in packet:
            assert plaintext.hex() == packet["encryption"]["plaintext"]
        assert decode_packet(plaintext) == list(leaves(packet["message"])), packet["shape"]


@pytest.mark.parametrize("name", WRAPPED_CAPTURES)
def test_captured_packets_close_byte_for_byte(name: str) -> None:
    """From the messages alone, and the nonce."""
    capture = load(name)

    for packet in capture["packets"]:
        if packet["transport"] == "udp":
            closed = of_capture(capture, packet).close_packet(rebuild(packet["message"]), has_crc=False)
            assert closed.hex() == packet["hex"], packet["shape"]


@pytest.mark.parametrize("name", WRAPPED_CAPTURES)
def test_the_layers_close_in_memberlists_order(name: str) -> None:
    """Compression only where it makes a packet smaller, then the CRC: what the peer did is what we do by ourselves."""
    capture = load(name)

    for packet in capture["packets"]:
        if packet["transport"] == "udp":
            tree = packet["message"]
            has_crc = tree["name"] == "hasCrc"
            bare = tree["inner"] if has_crc else tree
            message = rebuild(bare["inner"]) if bare["name"] == "compress" else rebuild(bare)
            closed = of_capture(capture, packet, compression=True).close_packet(message, has_crc=has_crc)
            assert closed.hex() == packet["hex"], packet["shape"]


@pytest.mark.parametrize("name", WRAPPED_CAPTURES)
def test_captured_streams_open(name: str) -> None:
    """Requests begin with the label, answers do not; in one piece or octet by octet."""
    capture = load(name)

    for packet in capture["packets"]:
        if packet["transport"] == "tcp":
            data, expected = octets(packet["hex"]), stream_message(packet["message"])
            outer, is_request = of_capture(capture, packet), packet["dst"].endswith(":7946")
            opener = StreamOpener(outer, is_request=is_request)

            in_pieces = [opener.feed(data[at : at + 1]) for at in range(len(data))]

            assert StreamOpener(outer, is_request=is_request).feed(data) == expected, packet["shape"]
            assert in_pieces == [None] * (len(data) - 1) + [expected], packet["shape"]


@pytest.mark.parametrize("name", WRAPPED_CAPTURES)
def test_captured_streams_close_byte_for_byte(name: str) -> None:
    """The length that is authenticated is the one that the seal then has."""
    capture = load(name)

    for packet in capture["packets"]:
        if packet["transport"] == "tcp":
            is_request = packet["dst"].endswith(":7946")
            outer = of_capture(capture, packet)
            closed = outer.close_stream(rebuild_any(packet["message"]), is_request=is_request)
            assert closed.hex() == packet["hex"], packet["shape"]
            # On streams it compresses by itself always, though some grow by it.
            compressing = of_capture(capture, packet, compression=True)
            inner = rebuild_any(packet["message"]["inner"])
            assert compressing.close_stream(inner, is_request=is_request).hex() == packet["hex"]


@pytest.mark.parametrize("name", FULL_CAPTURES)
def test_whole_runs_open(name: str) -> None:
    """Every packet and every stream of two minutes of serf, none refused in any part."""
    capture = load(name)
    outer = envelope(*map(octets, capture["keys"]))

    for _, transport, _, target, data in capture["packets"]:
        if transport == "udp":
            decoded = decode_packet(outer.open_packet(octets(data)))
            assert decoded
            assert not [item for item in decoded if isinstance(item, DecodeError)], data
        else:
            opener = StreamOpener(outer, is_request=target.endswith(":7946"))
            assert opener.feed(octets(data)) is not None


def test_every_key_of_the_ring_opens() -> None:
    """The primary is tried first, but a packet under any other is as good."""
    old, new = bytes(16), bytes(range(24))
    under_old = envelope(old).close_packet(encode(Ack(7)), has_crc=True)

    assert decode_packet(envelope(new, old).open_packet(under_old)) == [Ack(7)]


def test_the_primary_seals() -> None:
    """And no other: whoever lacks it does not read."""
    closed = envelope(KEY, bytes(16)).close_packet(encode(Ack(7)), has_crc=False)

    assert envelope(KEY).open_packet(closed) == encode(Ack(7))
    with pytest.raises(DecodeError, match="undecryptable"):
        envelope(bytes(16)).open_packet(closed)


def test_a_change_of_keys_holds_at_once() -> None:
    """For what is closed and what is opened from then on."""
    outer = envelope(KEY)
    outer.change(Encryption(keyring=Keyring((bytes(16), KEY))))

    closed = outer.close_packet(encode(Ack(7)), has_crc=False)

    assert envelope(bytes(16)).open_packet(closed) == encode(Ack(7))
    assert outer.open_packet(envelope(KEY).close_packet(encode(Ack(7)), has_crc=False)) == encode(Ack(7))


PING = encode(Ping(99, "node-a"))
SEALED = envelope(KEY).close_packet(PING, has_crc=False)
LABELLED = envelope(KEY, label=b"ring-a").close_packet(PING, has_crc=False)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "sealed-too-short"),
        (PING, "sealed-too-short"),
        (encode(User(bytes(40))), "unknown-encryption"),
        (SEALED[:28], "sealed-too-short"),
        (b"\x00" + SEALED[1:44], "sealed-too-short"),
        (b"\x02" + SEALED[1:], "unknown-encryption"),
        (SEALED[:-1] + bytes((SEALED[-1] ^ 1,)), "undecryptable"),
        (SEALED + b"\x00", "undecryptable"),
        (b"\x00" + SEALED[1:], "bad-padding"),
        (LABELLED, "label-unexpected"),
    ],
)
def test_packets_refused_by_a_member_with_a_key(data: bytes, reason: str) -> None:
    """Plaintext, too short, of an unknown version, changed on the way, padded wrong, of another ring."""
    with pytest.raises(DecodeError, match=reason):
        envelope(KEY).open_packet(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "label-truncated"),
        (PING, "label-missing"),
        (SEALED, "label-missing"),
        (b"\xf4", "label-truncated"),
        (b"\xf4\x00" + PING, "label-empty"),
        (b"\xf4\x06ring-", "label-truncated"),
        (b"\xf4\x06ring-b" + PING, "label-mismatch"),
        (b"\xf4\x05ring-a" + PING, "label-mismatch"),
        (b"\xf4\x06ring-a" + SEALED, "undecryptable"),
    ],
)
def test_packets_refused_by_a_member_with_a_label(data: bytes, reason: str) -> None:
    """The label is part of what is sealed: moved under another label, a packet does not open."""
    with pytest.raises(DecodeError, match=reason):
        envelope(KEY, label=b"ring-a").open_packet(data)


ROW = NodeState("node-a", bytes((192, 0, 2, 1)), 7946, b"", 1, 0, bytes((1, 5, 2, 0, 0, 0)))
TABLE = encode_push_pull([ROW], is_join=True)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (TABLE[:1], "not-encrypted"),
        (b"\x0a\xff\xff\xff\xff", "stream-too-long"),
        (b"\x0a\x01\x40\x00\x01", "stream-too-long"),
        (b"\x0a\x00\x00\x00\x00", "sealed-too-short"),
        (b"\x0a\x00\x00\x00\x1c\x01", "sealed-too-short"),
        (b"\x0a\x00\x00\x00\x2c\x00", "sealed-too-short"),
        (b"\x0a\x00\x00\x00\x40\x02", "unknown-encryption"),
        (b"\x0a\x00\x00\x00\x20\x01" + bytes(31), "undecryptable"),
        (b"\xf4\x06ring-a", "label-unexpected"),
        (envelope(KEY).close_stream(b"", is_request=True), "empty"),
        (envelope(KEY).close_stream(TABLE[:-1], is_request=True), "message-truncated"),
        (envelope(KEY).close_stream(b"\x0a\x00\x00\x00\x20", is_request=True), "unknown-type"),
        (envelope(KEY).close_stream(compress(compress(TABLE)), is_request=True), "nested-too-deeply"),
    ],
)
def test_streams_refused_by_a_member_with_a_key(data: bytes, reason: str) -> None:
    """As soon as it is certain: a length that promises gigabytes is not waited for."""
    with pytest.raises(DecodeError, match=reason):
        StreamOpener(envelope(KEY), is_request=True).feed(data)


@pytest.mark.parametrize(
    ("label", "is_request", "data", "reason"),
    [
        (b"ring-a", True, TABLE[:1], "label-missing"),
        (b"ring-a", True, b"\xf4\x07", "label-mismatch"),
        (b"ring-a", True, b"\xf4\x06ring-b", "label-mismatch"),
        (b"ring-a", False, b"\xf4\x06ring-a", "label-unexpected"),
        (b"", True, b"\xf4\x06ring-a", "label-unexpected"),
        (b"", True, b"\x0a", "encrypted"),
    ],
)
def test_streams_of_another_ring(label: bytes, is_request: bool, data: bytes, reason: str) -> None:
    """Without a key it is the label that tells rings apart."""
    with pytest.raises(DecodeError, match=reason):
        StreamOpener(envelope(label=label), is_request=is_request).feed(data)


def test_a_sealed_stream_is_capped_before_it_is_held() -> None:
    """The limit is that of streams in plaintext."""
    limit = 1 << 16
    outer = envelope(KEY)
    longest = outer.close_stream(encode_user(bytes(limit - 100)), is_request=True)

    assert StreamOpener(outer, is_request=True, octets_max=limit).feed(longest) == User(bytes(limit - 100))
    with pytest.raises(DecodeError, match="stream-too-long"):
        StreamOpener(outer, is_request=True, octets_max=limit).feed(b"\x0a" + (limit + 1).to_bytes(4, "big"))


def test_from_plaintext_to_encryption() -> None:
    """Each of the three rounds understands the one before and the one after it."""
    plain = envelope()
    knows = envelope(KEY, verify_incoming=False, verify_outgoing=False)
    seals = envelope(KEY, verify_incoming=False)
    strict = envelope(KEY)

    def understands(one: Envelope, other: Envelope) -> bool:
        try:
            packet = other.open_packet(one.close_packet(PING, has_crc=False)) == PING
            table = StreamOpener(other, is_request=True).feed(one.close_stream(TABLE, is_request=True))
            return packet and isinstance(table, PushPull)
        except DecodeError:
            return False

    rounds = [plain, knows, seals, strict]
    matrix = [[understands(one, other) for other in rounds] for one in rounds]

    assert matrix == [
        [True, True, True, False],
        [True, True, True, False],
        [False, True, True, True],
        [False, True, True, True],
    ]


def test_what_is_around_a_message_is_counted() -> None:
    """So that packets keep to their size: label header, version, nonce, tag, and the most that padding adds."""
    assert envelope().overhead == 0
    assert envelope(label=b"ring-a").overhead == 8
    assert envelope(KEY).overhead == 29
    assert envelope(KEY, version=SealVersion.PADDED, label=b"ring-a").overhead == 53
    assert envelope(KEY, verify_outgoing=False).overhead == 0
