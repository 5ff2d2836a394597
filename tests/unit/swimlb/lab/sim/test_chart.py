from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from swimlb.lab.sim.chart import Series, line_chart

SVG = "{http://www.w3.org/2000/svg}"
MEDIAN = Series("normal", ((3, 0.4), (100, 0.5), (10_000, 0.6)))
WORST = Series("normal", ((3, 0.6), (100, 0.7), (10_000, 0.8)), "worst")
OTHER = Series("lan & <more>", ((3, 5.0), (1000, 9.0)))


def texts(chart: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(chart).iter(f"{SVG}text")]


@pytest.mark.parametrize("is_log_y", [True, False])
def test_every_point_lies_inside_the_drawing(is_log_y: bool) -> None:
    """With its value in the tooltip, and a line for each series."""
    chart = line_chart("T", "members", "seconds", [MEDIAN, WORST, OTHER], is_log_y=is_log_y)

    root = ElementTree.fromstring(chart)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    circles = list(root.iter(f"{SVG}circle"))
    assert len(circles) == 8
    assert all(
        0 < float(one.attrib["cx"]) < width and 0 < float(one.attrib["cy"]) < height for one in circles
    )
    assert len(list(root.iter(f"{SVG}polyline"))) == 3
    assert circles[5].findtext(f"{SVG}title") == "normal worst: 10000, 0.8"


def test_larger_values_are_higher_and_later_ones_further_right() -> None:
    """The axes point where readers expect it."""
    chart = line_chart("T", "members", "seconds", [MEDIAN], is_log_y=True)

    points = re.search(r'points="([^"]+)"', chart)
    assert points is not None
    places = [tuple(map(float, place.split(","))) for place in points[1].split()]
    assert places == sorted(places)
    assert [y for _, y in places] == sorted((y for _, y in places), reverse=True)


def test_the_legend_names_each_colour_once() -> None:
    """Names are text, whatever they hold."""
    chart = line_chart("T", "members", "seconds", [MEDIAN, WORST, OTHER], is_log_y=True)

    assert texts(chart).count("normal") == 1
    assert texts(chart).count("lan & <more>") == 1
    assert texts(chart).count("worst") == 1


def test_a_line_of_zeros_lies_on_the_axis() -> None:
    """No false deaths at all is a drawing, too."""
    chart = line_chart("T", "members", "deaths", [Series("normal", ((3, 0), (10, 0)))], is_log_y=False)

    points = re.search(r'points="([^"]+)"', chart)
    assert points is not None
    assert len({place.split(",")[1] for place in points[1].split()}) == 1
    assert {"0", "1"} <= set(texts(chart))
