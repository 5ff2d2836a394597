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
        f"{reply['responder']} with {reply['addresses']}: p50 {reply['paced']['p50_us']:.0f} µs paced, "
        f"{reply['incessant']['p50_us']:.0f} µs incessantly, "
        f"{reply['replies_per_second']:.0f} replies/s"
        + (f", {per_cpu:.0f} per second of CPU" if per_cpu is not None else "")
    )


def _pyplot() -> Any:
    mpl: Any = importlib.import_module("matplotlib")
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "swimlb"  # The same data draw the same file.
    return importlib.import_module("matplotlib.pyplot")


def plot_failover(found: Found, path: Path) -> None:
    """Every outage as a point."""
    pyplot = _pyplot()
    figure_, axes = pyplot.subplots(1, 2, figsize=(9.5, 4.5), layout="constrained")
    for axis, (kind, title) in zip(axes, (("cuts", "cable cut"), ("stops", "SIGTERM")), strict=True):
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
    figure_.savefig(path, metadata={"Date": None})
    pyplot.close(figure_)


def plot_replies(found: Found, path: Path) -> None:
    """Latencies and rates."""
    pyplot = _pyplot()
    figure_, axes = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained")
    replies = found["replies"]["results"]
    names = [f"{one['responder']}, {one['addresses']}" for one in replies]
    for axis, mode in zip(axes, ("paced", "incessant"), strict=False):
        axis.bar(names, [one[mode]["p50_us"] for one in replies])
        axis.set(title=f"from question to answer, {mode}", ylabel="p50, µs")
    axes[2].bar(names, [one["replies_per_second"] for one in replies])
    axes[2].set(title="ARP replies per second", ylabel="replies/s")
    for axis in axes:
        axis.tick_params(axis="x", rotation=20)
    figure_.savefig(path, metadata={"Date": None})
    pyplot.close(figure_)


_SECTIONS = {"failover": ("## Failover", plot_failover), "replies": ("## Replies", plot_replies)}


def plot(found: Found, directory: Path) -> None:
    """What has been measured: benchmarks-layer2-failover.svg, benchmarks-layer2-replies.svg."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, (_, draw) in _SECTIONS.items():
        if name in found:
            draw(found, directory / f"benchmarks-layer2-{name}.svg")


def write(found: Found, directory: Path) -> None:
    """benchmarks-layer2.md and its plots. A section that has not been measured stays as the page has it."""
    path = directory / "benchmarks-layer2.md"
    kept = path.read_text() if path.exists() else ""
    path.write_text("\n".join(page(found, kept)) + "\n")
    plot(found, directory.parent / "images")


def page(found: Found, kept: str = "") -> Iterable[str]:
    yield "# Layer 2, measured"
    yield ""
    yield "Written by `make bench-layer2`; do not edit. Everything lived on one machine, in network namespaces, and other work ran"
    yield "beside it, so trust ratios rather than figures."
    for name, (heading, _) in _SECTIONS.items():
        yield ""
        yield heading
        yield ""
        if name not in found:
            yield section(kept, heading)
            continue
        machine, load = found[name]["machine"], found[name]["load"]
        yield f"{machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}, Python {machine['python']}; the load was"
        yield f"{load['before']:.1f} before and {load['after']:.1f} after."
        yield ""
        yield f"![{heading.removeprefix('## ')}](../images/benchmarks-layer2-{name}.svg)"
        yield ""
        yield from _failover(found) if name == "failover" else _replies(found)


def section(text: str, heading: str) -> str:
    """What a page has under a heading of the second level."""
    _, _, rest = text.partition(f"\n{heading}\n")
    return rest.partition("\n## ")[0].strip("\n")


def _failover(found: Found) -> Iterable[str]:
    yield "keepalived is Debian's 2.2.7, on three nodes too, with its defaults but for the interval of its adverts (0.1 s needs"
    yield "VRRP version 3)."
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


def _replies(found: Found) -> Iterable[str]:
    yield "A client at the other end of one veth cable, which waits asleep for each answer; its own work is in all figures."
    yield "*Paced*: one question in a millisecond, so that client and responder sleep and caches are cold in between, as where"
    yield "somebody asks now and then. *Incessant*: the next question as soon as the last one is answered. The kernel answers"
    yield "within the client's system call and wakes nobody; any process has to be woken. *bare* is a process in Python that waits in"
    yield "recv(2), looks the address up, answers, and can do nothing else. Rate: questions come faster than they are answered; the"
    yield "kernel answers on the core that asks, a process on another one if there is one free. *Per second of CPU* counts only the time"
    yield "that the process ran, whatever else the machine did."
    yield ""
    yield from table(
        (
            "",
            "addresses",
            "paced p50, µs",
            "p99, µs",
            "incessant p50, µs",
            "p99, µs",
            "replies/s",
            "replies per second of CPU",
            "questions/s",
        ),
        (
            (
                one["responder"],
                one["addresses"],
                *(
                    f"{one[mode][percentile]:.0f}"
                    for mode in ("paced", "incessant")
                    for percentile in ("p50_us", "p99_us")
                ),
                f"{one['replies_per_second']:,.0f}",
                "-" if one["replies_per_cpu_second"] is None else f"{one['replies_per_cpu_second']:,.0f}",
                f"{one['requests_per_second']:,.0f}",
            )
            for one in found["replies"]["results"]
        ),
    )
    yield ""
    yield from reply_goals(found["replies"]["results"])


def reply_goals(replies: Sequence[Found]) -> Iterable[str]:
    """Within five times the kernel's latency, and 150,000 replies/s on one core, with every count of addresses."""
    found = {(one["responder"], one["addresses"]): one for one in replies}
    yield from table(
        ("addresses", "goal", "measured", "the bare process", ""),
        (
            row
            for (responder, addresses), one in found.items()
            if responder == "swimlb"
            for row in _goals_of(one, found["kernel", addresses], found["bare", addresses])
        ),
    )


def _goals_of(ours: Found, kernel: Found, bare: Found) -> Iterable[tuple[object, ...]]:
    for mode in ("paced", "incessant"):
        times, bare_times = (one[mode]["p50_us"] / kernel[mode]["p50_us"] for one in (ours, bare))
        yield (
            ours["addresses"],
            f"{mode} p50 at most 5 times the kernel's",
            f"{times:.1f} times",
            f"{bare_times:.1f} times",
            _verdict(times <= 5),
        )
    rate = ours["replies_per_cpu_second"]
    yield (
        ours["addresses"],
        "150,000 replies per second of one core",
        f"{rate:,.0f}",
        f"{bare['replies_per_cpu_second']:,.0f}",
        _verdict(rate >= 150_000),
    )


def _verdict(is_reached: bool) -> str:
    return "reached" if is_reached else "not reached"


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
