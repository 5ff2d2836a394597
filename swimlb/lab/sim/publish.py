"""Puts measured curves where readers find them: drawings, the numbers as JSON, and a table in a document."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from swimlb.lab.sim.chart import Series, line_chart
from swimlb.lab.sim.curves import Detection, FalseDeaths

BEGIN, END = "<!-- curves: begin -->", "<!-- curves: end -->"

_RUNS_FOR_P99 = 20
"""Of fewer crashes, the 99th percentile would only be the worst under another name."""


def write(directory: Path, detections: Sequence[Detection], deaths: Sequence[FalseDeaths]) -> list[Path]:
    """The drawings and the numbers; what was written."""
    numbers = {
        "detection": [asdict(one) for one in detections],
        "false_deaths": [asdict(one) for one in deaths],
    }
    contents = {
        "membership-detection.svg": _draw_detection(detections),
        "membership-packets.svg": _draw_packets(detections),
        "membership-false-deaths.svg": _draw_false_deaths(deaths),
        "membership-curves.json": json.dumps(numbers, indent=1) + "\n",
    }
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (directory / name).write_text(content)
    return [directory / name for name in contents]


def insert(document: Path, detections: Sequence[Detection], deaths: Sequence[FalseDeaths]) -> None:
    """Replace what stands between the markers of the document."""
    before, begin, rest = document.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document} needs the lines {BEGIN} and {END}")
    tables = "\n\n".join((_detection_table(detections), _loss_table(deaths), _stall_table(deaths)))
    document.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}")


def _draw_detection(detections: Sequence[Detection]) -> str:
    series: list[Series] = []
    for name, group in _by_profile(detections).items():
        series.append(Series(name, tuple((one.members, one.median) for one in group)))
        series.append(Series(name, tuple((one.members, one.worst) for one in group), "worst"))
    title = "From a crash until the last survivor knows of it"
    return line_chart(title, "members", "seconds, median and worst", series, is_log_y=True)


def _draw_packets(detections: Sequence[Detection]) -> str:
    series = [
        Series(name, tuple((one.members, one.packets_each) for one in group))
        for name, group in _by_profile(detections).items()
    ]
    return line_chart(
        "What an idle member sends", "members", "packets per second and member", series, is_log_y=True
    )


def _draw_false_deaths(deaths: Sequence[FalseDeaths]) -> str:
    """Against the stalls: under loss within the tolerance there should be nothing to draw."""
    series: list[Series] = []
    for name in dict.fromkeys(one.profile for one in deaths):
        group = [one for one in deaths if one.profile == name and one.stall]
        series.append(Series(name, tuple((one.stall, one.deaths / one.stalls) for one in group)))
    title = "Stalls taken for deaths"
    label = "seconds that a member stops"
    return line_chart(title, label, "part of the stalls that were taken for a death", series, is_log_y=False)


def _by_profile(detections: Sequence[Detection]) -> dict[str, list[Detection]]:
    return {
        name: [one for one in detections if one.profile == name]
        for name in dict.fromkeys(one.profile for one in detections)
    }


def _detection_table(detections: Sequence[Detection]) -> str:
    rows = [
        f"| {one.profile} | {one.members:,} | {one.runs} | {one.median:.2f} s | {_p99(one)} | {one.worst:.2f} s "
        f"| {one.packets_each:.1f} |"
        for one in detections
    ]
    head = (
        "| profile | members | crashes | known to all: median | 99 % | worst | packets/s per member, idle |"
    )
    return "\n".join((head, "| --- |" + " ---: |" * 6, *rows))


def _loss_table(deaths: Sequence[FalseDeaths]) -> str:
    losses = sorted({one.loss for one in deaths if one.loss})
    rows: list[str] = []
    for profile, members in dict.fromkeys((one.profile, one.members) for one in deaths if one.loss):
        row = [one for one in deaths if (one.profile, one.members) == (profile, members) and one.loss]
        cells = " | ".join(_cell(one) for one in sorted(row, key=lambda one: one.loss))
        rows.append(f"| {profile} | {members:,} | {row[0].member_hours:.1f} | {cells} |")
    head = (
        "| profile | members | member-hours | "
        + " | ".join(f"{loss:.0%} lost each way" for loss in losses)
        + " |"
    )
    return "\n".join((head, "| --- |" + " ---: |" * (2 + len(losses)), *rows))


def _stall_table(deaths: Sequence[FalseDeaths]) -> str:
    stalls = sorted({one.stall for one in deaths if one.stall})
    rows: list[str] = []
    for profile in dict.fromkeys(one.profile for one in deaths):
        row = [one for one in deaths if one.profile == profile and one.stall]
        cells = " | ".join(f"{one.deaths} of {one.stalls}" for one in sorted(row, key=lambda one: one.stall))
        rows.append(f"| {profile} | {row[0].members} | {cells} |")
    head = "| profile | members | " + " | ".join(f"stalls of {stall:g} s" for stall in stalls) + " |"
    return "\n".join((head, "| --- |" + " ---: |" * (1 + len(stalls)), *rows))


def _p99(one: Detection) -> str:
    return f"{one.p99:.2f} s" if one.runs >= _RUNS_FOR_P99 else "-"


def _cell(one: FalseDeaths) -> str:
    if not one.deaths:
        return "0"
    rate = f"{one.per_hour:,.0f}" if one.per_hour >= 10 else f"{one.per_hour:.2g}"
    return f"{one.deaths} ({rate} per member-hour)"
