"""What is fuzzed: each target takes any bytes and asserts what must hold whatever they are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from membership.errors import DecodeError
from membership.wire import lzw
from membership.wire.messages import encode
from membership.wire.packet import DECOMPRESSED_OCTETS_MAX, decode_packet
from membership.wire.stream import StreamDecoder
from tests.fuzz import bgp
from tests.fuzz.bfd import bfd
from tests.fuzz.bgp_peer import peer
from tests.fuzz.machine import machine
from tests.fuzz.sealed import sealed

_STREAM_OCTETS_MAX = 1 << 20


def packet(data: bytes) -> None:
    """Every part decodes or is refused; what decodes can be said again, and is then understood the same."""
    for item in decode_packet(data):
        if not isinstance(item, DecodeError):
            assert decode_packet(encode(item)) == [item]


def stream(data: bytes) -> None:
    """Like a whole, also octet by octet; a length that promises gigabytes is refused before they come."""
    whole = _stream_outcome(data, max(1, len(data)))
    # What follows a complete message is nobody's business, so only the outcome at its end is compared.
    pieces = _stream_outcome(data, 1 + data[0] % 7 if data else 1)

    assert (whole is None) == (pieces is None)


def _stream_outcome(data: bytes, size: int) -> object:
    decoder = StreamDecoder(octets_max=_STREAM_OCTETS_MAX)
    try:
        for at in range(0, len(data), size):
            if (message := decoder.feed(data[at : at + size])) is not None:
                return message
    except DecodeError as error:
        return error
    return None


def lzw_codes(data: bytes) -> None:
    """Nothing grows beyond its limit, and what we compress is what comes out again."""
    with suppress(DecodeError):
        assert len(lzw.decompress(data, DECOMPRESSED_OCTETS_MAX)) <= DECOMPRESSED_OCTETS_MAX

    assert lzw.decompress(lzw.compress(data), len(data)) == data


FUNCTIONS: dict[str, Callable[[bytes], None]] = {
    "packet": packet,
    "stream": stream,
    "lzw": lzw_codes,
    "sealed": sealed,
    "machine": machine,
    "bfd": bfd,
    "bgp-message": bgp.message,
    "bgp-stream": bgp.stream,
    "bgp-peer": peer,
}
