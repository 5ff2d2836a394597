"""Model records as msgpack, and back: a strict codec derived from the dataclasses themselves.

*watch* sends records to *wire*, which holds the network capabilities and so must not trust its input with more than
data (no pickle). A record is an array of its fields in declaration order; both sides run the same code, and
`SCHEMA` (a digest of every field and type) is compared at the start of a session, so a difference is found at once.

msgspec would do this for a closed set of structs, but it takes neither IPv4Address | IPv6Address nor a union of
dataclasses, and *wire* holds msgpack for gossip anyway.
"""

from __future__ import annotations

import types
import typing
import zlib
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, cast

import msgpack

from swimlb import model

KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        model.Allocation,
        model.Pool,
        model.L2Advertisement,
        model.BgpAdvertisement,
        model.BgpPeer,
        model.Node,
        model.Endpoints,
        model.Readiness,
        model.Intent,
        model.Seeds,
    )
}
"""What may cross the link. All else a record holds is reached from these."""

SEEDS_KEY = "Seeds/own"
"""Of the one record that is for gossip; the keys of all others are made by `swimlb.speaker.inventory.key_of`."""

RECORD_OCTETS_MAX = 256 * 1024
"""A record larger than this cannot be one packet of the link. A Service of 5,000 endpoint nodes has 150 kB."""


class RecordError(ValueError):
    """The bytes are not a record of this version. Nothing was changed."""


Decoder = Callable[[Any], Any]


def encode(record: object) -> bytes:
    """`record` is an instance of one of `KINDS`."""
    return msgpack.packb([type(record).__name__, _plain(record)], use_bin_type=True)


def decode(data: bytes) -> Any:
    """The inverse of `encode`; raises RecordError for anything else."""
    try:
        kind, body = msgpack.unpackb(data, strict_map_key=True)
        return _DECODERS[kind](body)
    except (ValueError, TypeError, KeyError, IndexError, msgpack.UnpackException) as error:
        raise RecordError(f"not a record: {error}") from error


def _plain(value: object) -> object:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return value
    if isinstance(value, (IPv4Address, IPv6Address)):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in cast(tuple[object, ...], value)]
    if isinstance(value, frozenset):
        return sorted(cast(frozenset[str], value))
    assert is_dataclass(value), f"{type(value).__name__} may not stand in a record"
    return [_plain(getattr(value, field.name)) for field in fields(value)]


def _decoder(hint: Any) -> Decoder:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if is_dataclass(hint):
        return _dataclass_decoder(cast(type[Any], hint))
    if origin in (types.UnionType, typing.Union):
        return _union_decoder(arguments)
    if origin is tuple and arguments[1:] == (Ellipsis,):
        item = _decoder(arguments[0])
        return lambda value: tuple(item(part) for part in _expect(value, list))
    if origin is tuple:
        parts = [_decoder(argument) for argument in arguments]
        return lambda value: tuple(part(item) for part, item in zip(parts, _expect(value, list), strict=True))
    if origin is frozenset:
        item = _decoder(arguments[0])
        return lambda value: frozenset(item(part) for part in _expect(value, list))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if hint in (IPv4Address, IPv6Address):
        return lambda value: hint(_expect(value, str))
    if hint is float:
        return lambda value: float(_expect(value, (int, float)))
    assert hint in (str, int, bool), f"no way to decode {hint}"
    return lambda value: _expect(value, hint)


def _union_decoder(arguments: tuple[Any, ...]) -> Decoder:
    rest = tuple(argument for argument in arguments if argument is not types.NoneType)
    if set(rest) == {IPv4Address, IPv6Address}:
        inner = _decode_address
    else:
        assert len(rest) == 1, f"no way to tell the parts of {arguments} from each other"
        inner = _decoder(rest[0])
    if len(rest) == len(arguments):
        return inner
    return lambda value: None if value is None else inner(value)


def _decode_address(value: Any) -> IPv4Address | IPv6Address:
    return ip_address(_expect(value, str))


def _dataclass_decoder(kind: type[Any]) -> Decoder:
    hints = typing.get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    decoders = [_decoder(hints[name]) for name in names]

    def decode_fields(value: Any) -> Any:
        values = zip(names, decoders, _expect(value, list), strict=True)
        return kind(**{name: decoder(part) for name, decoder, part in values})

    return decode_fields


def _expect(value: Any, kind: Any) -> Any:
    # bool is an int to Python, and no number to us.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{value!r} where {kind} is due")
    return value


def _schema(kind: type[Any], seen: set[type[Any]]) -> str:
    if kind in seen:
        return ""
    seen.add(kind)
    hints = typing.get_type_hints(kind)
    own = f"{kind.__name__}({', '.join(f'{field.name}: {hints[field.name]}' for field in fields(kind))})"
    return own + "".join(
        _schema(part, seen)
        for field in fields(kind)
        for part in (hints[field.name], *typing.get_args(hints[field.name]))
        if isinstance(part, type) and is_dataclass(part)
    )


_DECODERS: dict[str, Decoder] = {name: _dataclass_decoder(kind) for name, kind in KINDS.items()}

SCHEMA: int = zlib.crc32("".join(_schema(kind, set()) for kind in KINDS.values()).encode())
"""Changes whenever a field of any record does."""

FACTS_SCHEMA = 3
"""Of what *wire* reports (`swimlb.wire.facts`). Raise it with every change of meaning."""
