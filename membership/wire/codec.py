"""msgpack as memberlist speaks it: structs are maps of Go's field names, text and bytes are both raw.

We send what Go sends (old-spec raws, keys in ascending order, nil for no bytes) and accept all that Go
accepts: str8 and bin for raws, nil, missing and unknown fields, any integer width, an array in place of
the map, bytes after it. A value outside its range is refused, and with it the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgpack

from membership.errors import DecodeError

U16_MAX = 0xFFFF
U32_MAX = 0xFFFF_FFFF
NAME_OCTETS_MAX = 512
"""memberlist sets no limit; Kubernetes' node names end at 253."""
META_OCTETS_MAX = 512
"""memberlist's own limit, which it checks only where meta is set."""
VSN_OCTETS_MAX = 16
FIELDS_MAX = 64
"""Of one struct, unknown ones included. Keys can be chosen so that each collides with all others."""

_packer = msgpack.Packer(use_bin_type=False)


def pack(fields: Mapping[str, object] | str | int) -> bytes:
    """Encode a struct, or one value. The caller writes the keys in ascending order, as Go does."""
    return _packer.pack(fields)


def unpack(data: bytes) -> object:
    """Decode the first value; bytes after it are ignored, as Go does."""
    try:
        return cast(
            object,
            msgpack.unpackb(
                data,
                raw=True,
                use_list=False,
                strict_map_key=False,
                max_map_len=FIELDS_MAX,
                max_array_len=FIELDS_MAX,
            ),
        )
    except msgpack.ExtraData as error:
        return cast(object, error.unpacked)
    except (ValueError, TypeError, RecursionError) as error:
        raise DecodeError("bad-msgpack") from error


def new_unpacker(octets_max: int) -> Any:
    """An unpacker for a stream: to be fed, it never holds more than `octets_max`."""
    unpacker = cast(Any, msgpack.Unpacker)
    return unpacker(
        raw=True,
        use_list=False,
        strict_map_key=False,
        read_size=min(16_384, octets_max),
        max_buffer_size=octets_max,
        max_map_len=FIELDS_MAX,
        max_array_len=FIELDS_MAX,
    )


class Fields:
    """The fields of one received struct. A missing or nil field reads as its zero value."""

    __slots__ = ("_values",)

    def __init__(self, value: object, declared: tuple[bytes, ...]) -> None:
        """`declared` is Go's order of declaration, by which the array form is read."""
        if isinstance(value, dict):
            self._values = cast("dict[object, object]", value)
        elif isinstance(value, tuple):
            self._values = dict(zip(declared, cast("tuple[object, ...]", value), strict=False))
        elif value is None:
            self._values = {}
        else:
            raise DecodeError("not-a-struct")

    def integer(self, key: bytes, low: int, high: int) -> int:
        value = self._values.get(key)
        if value is None:
            return 0
        # A bool is an int to Python, but not to Go.
        if not isinstance(value, int) or isinstance(value, bool):
            raise DecodeError("not-a-number")
        if not low <= value <= high:
            raise DecodeError("number-out-of-range")
        return value

    def u16(self, key: bytes) -> int:
        return self.integer(key, 0, U16_MAX)

    def u32(self, key: bytes) -> int:
        return self.integer(key, 0, U32_MAX)

    def boolean(self, key: bytes) -> bool:
        value = self._values.get(key)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise DecodeError("not-a-boolean")
        return value

    def octets(self, key: bytes, octets_max: int) -> bytes:
        value = self._values.get(key)
        if value is None:
            return b""
        if not isinstance(value, bytes):
            raise DecodeError("not-bytes")
        if len(value) > octets_max:
            raise DecodeError("bytes-too-long")
        return value

    def text(self, key: bytes, octets_max: int = NAME_OCTETS_MAX) -> str:
        try:
            return self.octets(key, octets_max).decode()
        except UnicodeDecodeError as error:
            raise DecodeError("text-not-utf-8") from error
