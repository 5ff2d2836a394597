"""When a health check changes its mind."""

from __future__ import annotations

import pytest

from swimlb.health.verdict import Verdict
from swimlb.model import HealthCheck, ProbeKind

CHECK = HealthCheck(kind=ProbeKind.TCP, port=80, success_threshold=2, failure_threshold=3)


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ("", ""),
        ("+", "+"),
        ("-", "-"),
        ("+---", "+++-"),
        ("+--+--", "++++++"),
        ("-+-+++", "----++"),
    ],
)
def test_needs_its_thresholds_in_a_row(attempts: str, expected: str) -> None:
    """The first attempt decides by itself; afterwards single outliers change nothing."""
    verdict, seen = Verdict(), ""

    for attempt in attempts:
        verdict = verdict.after(attempt == "+", CHECK)
        seen += "+" if verdict.is_ready else "-"

    assert seen == expected
