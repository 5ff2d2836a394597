"""Figures as people read them."""

from __future__ import annotations

from bench import report


def test_a_spread_tells_the_median_and_the_extremes() -> None:
    """In seconds, to a hundredth."""
    assert report.spread([0.5, 1.25, 0.75]) == "0.75 (0.50-1.25)"


def test_a_spread_does_not_hide_what_took_too_long() -> None:
    """Neither some that were not in time, nor that none was."""
    assert report.spread([0.5, None, 1.5]) == "1.00 (0.50-1.50), 1 not in time"
    assert report.spread([None]) == "never"


def test_what_was_not_tried_is_a_dash() -> None:
    """Half of three members is one: the same as a single death."""
    assert report.spread([]) == "-"
