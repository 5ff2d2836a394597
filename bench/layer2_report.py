"""What the layer 2 benchmark has found, for people: a line for each run, a plot, and the page in docs/reference."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

Found = dict[str, Any]


def figure(event: Found) -> str:
    """One run."""
    outage = event["outage"]
    text = "longer than the window" if outage is None else f"{1000 * outage:.0f} ms"
    return f"{text} (black hole)" if event["is_black_hole"] else text


def spread(events: Sequence[Found]) -> str:
    """Median (min-max) of the outages in milliseconds, and how many outlasted the window; those count as the longest."""
    if not events:
        return "-"
    known = [1000 * event["outage"] for event in events if event["outage"] is not None]
    endless = len(events) - len(known)
    middle = median([*known, *[float("inf")] * endless])
    shown = "longer than the window" if middle == float("inf") else f"{middle:.0f}"
    extremes = f" ({min(known):.0f}-{max(known):.0f})" if known else ""
    return f"{shown}{extremes}" + (f", {endless} longer than the window" if endless else "")


def reply_outline(reply: Found) -> str:
    per_cpu = reply["replies_per_cpu_second"]
    return (
        f"{reply['responder']} with {reply['addresses']}: p50 {reply['p50_us']:.0f} µs, p99 {reply['p99_us']:.0f} µs, "
        f"{reply['replies_per_second']:.0f} replies/s"
        + (f", {per_cpu:.0f} per second of CPU" if per_cpu is not None else "")
    )


def plot(found: Found, path: Path) -> None:
    """Every outage as a point, and the rates of replies."""
    mpl: Any = importlib.import_module("matplotlib")
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "swimlb"  # The same data draw the same file.
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    figure_, axes = pyplot.subplots(1, 3, figsize=(14, 4.5), layout="constrained")
    for axis, (kind, title) in zip(axes, (("cuts", "cable cut"), ("stops", "SIGTERM")), strict=False):
        for position, one in enumerate(found["failover"]["results"]):
            # Nothing lost has no place on a logarithmic axis; less than the interval of the probes has no meaning.
            heights = [max(5.0, 1000 * event["outage"]) for event in one[kind] if event["outage"] is not None]
            axis.plot([position] * len(heights), heights, "o", alpha=0.4, markersize=5)
            if heights:
                axis.plot([position - 0.25, position + 0.25], [median(heights)] * 2, "k-")
        axis.set(title=title, ylabel="client's outage, ms (5: at most one probe)", yscale="log")
        names = [one["contender"] for one in found["failover"]["results"]]
        axis.set_xticks(range(len(names)), names, rotation=20, ha="right")
        axis.grid(visible=True, which="both", axis="y", alpha=0.2)
    names = [f"{one['responder']}, {one['addresses']}" for one in found["replies"]["results"]]
    axes[2].bar(names, [one["replies_per_second"] for one in found["replies"]["results"]])
    axes[2].set(title="ARP replies per second", ylabel="replies/s")
    axes[2].tick_params(axis="x", rotation=20)
    figure_.savefig(path, metadata={"Date": None})
    pyplot.close(figure_)


def write(found: Found, directory: Path) -> None:
    """benchmarks-layer2.md and its plot."""
    (directory / "benchmarks-layer2.md").write_text("\n".join(page(found)) + "\n")
    images = directory.parent / "images"
    images.mkdir(exist_ok=True)
    plot(found, images / "benchmarks-layer2.svg")


def page(found: Found) -> Iterable[str]:
    machine = found["failover"]["machine"]
    load, reply_load = found["failover"]["load"], found["replies"]["load"]
    yield "# Layer 2, measured"
    yield ""
    yield "Written by `make bench-layer2`; do not edit. Everything lived on one machine, in network namespaces:"
    yield f"{machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}, Python {machine['python']}. Other work"
    yield f"ran beside it: the load was {load['before']:.1f} before and {load['after']:.1f} after the failovers, {reply_load['before']:.1f} and"
    yield f"{reply_load['after']:.1f} around the replies, so trust ratios rather than figures."
    yield "keepalived is Debian's 2.2.7, on three nodes too, with its defaults but for the interval of its adverts (0.1 s needs"
    yield "VRRP version 3)."
    yield ""
    yield "![Outages and reply rates](../images/benchmarks-layer2.svg)"
    yield ""
    yield "## Failover"
    yield ""
    yield "A client on the LAN probes the address every 5 ms through its kernel's ARP cache. *Outage* is from the last probe"
    yield "answered before to the first one answered after, in ms: median (min-max); 0 means that no probe was lost. Each event"
    yield "is watched for 6 s. *Black hole*: the client was without an answer for more than 0.5 s after another node had claimed"
    yield "the address. *Disturbed* are runs whose prober was itself more than 25 ms late, which were done again, twice at most."
    yield ""
    yield from table(
        (
            "",
            "cable cut",
            "black holes in so many cuts",
            "SIGTERM",
            "black holes in so many stops",
            "runs that lost nothing at SIGTERM",
            "disturbed",
        ),
        (
            (
                one["contender"],
                spread(one["cuts"]),
                black_holes(one["cuts"]),
                spread(one["stops"]),
                black_holes(one["stops"]),
                f"{sum(event['lost'] == 0 for event in one['stops'])} of {len(one['stops'])}",
                one["disturbed"],
            )
            for one in found["failover"]["results"]
        ),
    )
    yield ""
    yield from ratios(found["failover"]["results"])
    yield ""
    yield "## Replies"
    yield ""
    yield "A client at the other end of one veth cable. Latency: one question at a time, the client's own work included. Rate:"
    yield "questions come faster than they are answered; the kernel answers on the core that asks, swimlb on another one if"
    yield "there is one free. *Per second of CPU* counts only the time that the process ran, whatever else the machine did."
    yield ""
    yield from table(
        ("", "addresses", "p50, µs", "p99, µs", "replies/s", "replies per second of CPU", "questions/s"),
        (
            (
                one["responder"],
                one["addresses"],
                f"{one['p50_us']:.0f}",
                f"{one['p99_us']:.0f}",
                f"{one['replies_per_second']:,.0f}",
                "-" if one["replies_per_cpu_second"] is None else f"{one['replies_per_cpu_second']:,.0f}",
                f"{one['requests_per_second']:,.0f}",
            )
            for one in found["replies"]["results"]
        ),
    )


def ratios(failovers: Sequence[Found]) -> Iterable[str]:
    """How many times shorter our outages are than those of the rival of the same pace."""
    by_name = {one["contender"]: one for one in failovers}
    for ours, theirs in (("swimlb normal", "keepalived 1 s"), ("swimlb fast", "keepalived 0.1 s")):
        pair = [by_name.get(name, {"cuts": []})["cuts"] for name in (ours, theirs)]
        medians = [
            median(float("inf") if event["outage"] is None else event["outage"] for event in events)
            for events in pair
            if events
        ]
        if len(medians) == 2 and medians[0] > 0 and max(medians) < float("inf"):
            yield f"- {ours} beside {theirs}, cable cut: the median outage is {medians[1] / medians[0]:.1f} times shorter."


def black_holes(events: Sequence[Found]) -> str:
    return f"{sum(event['is_black_hole'] for event in events)} in {len(events)}"


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> Iterable[str]:
    yield f"| {' | '.join(map(str, head))} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
