"""What the BGP benchmark has found, for people: plots, and the page in docs/reference."""

from __future__ import annotations

import importlib
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median, stdev
from typing import Any

from bench import bgp_jitter
from bench.layer2_report import table

Found = dict[str, Any]
Seconds = Sequence[float | None]
HOLD_TIME_ROW, HOLD_TIME, KEEPALIVE_TIME = "hold time 3 s", 3.0, 1.0
_RESAMPLES = 1000
_COLOURS = {"swimlb": "C0", "FRR": "C1", "BIRD": "C2"}


def write(found: Found, directory: Path) -> None:
    """benchmarks-bgp.md and its plots."""
    (directory / "benchmarks-bgp.md").write_text("\n".join(page(found)) + "\n")
    images = directory.parent / "images"
    images.mkdir(exist_ok=True)
    for name, draw in (
        ("benchmarks-bgp", _plot_transfers),
        ("benchmarks-bgp-removal", _plot_removals),
        ("benchmarks-bgp-ecmp", _plot_ecmp),
    ):
        draw(_pyplot(), found, images / f"{name}.svg")


def _pyplot() -> Any:
    mpl: Any = importlib.import_module("matplotlib")
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "swimlb"  # The same data draw the same file.
    return importlib.import_module("matplotlib.pyplot")


