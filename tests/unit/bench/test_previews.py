"""What of a dashboard is drawn: its panels in their places, with what Prometheus has answered."""

from __future__ import annotations

import json
from math import isnan

import pytest

from bench import previews
from bench.previews import legend, lone, quantity, shortened, spans, with_gaps
from swimlb.dashboards import BOARDS


@pytest.mark.parametrize(
    ("pattern", "labels", "name"),
    [
        ("{{instance}} {{peer}}", {"instance": "a", "peer": "b"}, "a b"),
        ("p99", {"le": "1"}, "p99"),
        ("__auto", {"__name__": "up", "job": "swimlb", "ip": "192.0.2.1"}, "192.0.2.1"),
        ("__auto", {"__name__": "up"}, "up"),
    ],
)
def test_series_are_called_as_grafana_calls_them(pattern: str, labels: dict[str, str], name: str) -> None:
    assert legend(pattern, labels) == name


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0123, "s", "12.3 ms"),
        (2.0, "s", "2 s"),
        (0.75, "percentunit", "75%"),
        (12.5, "pps", "12.5/s"),
        (2048.0, "Bps", "2 KiB/s"),
        (1200.0, "short", "1,200"),
        (0.25, "none", "0.25"),
    ],
)
def test_numbers_have_their_units(value: float, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


def test_a_bar_ends_where_the_series_does_and_where_its_value_turns() -> None:
    points = [(0.0, 1.0), (1.0, 1.0), (2.0, 0.0), (5.0, 0.0)]

    assert spans(points) == [(0.0, 2.0, True), (2.0, 3.0, False), (5.0, 6.0, False)]


def test_no_line_goes_across_a_gap() -> None:
    values = [value for _, value in with_gaps([(0.0, 1.0), (1.0, 2.0), (9.0, 3.0)])]

    assert [None if isnan(one) else one for one in values] == [1.0, 2.0, None, 3.0]


def test_a_point_that_stands_alone_is_to_be_seen() -> None:
    line = with_gaps([(0.0, 1.0), (1.0, 2.0), (9.0, 3.0)])

    assert lone(line) == [(9.0, 3.0)]
    assert lone([(0.0, 1.0)]) == [(0.0, 1.0)]
    assert lone([]) == []


def test_what_is_too_much_is_told_as_a_number() -> None:
    assert list(shortened(["a"] * 15))[-1] == "and 3 more"
    assert list(shortened(["a"])) == ["a"]


class Answers:
    """One series for whatever is asked, which says how it was asked."""

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        return [({"expression": expression}, 1.0)]

    def query_range(self, expression: str, seconds: float) -> list[tuple[dict[str, str], previews.Points]]:
        return [({"expression": expression}, [(0.0, 1.0), (seconds, 2.0)])]


@pytest.mark.parametrize("name", [board.name for board in BOARDS])
def test_every_panel_of_every_dashboard_is_there(name: str) -> None:
    """From the files that people import: with all of its queries, asked as its kind wants it, and of a kind that can be drawn."""
    dashboard = json.loads((previews.DASHBOARDS / f"{name}.json").read_text())

    drawn = list(previews.read(dashboard, Answers()))

    assert [one.title for one in drawn] == [panel["title"] for panel in dashboard["panels"]]
    for one, panel in zip(drawn, dashboard["panels"], strict=True):
        assert len(one.series) == len(panel.get("targets", []))
        assert {one.kind} <= {"row", *previews.PAINTERS}
        assert all(len(series.points) == (1 if one.kind in ("stat", "table") else 2) for series in one.series)
    assert all(one.left + one.width <= 24 for one in drawn)
    assert any(one.warns_from is not None for one in drawn) == ("stat" in {one.kind for one in drawn})
