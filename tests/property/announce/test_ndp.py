"""Whatever arrives as neighbor discovery is read or refused."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from announce.l2.errors import MalformedFrame
from announce.l2.ndp import Flag, MessageType, NdpFrame, decode, encode

MACS = st.binary(min_size=6, max_size=6)
STATIONS = MACS.filter(lambda mac: not mac[0] & 1 and any(mac))
UNICAST = st.binary(min_size=16, max_size=16).filter(lambda address: address[0] != 0xFF and any(address))


@given(st.binary(max_size=120))
def test_any_bytes_are_read_or_refused(octets: bytes) -> None:
    """Behind a right header, so that the inner parts are reached too; nothing else is ever raised."""
    header = bytes(12) + b"\x86\xdd" + b"\x60\0\0\0" + len(octets).to_bytes(2, "big") + b"\x3a\xff"

    with suppress(MalformedFrame):
        decode(octets)
    with suppress(MalformedFrame):
        decode(header + octets)


@given(
    MACS,
    STATIONS,
    UNICAST,
    UNICAST,
    st.sampled_from(MessageType),
    st.sampled_from([Flag(0), Flag.OVERRIDE, Flag.SOLICITED | Flag.OVERRIDE, Flag.ROUTER]),
    UNICAST,
    st.none() | STATIONS,
)
def test_reads_what_it_has_written(
    destination: bytes,
    source: bytes,
    source_address: bytes,
    destination_address: bytes,
    message: MessageType,
    flags: Flag,
    target: bytes,
    link_layer: bytes | None,
) -> None:
    """Every field survives."""
    flags = flags if message is MessageType.ADVERTISEMENT else Flag(0)
    frame = NdpFrame(
        destination, source, source_address, destination_address, message, flags, target, link_layer
    )

    assert decode(encode(frame)) == frame


@given(UNICAST, UNICAST, UNICAST, STATIONS, st.integers(22 * 8, 86 * 8 - 1))
def test_a_flipped_bit_is_noticed(
    source_address: bytes, destination_address: bytes, target: bytes, link_layer: bytes, bit: int
) -> None:
    """In the addresses or in the message: the checksum covers both."""
    frame = NdpFrame(
        link_layer,
        link_layer,
        source_address,
        destination_address,
        MessageType.SOLICITATION,
        Flag(0),
        target,
        link_layer,
    )
    octets = bytearray(encode(frame))

    octets[bit // 8] ^= 1 << bit % 8

    try:
        decode(bytes(octets))
    except MalformedFrame:
        return
    raise AssertionError("the frame was believed")
