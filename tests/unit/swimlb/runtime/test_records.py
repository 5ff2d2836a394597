"""Model records as bytes, and back."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, cast, get_args, get_origin, get_type_hints

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swimlb import model
from swimlb.runtime import records

BASIC: dict[object, st.SearchStrategy[object]] = {
    int: st.integers(0, 2**32 - 1),
    bool: st.booleans(),
    str: st.text(max_size=3),
    float: st.floats(0, 1e6),
    type(None): st.none(),
    IPv4Address: st.ip_addresses(v=4),
    IPv6Address: st.ip_addresses(v=6),
}


def strategy(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type; of integers those that a field may hold."""
    origin, parts = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return st.builds(
            cast("type[Any]", hint), **{field.name: strategy(hints[field.name]) for field in fields(hint)}
        )
    if origin is tuple and parts[1:] == (...,):
        return st.lists(strategy(parts[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(strategy, parts))
    if origin is frozenset:
        return st.frozensets(strategy(parts[0]), max_size=3)
    if parts:
        return st.one_of(*map(strategy, parts))
    if issubclass(hint, Enum):
        return st.sampled_from(hint)
    return BASIC[hint]


@given(st.sampled_from(sorted(records.KINDS)).flatmap(lambda kind: strategy(records.KINDS[kind])))
def test_every_record_survives_the_way(record: object) -> None:
    """Whatever its fields hold."""
    assert records.decode(records.encode(record)) == record


@given(st.binary(max_size=300))
def test_refuses_any_other_bytes(data: bytes) -> None:
    """With its own error, and no other."""
    with pytest.raises(records.RecordError):
        records.decode(data)


@pytest.mark.parametrize(
    "body",
    [
        ["Node", ["a", [], "yes"]],
        ["Node", ["a", []]],
        ["Node", ["a", [["k"]], False]],
        ["Endpoints", ["a/b", 7]],
        ["Secret", []],
        ["Readiness", ["a/b", 1]],
    ],
)
def test_refuses_wrong_shapes(body: object) -> None:
    """wire holds the network capabilities, so watch is not trusted with more than data."""
    with pytest.raises(records.RecordError):
        records.decode(msgpack.packb(body, use_bin_type=True))


def test_an_address_keeps_its_family() -> None:
    """The union of both is told apart by the text."""
    service = model.Service(namespace="default", name="web")
    record = model.Allocation(
        service=service, addresses=(ip_address("192.0.2.1"), ip_address("2001:db8::1")), pool="pool"
    )

    assert records.decode(records.encode(record)) == record
