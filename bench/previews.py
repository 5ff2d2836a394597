"""What the dashboards look like: `make previews`, or

    python -m bench.previews [--output DIRECTORY]

Three nodes and a router, which a real Prometheus scrapes, play three minutes in which something happens on every page: a client
asks for addresses all the time, a speaker is killed and comes back, another one is restarted in good order, the router
ends its sessions, a Service is added. Then each dashboard is drawn as an SVG from the file that people import
(`charts/swimlb/files/dashboards`): its panels, in their places, with what Prometheus answers to their queries. Grafana itself is
not asked. Needs root, frr and prometheus.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite, isnan, nan
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from bench import watched_lab
from bench.contenders import ROOT
from bench.membership import ending_in_order, say
from swimlb.dashboards import BOARDS, with_choices
from swimlb.dashboards.grafana import COLUMNS
from swimlb.lab.lab import Lab
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import pause
from swimlb.runtime import clock

DASHBOARDS = ROOT / "charts/swimlb/files/dashboards"
IMAGES = ROOT / "docs/images"
WINDOW = 180.0
"""Seconds that are shown."""
RATE_INTERVAL = "10s"
"""In place of `$__rate_interval`: some scrapes, which come once a second."""
ASK_INTERVAL = 1.0
KILLED, BACK, RESTARTED, CLEARED, ADDED = 40.0, 70.0, 95.0, 120.0, 140.0
"""Seconds from the beginning of what is shown."""
CALM, ALARMED = "#2f9e44", "#c92a2a"
LINES_MAX = 12
"""Of a legend or a table: what is more is told as a number."""

_SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: added, annotations: {metallb.io/loadBalancerIPs: 192.168.3.175}}
spec: {type: LoadBalancer, ports: [{port: 8080, protocol: TCP}]}
"""

Labels: TypeAlias = dict[str, str]
Points: TypeAlias = list[tuple[float, float]]
Found: TypeAlias = dict[str, Any]


class Answering(Protocol):
    """A `Prometheus`."""

    def query(self, expression: str) -> list[tuple[Labels, float]]: ...

    def query_range(self, expression: str, seconds: float) -> list[tuple[Labels, Points]]: ...


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    points: Points
    """Seconds since the beginning of what is shown, and values; of a stat or a table only the last."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A panel or the heading of a row: where it stands in Grafana's grid, and what is in it."""

    kind: str
    title: str
    left: int
    top: int
    width: int
    height: int
    unit: str = "short"
    warns_from: float | None = None
    series: tuple[Series, ...] = ()


# What happens


def play(lab: Lab, say_at: Callable[[str], None]) -> None:
    """Returns when there are `WINDOW` seconds of it."""
    nodes = [node.name for node in lab.network.nodes]
    addresses = sorted({one.address for one in lab.require_status(nodes[0]).l2})
    owner = lab.require_status(nodes[0]).owner_of(addresses[0]) or nodes[0]
    other = next(name for name in nodes if name != owner)
    deeds: list[tuple[float, str, Callable[[], object]]] = [
        (KILLED, f"the speaker of {owner} is killed", lambda: lab.kill(owner)),
        (BACK, f"and comes back on {owner}", lambda: lab.start(owner)),
        (RESTARTED, f"the speaker of {other} is restarted in good order", lambda: _restart(lab, other)),
        (CLEARED, "the router ends its sessions", lambda: lab.router.vtysh("clear bgp *")),
        (ADDED, "a Service is added", lambda: (lab.manifests / "added.yaml").write_text(_SERVICE)),
    ]
    begun = clock.monotonic()
    while (since := clock.monotonic() - begun) < WINDOW:
        if deeds and since >= deeds[0][0]:
            _, words, do = deeds.pop(0)
            say_at(words)
            do()
        for address in addresses:
            lab.resolve(address)
        pause(ASK_INTERVAL)


def _restart(lab: Lab, node: str) -> None:
    lab.stop(node)
    lab.start(node)


# What Prometheus answers


