"""What the BGP benchmark has found, for people: a plot, and the page in docs/reference."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.layer2_report import table

Found = dict[str, Any]


def plot(found: Found, path: Path) -> None:
    """Time, CPU and memory against the number of prefixes."""
    mpl: Any = importlib.import_module("matplotlib")
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "swimlb"  # The same data draw the same file.
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    panels = (("seconds", "time, s"), ("cpu_seconds", "CPU, s"), ("rss_mib", "RSS, MiB"))
    for axis, (key, title) in zip(axes, panels, strict=True):
        for contender in dict.fromkeys(one["contender"] for one in found["transfers"]):
            points = {
                one["count"]: one[key]
                for one in _by_count(found["transfers"])
                if one["contender"] == contender and one[key]
            }
            axis.plot(list(points), list(points.values()), marker="o", markersize=4, label=contender)
        axis.set(title=title, xlabel="prefixes", xscale="log", yscale="log")
        axis.grid(visible=True, which="both", alpha=0.2)
    axes[0].legend()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def write(found: Found, directory: Path) -> None:
    """benchmarks-bgp.md and its plot."""
    (directory / "benchmarks-bgp.md").write_text("\n".join(page(found)) + "\n")
    images = directory.parent / "images"
    images.mkdir(exist_ok=True)
    plot(found, images / "benchmarks-bgp.svg")


def page(found: Found) -> Iterable[str]:
    machine = found["machine"]
    yield "# BGP, measured"
    yield ""
    yield "Written by `make bench-bgp`; do not edit. Everything lived on one machine, in network namespaces:"
    yield f"{machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}, Python {machine['python']}."
    yield "FRR, GoBGP and ExaBGP are Debian 12's. One run of each: trust ratios rather than figures."
    yield ""
    yield "![Time, CPU and memory against the number of prefixes](../images/benchmarks-bgp.svg)"
    yield ""
    yield "## Many prefixes to FRR"
    yield ""
    yield "The speaker has its routes before the router starts. *Time* is from Established, as FRR sees it, until FRR's table"
    yield "has all of them; it is read every 20 ms or so, which is the least that can be told. *CPU* is what the speaker's"
    yield "process used from the start of the router on, *RSS* what it held at the end. swimlb is here the one BGP peer"
    yield "with its sockets, without the rest of the speaker."
    yield ""
    yield from table(
        ("prefixes", "", "time, s", "CPU, s", "RSS, MiB"),
        (
            (
                f"{one['count']:,}",
                one["contender"],
                "not in time" if one["seconds"] is None else f"{one['seconds']:.2f}",
                f"{one['cpu_seconds']:.2f}",
                f"{one['rss_mib']:.0f}",
            )
            for one in _by_count(found["transfers"])
        ),
    )
    yield ""
    yield "## One prefix more"
    yield ""
    yield "What swimlb sends, and how long FRR waits, when one route is added to those that are there."
    yield ""
    yield from table(
        ("among", "UPDATEs", "octets", "time, ms"),
        (
            (f"{one['count']:,}", one["updates"], one["octets"], f"{1000 * one['seconds']:.0f}")
            for one in _by_count(found["changes"])
        ),
    )


def _by_count(results: list[Found]) -> list[Found]:
    return sorted(results, key=lambda one: one["count"])