def _save(pyplot: Any, figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _plot_transfers(pyplot: Any, found: Found, path: Path) -> None:
    """Time, CPU and memory against the number of prefixes."""
    transfers = _by_count(found["transfer"]["transfers"])
    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    panels = (("seconds", "time, s"), ("cpu_seconds", "CPU, s"), ("rss_mib", "RSS, MiB"))
    for axis, (key, title) in zip(axes, panels, strict=True):
        for contender in dict.fromkeys(one["contender"] for one in transfers):
            points = {
                one["count"]: one[key] for one in transfers if one["contender"] == contender and one[key]
            }
            axis.plot(list(points), list(points.values()), marker="o", markersize=4, label=contender)
        axis.set(title=title, xlabel="prefixes", xscale="log", yscale="log")
        axis.grid(visible=True, which="both", alpha=0.2)
    axes[0].legend()
    _save(pyplot, figure, path)


def _plot_removals(pyplot: Any, found: Found, path: Path) -> None:
    """Every run as a point, its row's median as a line."""
    removals = found["removal"]["results"]
    rows = list(dict.fromkeys(one["row"] for one in removals))
    figure, axes = pyplot.subplots(1, len(rows), figsize=(14, 4.2), layout="constrained")
    for axis, row in zip(axes, rows, strict=True):
        columns = [one for one in removals if one["row"] == row]
        for position, one in enumerate(columns):
            heights = [1000 * seconds for seconds in one["seconds"] if seconds is not None]
            colour = _COLOURS[one["contender"]]
            axis.plot([position] * len(heights), heights, "o", color=colour, alpha=0.4, markersize=4)
            if heights:
                axis.plot([position - 0.3, position + 0.3], [median(heights)] * 2, "k-")
        names = [f"{one['contender']} → {one['router']}" for one in columns]
        axis.set_xticks(range(len(names)), names, rotation=35, ha="right")
        axis.set(title=row, ylim=(0, None))
        axis.grid(visible=True, axis="y", alpha=0.2)
    axes[0].set_ylabel("fault to removal, ms")
    _save(pyplot, figure, path)


def _plot_ecmp(pyplot: Any, found: Found, path: Path) -> None:
    """A point for each node that died."""
    kinds = found["ecmp"]["results"]
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    for axis, (part, title) in zip(axes, (("others", "a node dies"), ("back", "it comes back")), strict=True):
        for position, kind in enumerate(kinds):
            heights = [100 * death[part]["broken"] / death[part]["count"] for death in kind["deaths"]]
            axis.plot([position] * len(heights), heights, "o", alpha=0.5)
        names = [f"{kind['router']}: {kind['ecmp']}" for kind in kinds]
        axis.set_xticks(range(len(names)), names, rotation=20, ha="right")
        axis.set(title=title, ylabel="broken connections to other nodes, %")
        axis.grid(visible=True, axis="y", alpha=0.2)
    _save(pyplot, figure, path)


def page(found: Found) -> Iterable[str]:
    machine = found["removal"]["machine"]
    yield "# BGP and BFD, measured"
    yield ""
    yield "Written by `make bench-bgp`; do not edit. Everything lived on one machine, in network namespaces:"
    yield f"{machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}, Python {machine['python']}."
    yield "FRR (8.4), BIRD (2.0.12), GoBGP and ExaBGP are Debian 12's. Trust ratios rather than figures."
    yield ""
    yield from removal_part(found["removal"])
    yield ""
    yield from _ecmp_part(found["ecmp"])
    yield ""
    yield from _transfer_part(found["transfer"])


def removal_part(part: Found) -> Iterable[str]:
    yield "## A node dies: how long its router goes on sending to it"
    yield ""
    yield "![Every run, by row, router and contender](../images/benchmarks-bgp-removal.svg)"
    yield ""
    yield "A route has two next hops: a node of the contender, and one that stays. *BFD* and *hold time*: the contender's cable is"
    yield "cut at the switch, so that neither side sees its link go; *SIGKILL*: all of its processes are killed, without BFD. The time"
    yield "runs until the router's kernel tells that the next hop has left the route, in ms: median (min-max). On the node are"
    yield "the whole speaker of swimlb, FRR's bgpd, zebra and bfdd, or BIRD, all with the same timers. They are taken away"
    yield "again and again at random moments, all at the same time. FRR as a router adds about 74 ms whatever it hears of."
    yield f"{_surroundings(part)} *Disturbed* are runs in which the clock of"
    yield "the benchmark was more than 25 ms late, or the route went sooner than the fault can have caused; they were done again. *False alarms*: the route"
    yield "went while nothing happened to the node."
    yield ""
    cells = {(one["row"], one["router"], one["contender"]): one for one in part["results"]}
    rows = list(dict.fromkeys((row, router) for row, router, _ in cells))
    names = list(dict.fromkeys(name for _, _, name in cells))
    yield from table(
        ("", "router", *(f"{name} on the node" for name in names), "runs each", "disturbed", "false alarms"),
        (
            (
                row,
                router,
                *(milliseconds(cells[row, router, name]["seconds"]) for name in names),
                min(len(cells[row, router, name]["seconds"]) for name in names),
                sum(cells[row, router, name]["disturbed"] for name in names),
                sum(cells[row, router, name]["false_alarms"] for name in names),
            )
            for row, router in rows
        ),
    )
    yield ""
    yield "With BFD the last packet before the cut is up to an interval old, with the hold time the last KEEPALIVE up to a second;"
    yield "from there on it is the router's clock that runs. Who sends more often is dropped later: swimlb and BIRD shorten the time to"
    yield "the next KEEPALIVE at random by up to a quarter (RFC 4271 section 10), FRR does not. Differences of two medians below the *noise*"
    yield "are chance: it is twice the standard error of such a difference, found by drawing from the runs anew (bootstrap)."
    yield ""
    yield from _verdicts(cells, rows)
    yield from _jitter_part(cells, rows)


def _verdicts(cells: dict[tuple[str, str, str], Found], rows: list[tuple[str, str]]) -> Iterable[str]:
    for row, router in rows:
        ours = _known(cells[row, router, "swimlb"]["seconds"])
        for rival in ("FRR", "BIRD"):
            theirs = _known(cells[row, router, rival]["seconds"])
            if not ours or not theirs:
                continue  # Not measured yet, or never in time, as the table says.
            difference = 1000 * (median(ours) - median(theirs))
            noise = 2 * 1000 * (_error(ours) ** 2 + _error(theirs) ** 2) ** 0.5
            if abs(difference) <= noise:
                verdict = "as fast"
            else:
                verdict = "faster" if difference < 0 else "slower"
            yield f"- {row}, router {router}: beside {rival}, swimlb is {verdict} ({difference:+.1f} ms, noise {noise:.1f} ms)."


def _jitter_part(cells: dict[tuple[str, str, str], Found], rows: list[tuple[str, str]]) -> Iterable[str]:
    """What of the difference to FRR in the row of the hold time is the jitter."""
    found = {
        router: [_known(cells[row, router, name]["seconds"]) for name in ("swimlb", "FRR")]
        for row, router in rows
        if row == HOLD_TIME_ROW
    }
    runs = min((len(one) for pair in found.values() for one in pair), default=0)
    if not runs:
        return
    alone = bgp_jitter.difference(HOLD_TIME, KEEPALIVE_TIME, runs)
    yield ""
    yield f"Calculated (`bench/bgp_jitter.py`), the jitter alone makes {1000 * alone.expected:+.0f} ms beside FRR in the row of the hold time, and with"
    yield f"chance {1000 * alone.least:+.0f} to {1000 * alone.most:+.0f} ms in 19 of 20 benchmarks of so many runs. Measured is,"
    for router, (ours, theirs) in found.items():
        difference = median(ours) - median(theirs)
        is_all = alone.least <= difference <= alone.most
        verdict = "so there is no sign of more than jitter" if is_all else "so there is another cause, too"
        yield f"with router {router}, {1000 * difference:+.0f} ms, {verdict}{';' if router != list(found)[-1] else '.'}"


def _error(seconds: Sequence[float]) -> float:
    """The standard error of a median. No formula of the mean's gives it: times to a hold timer's end are no bell curve."""
    rng = random.Random(bgp_jitter.SEED)
    if len(seconds) < 2:
        return 0.0
    return stdev(median(rng.choices(seconds, k=len(seconds))) for _ in range(_RESAMPLES))


def _known(seconds: Seconds) -> list[float]:
    return [one for one in seconds if one is not None]


def milliseconds(seconds: Seconds) -> str:
    """Median (min-max), and how many outlasted the benchmark's patience; in tenths where it is a matter of these."""
    known = sorted(1000 * one for one in seconds if one is not None)
    if not known:
        return "never" if seconds else "-"
    missed = len(seconds) - len(known)
    digits = 1 if known[-1] < 100 else 0
    text = f"{median(known):.{digits}f} ({known[0]:.{digits}f}-{known[-1]:.{digits}f})"
    return text + (f", {missed} not in time" if missed else "")


def _ecmp_part(part: Found) -> Iterable[str]:
    yield "## A node dies: connections to others that break"
    yield ""
    yield "![Broken connections, by router and kind of ECMP](../images/benchmarks-bgp-ecmp.svg)"
    yield ""
    yield "A client behind the router keeps 2,000 TCP connections to one Service on five nodes, each with a speaker of swimlb, every"
    yield "one of which says something once a second. One node's cable is cut, and BFD takes it out of the route; then, with 2,000 new"
    yield "connections, it comes back. One that the router now sends to another node is reset there. Each node died once. *Share of new"
    yield "connections*: what the node gets of those opened 6 to 9 s after its return; 20 % would be fair. *Disturbed*: done again, because"
    yield "the route changed without a reason. What to do about it is in"
    yield "[ECMP without broken connections](../how-to/ecmp-without-broken-connections.md)."
    yield ""
    yield from table(
        (
            "router",
            "ECMP",
            "broken of those on other nodes, as a node dies",
            "broken of all, as it comes back",
            "share of new connections",
            "disturbed",
        ),
        (
            (
                kind["router"],
                kind["ecmp"],
                _shares([one["others"] for one in kind["deaths"]], "broken", "count"),
                _shares([one["back"] for one in kind["deaths"]], "broken", "count"),
                _shares([one["back"] for one in kind["deaths"]], "fresh_on_returned", "fresh"),
                kind["disturbed"],
            )
            for kind in part["results"]
        ),
    )
    yield ""
    yield "*Hash-threshold* is the kernel's ECMP as FRR and BIRD ask for it. *Resilient* are next-hop groups of the same"
    yield "kernel, with an idle timer of 5 s, filled from BIRD's routes by `swimlb/lab/resilient.py`. With 128 buckets each has 16"
    yield "connections and is never idle, so that the node that came back gets nothing; with 16,384 most are empty."


def _shares(counts: Sequence[Found], part: str, whole: str) -> str:
    """All deaths together (least-most of one)."""
    shares = [100 * one[part] / one[whole] for one in counts if one[whole]]
    if not shares:
        return "-"
    total = 100 * sum(one[part] for one in counts) / sum(one[whole] for one in counts)
    return f"{total:.1f} % ({min(shares):.1f}-{max(shares):.1f})"


def _transfer_part(part: Found) -> Iterable[str]:
    yield "## Many prefixes to FRR"
    yield ""
    yield "![Time, CPU and memory against the number of prefixes](../images/benchmarks-bgp.svg)"
    yield ""
    yield "The speaker has its routes before the router starts. *Time* is from Established, as FRR logs it, until FRR's table"
    yield "has all of them, asked every 2 ms. *CPU* is what the speaker's"
    yield "process used from the start of the router on, *RSS* what it held at the end. swimlb is here the one BGP peer"
    yield f"with its sockets, without the rest of the speaker. One run of each. {_surroundings(part)}"
    yield ""
    yield from table(
        ("prefixes", "", "time, s", "CPU, s", "RSS, MiB"),
        (
            (
                f"{one['count']:,}",
                one["contender"],
                "not in time" if one["seconds"] is None else f"{one['seconds']:.3f}",
                f"{one['cpu_seconds']:.2f}",
                f"{one['rss_mib']:.0f}",
            )
            for one in _by_count(part["transfers"])
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
            for one in _by_count(part["changes"])
        ),
    )


def _surroundings(part: Found) -> str:
    load = part["load"]
    niceness = f", and all of the benchmark ran at niceness {load['niceness']}" if load["niceness"] else ""
    return f"The machine's load was {load['before']:.1f} before and {load['after']:.1f} after{niceness}."


def _by_count(results: list[Found]) -> list[Found]:
    return sorted(results, key=lambda one: one["count"])
