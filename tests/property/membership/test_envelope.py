"""Whatever is put into an envelope comes out of another one with the same keys, and of no other."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import assume, given
from hypothesis import strategies as st

from membership.envelope import Envelope
from membership.errors import DecodeError
from membership.keyring import Encryption, Keyring
from membership.opener import StreamOpener
from membership.wire.crypto import SealVersion
from membership.wire.label import overhead
from membership.wire.messages import User, encode
from membership.wire.packet import decode_packet
from membership.wire.stream import encode_user

KEYS = (bytes(range(16)), bytes(range(24)), bytes(range(32)))

keyrings = st.permutations(KEYS).flatmap(
    lambda keys: st.integers(0, 3).map(lambda count: Keyring(tuple(keys[:count])))
)
labels = st.binary(max_size=20)
nonces = st.binary(min_size=12, max_size=12)


@st.composite
def envelopes(draw: st.DrawFn, keyring: Keyring | None = None) -> Envelope:
    encryption = Encryption(
        keyring=draw(keyrings) if keyring is None else keyring, version=draw(st.sampled_from(SealVersion))
    )
    nonce = draw(nonces)
    return Envelope(draw(labels), encryption, lambda: nonce, compression=draw(st.booleans()))


@given(envelopes(), st.binary(max_size=300), st.booleans())
def test_packets_survive(envelope: Envelope, payload: bytes, has_crc: bool) -> None:
    """Through all layers; and a packet grows by no more than is counted for them, the CRC aside."""
    message = encode(User(payload))

    closed = envelope.close_packet(message, has_crc=has_crc)

    assert decode_packet(envelope.open_packet(closed)) == [User(payload)]
    assert len(closed) <= len(message) + envelope.overhead + 5 * has_crc


@given(envelopes(), st.binary(max_size=300), st.booleans(), st.integers(1, 50))
def test_streams_survive(envelope: Envelope, payload: bytes, is_request: bool, piece: int) -> None:
    """In pieces of any size, with nothing before the last one."""
    closed = envelope.close_stream(encode_user(payload), is_request=is_request)
    opener = StreamOpener(envelope, is_request=is_request)

    got = [opener.feed(closed[at : at + piece]) for at in range(0, len(closed), piece)]

    assert got == [None] * (len(got) - 1) + [User(payload)]


@given(st.data(), st.binary(min_size=1, max_size=100), st.integers(0), st.integers(1, 255))
def test_a_sealed_packet_that_was_touched_is_refused(
    data: st.DataObject, payload: bytes, at: int, flip: int
) -> None:
    """One octet anywhere, in the label as well; only the version is authenticated by nothing, as in memberlist."""
    envelope = data.draw(envelopes(Keyring(KEYS[:1])))
    closed = bytearray(envelope.close_packet(encode(User(payload)), has_crc=True))
    assume(at % len(closed) != overhead(envelope.label))
    closed[at % len(closed)] ^= flip

    with suppress(DecodeError):
        envelope.open_packet(bytes(closed))
        raise AssertionError("it was opened")


@given(envelopes(), st.binary(max_size=100), st.booleans())
def test_any_octets_open_or_are_refused(envelope: Envelope, data: bytes, is_request: bool) -> None:
    """By DecodeError and nothing else."""
    with suppress(DecodeError):
        envelope.open_packet(data)
    with suppress(DecodeError):
        StreamOpener(envelope, is_request=is_request).feed(data)
