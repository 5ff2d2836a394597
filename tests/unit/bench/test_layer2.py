"""What an event did to the client, and how the figures read."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from bench import layer2_report
from bench.matrix.judge import Event, judge
from swimlb.lab.measure import Outage

BEGUN = 100.0


def outage(begun: float, ended: float, *, after: str | None = "node-b") -> Outage:
    return Outage(
        last_answered=begun - 0.005, first_lost=begun, ended=ended, lost=20, before="node-a", after=after
    )


def event(milliseconds: float | None, *, lost: int = 1, is_black_hole: bool = False) -> dict[str, object]:
    seconds = None if milliseconds is None else milliseconds / 1000
    return asdict(Event(seconds, lost, 0.1, is_black_hole, 0.001))


def test_nothing_lost_is_no_outage() -> None:
    found = judge(None, claimed_at=None, begun=BEGUN, lateness=0.001)

    assert found == Event(0.0, 0, None, False, 0.001)


@pytest.mark.parametrize(
    ("claimed_at", "ended", "is_black_hole"),
    [(100.4, 100.41, False), (100.4, 101.5, True), (None, 103.0, False)],
    ids=["followed the claim", "dark although claimed", "nobody claimed"],
)
def test_a_black_hole_is_darkness_after_a_claim(
    claimed_at: float | None, ended: float, is_black_hole: bool
) -> None:
    """A slow takeover is an outage; one that has happened and does not help is a black hole."""
    found = judge(outage(100.0, ended), claimed_at=claimed_at, begun=BEGUN, lateness=0.001)

    assert found.is_black_hole is is_black_hole
    assert found.outage == pytest.approx(ended - 99.995)


def test_an_outage_that_outlasts_the_window_has_no_length() -> None:
    found = judge(outage(100.0, 106.0, after=None), claimed_at=None, begun=BEGUN, lateness=0.001)

    assert found.outage is None


def test_a_spread_counts_what_outlasted_the_window_as_the_longest() -> None:
    """And never hides it: an unanswered window is not an outage of zero."""
    assert layer2_report.spread([event(400.0), event(500.0), event(300.0)]) == "400 (300-500)"
    assert (
        layer2_report.spread([event(400.0), event(None), event(500.0)])
        == "500 (400-500), 1 longer than the window"
    )
    assert (
        layer2_report.spread([event(None), event(None), event(500.0)])
        == "longer than the window (500-500), 2 longer than the window"
    )
    assert layer2_report.spread([]) == "-"


def test_ours_is_compared_with_the_rival_of_the_same_pace() -> None:
    failovers = [
        {"contender": "swimlb normal", "cuts": [event(400.0)]},
        {"contender": "keepalived 1 s", "cuts": [event(2800.0)]},
        {"contender": "swimlb fast", "cuts": [event(100.0)]},
    ]

    assert list(layer2_report.ratios(failovers)) == [
        "- swimlb normal beside keepalived 1 s, cable cut: the median outage is 7.0 times shorter."
    ]


def test_a_section_that_was_not_measured_stays_as_it_is() -> None:
    """What takes a quarter of an hour is not lost to what takes a minute."""
    old = "# Layer 2, measured\n\n## Failover\n\nslow\nbut sure\n\n## Replies\n\nold\n"
    latency = {"p50_us": 10.0, "p99_us": 20.0}
    one = {
        "addresses": 1,
        "paced": latency,
        "incessant": latency,
        "replies_per_second": 200_000.0,
        "requests_per_second": 300_000.0,
        "replies_per_cpu_second": None,
    }
    ours = {
        **one,
        "responder": "swimlb",
        "incessant": {"p50_us": 60.0, "p99_us": 70.0},
        "replies_per_cpu_second": 160_000.0,
    }
    machine = {"processor": "some", "cores": 2, "kernel": "6.1", "python": "3.11"}
    load = {"before": 0.1, "after": 0.2}
    bare = {**ours, "responder": "bare", "replies_per_cpu_second": 300_000.0}
    results = [{**one, "responder": "kernel"}, bare, ours]
    found = {"replies": {"machine": machine, "load": load, "results": results}}

    lines = "\n".join(layer2_report.page(found, old)).splitlines()

    assert lines.count("## Failover") == lines.count("## Replies") == 1
    assert lines[lines.index("slow") + 1] == "but sure"
    assert "old" not in lines
    assert "| 1 | paced p50 at most 5 times the kernel's | 1.0 times | 1.0 times | reached |" in lines
    assert "| 1 | incessant p50 at most 5 times the kernel's | 6.0 times | 6.0 times | not reached |" in lines
    assert "| 1 | 150,000 replies per second of one core | 160,000 | 300,000 | reached |" in lines
