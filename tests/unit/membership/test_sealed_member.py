"""A member with a key, a label or compression: what it sends, and what it does about those that have another."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from membership import (
    CloseStream,
    Config,
    Effect,
    Encryption,
    EncryptionChanged,
    Endpoint,
    InvalidConfig,
    JoinRequested,
    Keyring,
    MemberJoined,
    Memberlist,
    OpenStream,
    PacketDropped,
    PacketReceived,
    Profile,
    SeedsChanged,
    SendPacket,
    SendStream,
    Started,
    StreamAccepted,
    StreamEnded,
    StreamReceived,
    lan,
)
from membership.envelope import Envelope
from membership.opener import StreamOpener
from membership.wire.messages import Ack, MessageType, Ping, encode
from membership.wire.packet import decode_packet
from membership.wire.stream import Err, NodeState, PushPull, encode_push_pull
from tests.unit.membership.playbook import CALM, VERSIONS, alive, endpoint, octets, told

KEY, OTHER_KEY = bytes(range(32)), bytes(16)
SOURCE = Endpoint("192.0.2.2", 40_000)


def envelope(key: bytes = KEY, label: str = "ring-a") -> Envelope:
    keyring = Keyring((key,) if key else ())
    return Envelope(label.encode(), Encryption(keyring=keyring), lambda: bytes(12), compression=False)


class Sealed:
    """`node-a`, with a key and the label `ring-a` unless told otherwise."""

    def __init__(self, key: bytes = KEY, label: str = "ring-a", profile: Profile = CALM) -> None:
        self._nonces = Random(1)
        self.memberlist = Memberlist(
            Config(
                name="node-a",
                address="192.0.2.1",
                profile=profile,
                label=label,
                encryption=Encryption(keyring=Keyring((key,) if key else ())),
            ),
            Random(1),
            nonces=lambda: self._nonces.randbytes(12),
        )
        self.memberlist.step(Started(), 0.0)

    def receive(self, packet: bytes) -> list[Effect]:
        return self.memberlist.step(PacketReceived(endpoint(2), packet), 1.0)

    def dialled(self, data: bytes) -> list[Effect]:
        accepted = self.memberlist.step(StreamAccepted(-1, SOURCE), 1.0)
        return accepted + self.memberlist.step(StreamReceived(-1, data), 1.0)


TABLE = encode_push_pull([NodeState("node-b", octets(2), 7946, b"", 1, 0, VERSIONS)], is_join=True)


def test_packets_are_sealed_both_ways() -> None:
    """A ping under key and label gets its ack under them."""
    member = Sealed()

    (reply,) = member.receive(envelope().close_packet(encode(Ping(7, "node-a")), has_crc=False))

    assert isinstance(reply, SendPacket)
    assert decode_packet(envelope().open_packet(reply.payload)) == [Ack(7)]


def test_streams_are_sealed_both_ways() -> None:
    """The request bears the label, the answer does not; both are sealed with it."""
    member = Sealed()

    effects = member.dialled(envelope().close_stream(TABLE, is_request=True))
    dialling = member.memberlist.step(JoinRequested((endpoint(3),)), 2.0)

    (answer,) = told(effects, SendStream)
    assert isinstance(StreamOpener(envelope(), is_request=False).feed(answer.payload), PushPull)
    assert [joined.member.name for joined in told(effects, MemberJoined)] == ["node-b"]
    (request,) = told(dialling, OpenStream)
    assert isinstance(StreamOpener(envelope(), is_request=True).feed(request.payload), PushPull)


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (encode(alive("node-b")), "label-missing"),
        (envelope(b"").close_packet(encode(alive("node-b")), has_crc=False), "unknown-encryption"),
        (envelope(OTHER_KEY).close_packet(encode(alive("node-b")), has_crc=False), "undecryptable"),
        (envelope(label="ring-b").close_packet(encode(alive("node-b")), has_crc=False), "label-mismatch"),
    ],
)
def test_packets_of_others_change_nothing(packet: bytes, reason: str) -> None:
    """They are refused whole, with one reason, and without an answer."""
    member = Sealed()

    effects = member.receive(packet)

    assert effects == [PacketDropped(endpoint(2), reason)]
    assert [known.name for known in member.memberlist.known()] == ["node-a"]


@pytest.mark.parametrize(
    ("stream", "reason", "text"),
    [
        (
            envelope(b"").close_stream(TABLE, is_request=True),
            "not-encrypted",
            "Encryption is configured but remote state is not encrypted",
        ),
        (
            envelope(OTHER_KEY).close_stream(TABLE, is_request=True),
            "undecryptable",
            "No installed keys could decrypt the message",
        ),
    ],
)
def test_streams_of_others_are_told_why(stream: bytes, reason: str, text: str) -> None:
    """In memberlist's words, and sealed: whoever has no key does not learn it from the answer."""
    member = Sealed()

    effects = member.dialled(stream)

    dropped, answer, closing = effects
    assert (dropped, closing) == (PacketDropped(SOURCE, reason), CloseStream(-1))
    assert isinstance(answer, SendStream)
    assert StreamOpener(envelope(), is_request=False).feed(answer.payload) == Err(text)
    assert [known.name for known in member.memberlist.known()] == ["node-a"]