def read(dashboard: Found, server: Answering) -> Iterator[Drawn]:
    """The panels of a file as Grafana imports it, with what there is to be seen in each."""
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        where = (place["x"], place["y"], place["w"], place["h"])
        if panel["type"] == "row":
            yield Drawn("row", panel["title"], *where)
            continue
        defaults = panel["fieldConfig"]["defaults"]
        warns = [step["value"] for step in defaults["thresholds"]["steps"] if step["color"] == "red"]
        series = [one for target in panel["targets"] for one in _answer(target, server)]
        yield Drawn(
            panel["type"],
            panel["title"],
            *where,
            unit=defaults["unit"],
            warns_from=warns[0] if warns else None,
            series=tuple(series),
        )


def _answer(target: Found, server: Answering) -> Iterator[Series]:
    expression = with_choices(target["expr"], RATE_INTERVAL)
    if target["instant"]:
        for labels, value in server.query(expression):
            yield Series(legend(target["legendFormat"], labels), [(WINDOW, value)])
    else:
        for labels, points in server.query_range(expression, WINDOW):
            known = [(at, value) for at, value in points if isfinite(value)]
            yield Series(legend(target["legendFormat"], labels), known)


def legend(pattern: str, labels: Labels) -> str:
    """What Grafana calls a series."""
    if pattern == "__auto":
        shown = {name: value for name, value in labels.items() if name not in ("__name__", "job")}
        return " ".join(shown.values()) or labels.get("__name__", "value")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), pattern).strip()


# Drawing


def draw(dashboard: Found, panels: Sequence[Drawn], path: Path) -> None:
    mpl: Any = importlib.import_module("matplotlib")
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "swimlb"  # The same data draw the same file.
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    rows = max(one.top + one.height for one in panels)
    head = 2.0
    figure: Any = pyplot.figure(figsize=(15, 0.29 * (rows + head)))
    figure.text(0.01, 1 - 0.9 / (rows + head), dashboard["title"], fontsize=14, weight="bold", va="center")
    figure.text(0.99, 1 - 0.9 / (rows + head), dashboard["description"], fontsize=9, ha="right", va="center")
    for one in panels:
        bottom = 1 - (one.top + one.height + head) / (rows + head)
        if one.kind == "row":
            figure.text(
                0.01, bottom + 0.4 / (rows + head), one.title, fontsize=10, weight="bold", color="#555"
            )
            continue
        # Room for the title above, for ticks below and at the left, in the units of the grid.
        box = _frame(one, rows + head, bottom)
        axis = figure.add_axes(box)
        axis.set_title(one.title, fontsize=8, loc="left")
        PAINTERS[one.kind](axis, one)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _frame(one: Drawn, rows: float, bottom: float) -> tuple[float, float, float, float]:
    is_plain = one.kind in ("stat", "table")
    left, below, above, right = (0.3, 0.4, 1.2, 0.3) if is_plain else (1.3, 1.2, 1.4, 0.4)
    return (
        (one.left + left) / COLUMNS,
        bottom + below / rows,
        (one.width - left - right) / COLUMNS,
        (one.height - below - above) / rows,
    )


def _stat(axis: Any, one: Drawn) -> None:
    value = one.series[0].points[-1][1] if one.series else None
    is_bad = value is not None and one.warns_from is not None and value >= one.warns_from
    axis.set_facecolor(ALARMED if is_bad else CALM)
    axis.set(xticks=[], yticks=[])
    text = "no data" if value is None else quantity(value, one.unit)
    axis.text(0.5, 0.5, text, ha="center", va="center", fontsize=15, color="white", transform=axis.transAxes)


def _table(axis: Any, one: Drawn) -> None:
    axis.axis("off")
    lines = [f"{series.name}   {quantity(series.points[-1][1], one.unit)}" for series in one.series]
    for number, line in enumerate(shortened(lines)):
        axis.text(
            0, 1 - (number + 0.5) / (LINES_MAX + 1), line, fontsize=7, va="center", transform=axis.transAxes
        )


def _timeline(axis: Any, one: Drawn) -> None:
    """A bar for as long as there is a series, red where its value is 0."""
    names = list(dict.fromkeys(series.name for series in one.series))
    for series in one.series:
        for begin, end, is_on in spans(series.points):
            color = CALM if is_on else ALARMED
            axis.barh(names.index(series.name), end - begin, left=begin, color=color, height=0.7)
    axis.set(xlim=(0, WINDOW), ylim=(len(names) - 0.5, -0.5), yticks=[])
    for number, name in enumerate(names):
        box = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1.0}
        axis.text(2, number, name, fontsize=6, va="center", bbox=box)
    axis.tick_params(labelsize=6)


