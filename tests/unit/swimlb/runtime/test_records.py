"""Model records as bytes, and back."""

from __future__ import annotations

from ipaddress import ip_address

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swimlb import model
from swimlb.runtime import records

ADDRESS = st.ip_addresses(v=4) | st.ip_addresses(v=6)


def strategy(kind: str) -> st.SearchStrategy[object]:
    return st.from_type(records.KINDS[kind])


st.register_type_strategy(
    model.AddressRange, st.builds(model.AddressRange, st.ip_addresses(v=4), st.ip_addresses(v=4))
)


@given(st.sampled_from(sorted(records.KINDS)).flatmap(strategy))
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
