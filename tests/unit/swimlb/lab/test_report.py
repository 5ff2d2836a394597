"""The report and the timeline are well-formed, complete, and tell a failure as one."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from swimlb.lab.measure import Claim, Probe, Recording
from swimlb.lab.observers import RouteSample
from swimlb.lab.report import render_report, write_timeline
from swimlb.lab.story import Closeup, Fact, Marker, Story, Track

SVG = "{http://www.w3.org/2000/svg}"


def probe(index: int) -> Probe:
    """Node-a answers for a second, nobody for half of one, then node-b."""
    sent = 100 + index * 0.005
    if 200 <= index < 300:
        return Probe(sent, None, None)
    return Probe(sent, sent + 0.001, "node-a" if index < 200 else "node-b")


def story(*, holds: bool = True, lateness: float = 0.001) -> Story:
    claim = Claim(101.5, "p-node-b", "02:00:00:00:00:02", "192.0.2.10", is_reply=False, target="192.0.2.10")
    return Story(
        nodes={"node-a": "198.51.100.1", "node-b": "198.51.100.2"},
        macs={"02:00:00:00:00:01": "node-a", "02:00:00:00:00:02": "node-b"},
        facts=[
            Fact(3, "outage of 192.0.2.10 <cut>", "500 ms", "< 1500 ms", holds),
            Fact(1, "joined after", "1 s"),
        ],
        markers=[Marker(101.0, "link of node-a cut & gone")],
        closeups=[Closeup("192.0.2.10", 100.8, 101.8, "the link of node-a is cut")],
        tracks=[Track("192.0.2.10", Recording(tuple(map(probe, range(400))), lateness), (claim,))],
        prefix="192.0.2.64/32",
        routes=(RouteSample(100.0, ("198.51.100.1", "198.51.100.2")), RouteSample(101.2, ("198.51.100.2",))),
        begin=100.0,
        end=102.0,
    )


def page(told: Story) -> ET.Element:
    return ET.fromstring(render_report(told, "2026-01-01 12:00 UTC").removeprefix("<!DOCTYPE html>\n"))


def texts(root: ET.Element) -> str:
    return "\n".join(root.itertext())


def test_the_page_is_well_formed_and_needs_nothing_but_itself() -> None:
    root = page(story())

    assert len(root.findall(f".//{SVG}svg")) == 2
    assert not root.findall(".//script")
    assert not [name for element in root.iter() for name in element.attrib if name in {"src", "href"}]


def test_the_page_shows_each_figure_with_its_bound() -> None:
    rows = ["|".join(row.itertext()) for row in page(story()).iter("tr")]

    assert "3|outage of 192.0.2.10 <cut>|500 ms|< 1500 ms|✔ held" in rows
    assert "1|joined after|1 s" in rows
    assert "192.0.2.10|400|node-a 200, node-b 100|100|505 ms|1.0 ms" in rows


def test_a_missed_bound_is_said_on_top() -> None:
    text = texts(page(story(holds=False)))

    assert "not every step held its bound" in text
    assert "✘ missed" in text


def test_a_late_prober_is_said_on_top() -> None:
    assert "read the figures with care" in texts(page(story(lateness=0.030)))
    assert "read the figures with care" not in texts(page(story()))


def test_the_timeline_draws_who_answered_and_for_how_long(tmp_path: Path) -> None:
    path = tmp_path / "timeline.svg"

    write_timeline(story(), path)

    titles = [element.text for element in ET.parse(path).getroot().iter(f"{SVG}title")]
    assert titles == [
        "node-a for 1.000 s",
        "node-b for 0.495 s",
        "node-b says by ARP: 192.0.2.10 is at 02:00:00:00:00:02",
        "nobody for 0.500 s",
        "via 198.51.100.1 for 1.2 s",
        "via 198.51.100.2 for 1.2 s",
        "via 198.51.100.2 for 0.8 s",
    ]


def test_the_close_up_draws_each_probe() -> None:
    closeup = page(story()).findall(f".//{SVG}svg")[1]

    classes = [circle.get("class") for circle in closeup.iter(f"{SVG}circle")]
    assert (classes.count("n0"), classes.count("lost"), classes.count("n1")) == (
        pytest.approx(40, abs=1),
        100,
        pytest.approx(61, abs=1),
    )


def test_a_play_that_failed_at_once_is_told_too() -> None:
    failed = Story(
        facts=[Fact(1, "the play goes through", "FRR is not installed", "no failure", holds=False)]
    )

    assert "FRR is not installed" in texts(page(failed))
