"""LZW as Go's `compress/lzw` does it with LSB bit order and 8-bit literals, byte for byte.

Codes start 9 bits wide and grow to 12. 256 clears the table, 257 ends the data. There is no TIFF-style
early change of the width: it grows once the counter *equals* 2 ** width, as in GIF.
"""

from __future__ import annotations

from membership.errors import DecodeError

CLEAR = 256
END = 257
_WIDTH_MIN = 9
_WIDTH_MAX = 12
_COUNTER_FULL = (1 << _WIDTH_MAX) - 1
_LITERALS = tuple(bytes((value,)) for value in range(256))


def decompress(data: bytes, octets_max: int) -> bytes:
    """Expand `data`, or raise DecodeError when it is broken or would grow beyond `octets_max`."""
    output = bytearray()
    table: list[bytes] = [*_LITERALS, b"", b""]
    width, previous = _WIDTH_MIN, b""
    bits = bit_count = 0
    is_cleared = False
    for octet in data:
        bits |= octet << bit_count
        bit_count += 8
        if bit_count < width:
            continue
        code = bits & ((1 << width) - 1)
        bits >>= width
        bit_count -= width
        if code == END:
            return bytes(output)
        if code == CLEAR:
            if is_cleared:
                # Nobody sends it, and it would cost time without a limit: no output counts against it.
                raise DecodeError("lzw-bad-code")
            is_cleared = True
            del table[258:]
            width, previous = _WIDTH_MIN, b""
            continue
        is_cleared = False
        entry = _entry(table, code, previous)
        output += entry
        if len(output) > octets_max:
            raise DecodeError("decompressed-too-long")
        # A full table stays in use until the sender clears it.
        if previous and len(table) <= _COUNTER_FULL:
            table.append(previous + entry[:1])
        previous = entry
        if len(table) >= (1 << width) and width < _WIDTH_MAX:
            width += 1
    raise DecodeError("lzw-truncated")


def _entry(table: list[bytes], code: int, previous: bytes) -> bytes:
    """What a code stands for; the code being defined right now is its prefix and that prefix's first octet."""
    if code < len(table):
        return table[code]
    if code == len(table) and previous:
        return previous + previous[:1]
    raise DecodeError("lzw-bad-code")


def compress(data: bytes) -> bytes:
    """Compress `data` into the very bytes that Go's encoder makes of it."""
    writer = _BitWriter()
    writer.write(CLEAR)
    # By prefix code and next octet in one number, which is what makes this loop quick.
    table: dict[int, int] = {}
    octets = iter(data)
    prefix = next(octets, None)
    if prefix is None:
        writer.write(END)
        return writer.finish()
    for octet in octets:
        longer = prefix << 8 | octet
        if (code := table.get(longer)) is not None:
            prefix = code
            continue
        writer.write(prefix)
        if (number := writer.count()) is None:
            table.clear()
        else:
            table[longer] = number
        prefix = octet
    writer.write(prefix)
    writer.count()
    writer.write(END)
    return writer.finish()


class _BitWriter:
    """Writes codes of the current width, and keeps the counter that the width follows."""

    def __init__(self) -> None:
        self._output = bytearray()
        self._bits = 0
        self._bit_count = 0
        self._width = _WIDTH_MIN
        self._counter = END

    def write(self, code: int) -> None:
        self._bits |= code << self._bit_count
        self._bit_count += self._width
        while self._bit_count >= 8:
            self._output.append(self._bits & 0xFF)
            self._bits >>= 8
            self._bit_count -= 8

    def count(self) -> int | None:
        """Raise the counter after a data code: the number to define, or None when the table was cleared."""
        self._counter += 1
        if self._counter == 1 << self._width and self._counter <= _COUNTER_FULL:
            self._width += 1
        if self._counter == _COUNTER_FULL:
            self.write(CLEAR)
            self._width, self._counter = _WIDTH_MIN, END
            return None
        return self._counter

    def finish(self) -> bytes:
        if self._bit_count:
            self._output.append(self._bits & 0xFF)
        return bytes(self._output)
