"""The fuzzers' targets on the inputs they start from: what `make fuzz` asserts holds, and the targets still run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import TARGETS
from tests.fuzz.corpus import seeds
from tests.fuzz.targets import FUNCTIONS


@pytest.mark.parametrize("target", TARGETS)
def test_what_real_peers_said(target: str) -> None:
    """Golden packets, streams and messages, whole and as parts of a scene."""
    corpus = seeds(target)

    assert len(corpus) > 10
    for data in corpus[:: 1 + len(corpus) // 100]:
        FUNCTIONS[target](data)


@given(st.sampled_from(TARGETS), st.binary(max_size=300))
def test_any_bytes(target: str, data: bytes) -> None:
    """A little of what `make fuzz` does at length."""
    FUNCTIONS[target](data)
