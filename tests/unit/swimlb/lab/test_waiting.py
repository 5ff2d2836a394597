"""Waiting in vain says what for."""

from __future__ import annotations

import pytest

from swimlb.lab.errors import LabError, LabTimeoutError
from swimlb.lab.waiting import wait_until


def test_what_was_seen_last_is_told() -> None:
    with pytest.raises(LabTimeoutError, match=r"^waited 0 s for rain; by then: sun$"):
        wait_until(lambda: False, timeout=0, what="rain", seen=lambda: "sun")


@pytest.mark.parametrize("failure", [LabError("the window is shut"), OSError("the window is shut")])
def test_what_cannot_be_seen_does_not_hide_what_was_waited_for(failure: Exception) -> None:
    def seen() -> str:
        raise failure

    with pytest.raises(LabTimeoutError, match=r"^waited 0 s for rain; by then: .*\(the window is shut\)$"):
        wait_until(lambda: False, timeout=0, what="rain", seen=seen)
