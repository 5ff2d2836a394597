"""The last good state: whatever happens to a file, no other state comes of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swimlb.watch.last_good import LastGood, Unusable, pack, unpack
from tests.unit.swimlb.watch.test_last_good import NODE, SCHEMA, STATE, octets_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(st.text(), st.binary(), max_size=5),
    st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=3),
    st.floats(min_value=0, max_value=1e10),
)
def test_what_was_packed_is_unpacked(
    table: dict[str, bytes], contents: list[dict[str, Any]], saved_at: float
) -> None:
    """Whatever the records and the objects are."""
    packed = octets_of(pack(SCHEMA, NODE, saved_at, table, contents))

    assert unpack(packed, SCHEMA, NODE) == LastGood(table, tuple(contents), saved_at)


@given(st.integers(0, len(STATE) - 1), st.integers(1, 255))
def test_one_octet_that_is_another_is_found(at: int, by: int) -> None:
    """Anywhere in the file."""
    damaged = bytearray(STATE)
    damaged[at] ^= by

    with pytest.raises(Unusable):
        unpack(bytes(damaged), SCHEMA, NODE)


@given(st.integers(0, len(STATE) - 1))
def test_a_file_that_ends_early_is_found(octets: int) -> None:
    """As after a disk that was full, and a file system that did not keep its word."""
    with pytest.raises(Unusable):
        unpack(STATE[:octets], SCHEMA, NODE)


@given(st.binary())
def test_any_octets_are_refused(data: bytes) -> None:
    """Never with another error."""
    with pytest.raises(Unusable):
        unpack(data, SCHEMA, NODE)
