"""What the page about scrapes says of its goal."""

from __future__ import annotations

from bench.metrics import Lateness, Outcome, page


def test_a_goal_that_the_longest_wait_misses_is_not_told_as_if_it_were_reached() -> None:
    at_rest, scraped = Lateness(0.0001, 0.0033, 0.0039), Lateness(0.0002, 0.0126, 0.0376)

    text = page([Outcome(series, 335_000, 0.051, at_rest, scraped, scraped) for series in (500, 5_000)], 15)

    assert text.endswith("It is by the 99th percentile 9 ms, reached; by the most 34 ms, not reached.\n")
