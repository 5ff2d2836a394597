"""Whatever comes from the network, a member stays whole: nothing is raised, and only what is valid counts."""

from __future__ import annotations

import zlib
from contextlib import suppress
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from membership import (
    CloseStream,
    PacketDropped,
    PacketReceived,
    SendPacket,
    State,
    StreamAccepted,
    StreamReceived,
)
from membership.errors import DecodeError
from membership.wire import lzw
from membership.wire.messages import (
    Ack,
    Alive,
    Dead,
    IndirectPing,
    Message,
    Nack,
    Ping,
    Suspect,
    User,
    decode,
    encode,
)
from membership.wire.packet import compound, compress, decode_packet, with_crc
from membership.wire.stream import NodeState, PushPull, StreamDecoder, encode_push_pull
from tests.unit.membership.playbook import CALM, Playbook, endpoint
from tests.unit.membership.wire.captures import captured, octets

CAPTURED_PACKETS = [octets(packet["hex"]) for packet in captured("udp")]
CAPTURED_STREAMS = [octets(packet["hex"]) for packet in captured("tcp")]

u32 = st.integers(0, 2**32 - 1)
u16 = st.integers(0, 2**16 - 1)
names = st.one_of(st.sampled_from(["node-a", "node-b", "node-c", ""]), st.text(max_size=20))
addresses = st.one_of(
    st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16), st.binary(max_size=16)
)
versions = st.one_of(st.just(bytes((1, 5, 2, 0, 0, 0))), st.binary(max_size=8))
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Ping, u32, names, addresses, u16, names),
    st.builds(IndirectPing, u32, addresses, u16, names, st.booleans(), addresses, u16, names),
    st.builds(Ack, u32, st.binary(max_size=50)),
    st.builds(Nack, u32),
    st.builds(Suspect, u32, names, names),
    st.builds(Dead, u32, names, names),
    st.builds(Alive, u32, names, addresses, u16, st.binary(max_size=512), versions),
    st.builds(User, st.binary(max_size=100)),
)
rows = st.builds(NodeState, names, addresses, u16, st.binary(max_size=64), u32, st.integers(0, 3), versions)


@st.composite
def mangled(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """A real one with some octets changed, cut or inserted; the CRC is made right again, to get further in."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    if data.startswith(b"\x0c"):
        data[1:5] = zlib.crc32(data[5:]).to_bytes(4, "big")
    return bytes(data)


garbage = st.one_of(st.binary(max_size=200), mangled(CAPTURED_PACKETS), mangled(CAPTURED_STREAMS))


@given(messages)
def test_messages_survive_the_wire(message: Message) -> None:
    """Encoded and decoded again they are the same."""
    assert decode(encode(message)) == message


@given(st.lists(messages, min_size=1, max_size=5), st.booleans(), st.booleans())
def test_packets_survive_the_wire(content: list[Message], is_compressed: bool, has_crc: bool) -> None:
    """The same through all layers."""
    data = compound(list(map(encode, content)))
    data = compress(data) if is_compressed else data
    data = with_crc(data) if has_crc else data

    assert decode_packet(data) == content


@given(st.lists(rows, max_size=5), st.booleans(), st.binary(max_size=50), st.lists(st.integers(1, 40)))
def test_tables_survive_the_wire(
    table: list[NodeState], is_join: bool, user_state: bytes, pieces: list[int]
) -> None:
    """In whatever pieces they come."""
    data = encode_push_pull(table, is_join=is_join, user_state=user_state)
    decoder, at, decoded = StreamDecoder(), 0, None

    for size in [*pieces, len(data)]:
        if decoded is None and at < len(data):
            decoded = decoder.feed(data[at : at + size])
            at += size

    assert decoded == PushPull(tuple(table), is_join, user_state)


@given(st.binary(max_size=3000))
def test_lzw_survives_the_wire(data: bytes) -> None:
    """Any bytes at all."""
    assert lzw.decompress(lzw.compress(data), len(data)) == data


@given(garbage)
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    """By DecodeError and nothing else, also octet by octet."""
    decode_packet(data)
    for size in (1, max(1, len(data))):
        decoder = StreamDecoder(octets_max=1 << 16)
        with suppress(DecodeError):
            for at in range(0, len(data), size):
                if decoder.feed(data[at : at + size]) is not None:
                    break


@given(garbage)
def test_a_packet_that_is_refused_changes_nothing(data: bytes) -> None:
    """Not the table, not a timer; it is reported, and at most answered."""
    play = Playbook("node-b")
    before = play.memberlist.known()
    are_valid = any(not isinstance(item, DecodeError) for item in decode_packet(data))

    effects = play.at(3.0, PacketReceived(endpoint(2), data))

    if not are_valid:
        assert play.memberlist.known() == before
        assert {type(effect) for effect in effects} == {PacketDropped} or not decode_packet(data)


@given(garbage)
def test_a_stream_of_anything_ends_or_waits(data: bytes) -> None:
    """Refused ones are closed and change nothing."""
    play = Playbook("node-b")
    before = play.memberlist.known()
    play.at(3.0, StreamAccepted(-1, endpoint(2)))

    effects = play.at(3.0, StreamReceived(-1, data))

    if any(isinstance(effect, PacketDropped) for effect in effects):
        assert play.memberlist.known() == before
        assert CloseStream(-1) in effects


@settings(max_examples=200)
@given(st.lists(st.tuples(st.floats(0.0, 3.0), messages), max_size=30))
def test_any_valid_messages_in_any_order(scene: list[tuple[float, Message]]) -> None:
    """The table keeps its rules, whatever is said by whom, and time goes on."""
    play = Playbook("node-b", "node-c", profile=replace(CALM, probe_interval=0.5, members_max=10))
    now, incarnations = 3.0, {"node-a": 1}

    for pause, message in scene:
        now += pause
        effects = play.hear(now, message)

        for member in play.memberlist.known():
            assert member.incarnation >= incarnations.get(member.name, 0) or member.state == State.ALIVE
            incarnations[member.name] = member.incarnation
        assert play.memberlist.local.state == State.ALIVE
        assert len(play.memberlist.known()) <= 10
        due = play.memberlist.next_deadline()
        assert due is not None
        for effect in effects:
            if isinstance(effect, SendPacket):
                assert len(effect.payload) <= 1405
                assert not any(isinstance(item, DecodeError) for item in decode_packet(effect.payload))


@given(st.lists(st.floats(0.0, 2.0), max_size=20))
def test_advancing_early_or_twice_is_harmless(moments: list[float]) -> None:
    """The extra calls do nothing that the timely ones would not have done."""
    asked, unasked = Playbook("node-b", profile=replace(CALM, probe_interval=0.5)), 2.0
    plain = Playbook("node-b", profile=replace(CALM, probe_interval=0.5))

    extra = []
    for moment in sorted(moments):
        extra += asked.run_until(unasked + moment)
        extra += asked.memberlist.advance(unasked + moment)
        extra += asked.memberlist.advance(unasked + moment)
    extra += asked.run_until(4.0)

    assert extra == plain.run_until(4.0)
