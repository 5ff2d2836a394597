"""How much of the membership benchmark is done."""

from __future__ import annotations

from dataclasses import replace

from bench.membership import FULL


def test_a_part_of_the_effort_keeps_a_death_of_each_kind() -> None:
    """And every size of ring; whoever measures less gets a wider spread, and no hole in the tables."""
    half, least = FULL.scaled(0.5), FULL.scaled(0.0)

    assert half == replace(FULL, idle=7.5, slow_repeats=2, quick_repeats=5, halves=1)
    assert least == replace(FULL, idle=5.0, slow_repeats=1, quick_repeats=1, halves=1)
    assert FULL.scaled(1.0) == FULL
