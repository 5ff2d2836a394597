from __future__ import annotations

import hashlib

import pytest

from membership.errors import DecodeError
from membership.wire import lzw
from tests.unit.membership.wire.captures import load, octets

CASES = load("lzw")["cases"]


def plain_of(name: str) -> bytes:
    plain = CASES[name]["plain"]
    return octets(plain) if isinstance(plain, str) else octets(plain["repeat"]) * plain["times"]


@pytest.mark.parametrize("name", CASES)
def test_is_gos_lzw(name: str) -> None:
    """Both ways and byte for byte, through every code width and the reset of the table."""
    plain, packed = plain_of(name), octets(CASES[name]["lzw"])

    assert lzw.compress(plain) == packed
    assert lzw.decompress(packed, len(plain)) == plain


def test_stops_at_the_limit() -> None:
    """A small packet cannot make us fill the memory."""
    bomb = lzw.compress(bytes(100_000))

    with pytest.raises(DecodeError, match="decompressed-too-long"):
        lzw.decompress(bomb, 99_999)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "lzw-truncated"),
        (b"\x00\x03", "lzw-truncated"),
        (b"\xff\xff\xff", "lzw-bad-code"),
        ((lzw.CLEAR | lzw.CLEAR << 9 | lzw.END << 18).to_bytes(4, "little"), "lzw-bad-code"),
    ],
)
def test_refuses_what_is_broken(data: bytes, reason: str) -> None:
    """No end code, a code that has no meaning yet, or one that does nothing."""
    with pytest.raises(DecodeError, match=reason):
        lzw.decompress(data, 1000)


def test_goes_on_with_a_full_table() -> None:
    """A sender may go on using a full table; ours clears it, so the codes are written here by hand."""
    literals = hashlib.sha512(b"swimlb").digest() * 80
    bits, position, width, entries = lzw.CLEAR, 9, 9, 258
    for count, literal in enumerate(literals):
        bits |= literal << position
        position += width
        entries += count > 0
        if entries >= (1 << width) and width < 12:
            width += 1
    bits |= lzw.END << position
    data = bits.to_bytes((position + width + 7) // 8, "little")

    assert entries > 4096
    assert lzw.decompress(data, 10_000) == literals