def spans(points: Points, step: float = 1.0) -> list[tuple[float, float, bool]]:
    """Begin and end of each time without a gap in which the value was 0, or was not."""
    found: list[tuple[float, float, bool]] = []
    for at, value in points:
        if found and found[-1][2] == bool(value) and at - found[-1][1] < step / 2:
            found[-1] = (found[-1][0], at + step, bool(value))
        else:
            found.append((at, at + step, bool(value)))
    return found


def with_gaps(points: Points, step: float = 1.0) -> Points:
    """With a value that is no number where there was none for a while: no line goes across."""
    found: Points = points[:1]
    for at, value in points[1:]:
        if at - found[-1][0] > 1.5 * step:
            found.append((found[-1][0] + step, nan))
        found.append((at, value))
    return found


def lone(line: Points) -> Points:
    """Those points between two gaps that are no line."""
    nothing = (nan, nan)
    neighbors = zip([nothing, *line], line, [*line[1:], nothing], strict=False)
    return [
        one for before, one, after in neighbors if isnan(before[1]) and isnan(after[1]) and not isnan(one[1])
    ]


def _columns(points: Points) -> tuple[list[float], list[float]]:
    return [at for at, _ in points], [value for _, value in points]


def _lines(axis: Any, one: Drawn) -> None:
    for series in one.series:
        line = with_gaps(series.points)
        [drawn] = axis.plot(*_columns(line), linewidth=1, label=series.name or "all")
        axis.plot(*_columns(lone(line)), linestyle="", marker=".", markersize=3, color=drawn.get_color())
    values = [value for series in one.series for _, value in series.points] or [0.0]
    least, most = min(values), max(values)
    axis.set(xlim=(0, WINDOW), ylim=(min(0.0, least), 1.15 * max(0.0, most) or 1.0))
    axis.grid(visible=True, alpha=0.2)
    axis.tick_params(labelsize=6)
    axis.yaxis.set_major_formatter(partial(_tick, one.unit))
    if 0 < len(one.series) <= LINES_MAX:
        axis.legend(
            fontsize=5, loc="upper left", ncols=1 + (len(one.series) > LINES_MAX // 2), framealpha=0.6
        )


PAINTERS: dict[str, Callable[[Any, Drawn], None]] = {
    "stat": _stat,
    "table": _table,
    "state-timeline": _timeline,
    "timeseries": _lines,
}


def _tick(unit: str, value: float, _: int) -> str:
    return quantity(value, unit)


def shortened(lines: Sequence[str]) -> Iterable[str]:
    yield from lines[:LINES_MAX]
    if len(lines) > LINES_MAX:
        yield f"and {len(lines) - LINES_MAX} more"


def quantity(value: float, unit: str) -> str:
    """A number as Grafana would write it, in a word or two."""
    match unit:
        case "s":
            return f"{value * 1000:.3g} ms" if abs(value) < 1 else f"{value:.3g} s"
        case "percentunit":
            return f"{value:.0%}"
        case "percent":
            return f"{value:.3g} %"
        case "pps" | "ops":
            return f"{value:.3g}/s"
        case "bytes" | "Bps":
            tail = "/s" if unit == "Bps" else ""
            return f"{value / 1024:.3g} KiB{tail}" if abs(value) >= 1024 else f"{value:.3g} B{tail}"
        case _:
            return f"{value:,.0f}" if value == int(value) else f"{value:.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=IMAGES)
    options = parser.parse_args()
    with ending_in_order(), tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        with Sandbox.create("previews", base=base) as sandbox:
            say("building a lab")
            lab, server = watched_lab.build(sandbox, base / "manifests")
            play(lab, say)
            for board in BOARDS:
                dashboard = json.loads((DASHBOARDS / f"{board.name}.json").read_text())
                draw(dashboard, list(read(dashboard, server)), options.output / f"dashboard-{board.name}.svg")
    say(f"drawn in {options.output}")


if __name__ == "__main__":
    main()