def test_streams_of_another_ring_are_just_closed() -> None:
    """As memberlist does: a label that differs is nobody's mistake that could be explained."""
    effects = Sealed().dialled(envelope(label="ring-b").close_stream(TABLE, is_request=True))

    assert effects == [PacketDropped(SOURCE, "label-mismatch"), CloseStream(-1)]


def test_a_refused_join_names_the_reason() -> None:
    """On the side that dials, too."""
    member = Sealed()
    member.memberlist.step(JoinRequested((endpoint(3),)), 1.0)

    effects = member.memberlist.step(
        StreamReceived(1, envelope(b"").close_stream(TABLE, is_request=False)), 1.1
    )

    assert PacketDropped(endpoint(3), "not-encrypted") in effects


def test_other_keys_hold_from_the_next_packet_on() -> None:
    """What was read before the change is read no more, when the old key is gone."""
    member = Sealed()
    ping = encode(Ping(7, "node-a"))

    member.memberlist.step(EncryptionChanged(Encryption(keyring=Keyring((OTHER_KEY,)))), 1.0)

    assert isinstance(member.receive(envelope(OTHER_KEY).close_packet(ping, has_crc=False))[0], SendPacket)
    refused = member.receive(envelope().close_packet(ping, has_crc=False))
    assert refused == [PacketDropped(endpoint(2), "undecryptable")]


def test_packets_keep_to_their_size() -> None:
    """Full ones, too: label and seal are taken off what messages get, and only the CRC comes on top."""
    member = Sealed(label="x" * 100)
    outer = envelope(label="x" * 100)
    rows = [
        NodeState(f"node-{number}", octets(number), 7946, bytes(60), 1, 0, VERSIONS)
        for number in range(2, 40)
    ]

    effects = member.dialled(outer.close_stream(encode_push_pull(rows, is_join=True), is_request=True))
    while (due := member.memberlist.next_deadline()) is not None and due < 3:
        effects += member.memberlist.advance(due)

    sizes = [len(packet.payload) for packet in told(effects, SendPacket)]
    assert 1280 < max(sizes) <= 1405


def test_compression_by_itself() -> None:
    """memberlist's own profiles have it: streams always, packets when they get smaller, which a ping does not."""
    member = Sealed(b"", "", replace(lan(), push_pull_interval=1000.0))

    (ack,) = told(member.receive(encode(Ping(7, "node-a"))), SendPacket)
    (answer,) = told(member.dialled(TABLE), SendStream)

    assert ack == SendPacket(endpoint(2), encode(Ack(7)))
    assert isinstance(StreamOpener(envelope(b"", ""), is_request=False).feed(answer.payload), PushPull)
    assert answer.payload[0] == MessageType.COMPRESS


def test_seeds_that_change_are_joined_and_forgotten() -> None:
    """Only new ones are dialled; those that are gone are not asked any more."""
    member = Sealed(profile=replace(CALM, reconnect_interval=1.0))

    first = member.memberlist.step(SeedsChanged((endpoint(2), endpoint(3))), 1.0)
    same = member.memberlist.step(SeedsChanged((endpoint(3), endpoint(2))), 1.1)
    changed = member.memberlist.step(SeedsChanged((endpoint(3), endpoint(4))), 1.2)
    for stream in (1, 2, 3):
        member.memberlist.step(StreamEnded(stream), 1.3)

    def asked_until(end: float) -> set[Endpoint]:
        asked: set[Endpoint] = set()
        while (due := member.memberlist.next_deadline()) is not None and due < end:
            asked |= {packet.target for packet in told(member.memberlist.advance(due), SendPacket)}
        return asked

    asked = asked_until(20.0)
    # One of the two has just been asked, and the other one was next.
    one = asked_until(21.0)
    member.memberlist.step(SeedsChanged(()), 21.0)

    dialled = [[stream.target for stream in told(effects, OpenStream)] for effects in (first, same, changed)]
    assert dialled == [[endpoint(2), endpoint(3)], [], [endpoint(4)]]
    assert asked == {endpoint(3), endpoint(4)}
    assert len(one) <= 1
    assert asked_until(40.0) == set()


@pytest.mark.parametrize(("label", "hint"), [("x" * 256, "255 octets"), ("x" * 154, "packet_octets_max")])
def test_labels_that_cannot_be(label: str, hint: str) -> None:
    """Beyond what the header can say, or what leaves room for the longest message."""
    with pytest.raises(InvalidConfig, match=hint):
        Config(name="node-a", address="192.0.2.1", label=label)
