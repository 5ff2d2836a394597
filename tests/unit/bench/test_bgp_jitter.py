"""What jitter costs, by calculation."""

from __future__ import annotations

import pytest

from bench.bgp_jitter import difference


def test_jitter_makes_the_last_keepalive_a_sixteenth_of_an_interval_younger() -> None:
    """Of gaps between 3/4 and 1 the median age is 7/16, of equal ones 1/2. Chance is the less the more runs there are."""
    few, many = difference(3.0, 1.0, 20), difference(3.0, 1.0, 500)

    assert many.expected == pytest.approx(1 / 16, abs=0.01)
    assert few.least < many.least < many.expected < many.most < few.most


def test_it_is_the_same_every_time_and_grows_with_the_interval() -> None:
    once, again, slower = difference(3.0, 1.0, 60), difference(3.0, 1.0, 60), difference(90.0, 30.0, 60)

    assert once == again
    assert slower.expected == pytest.approx(30 * once.expected)
