"""What the benchmark has found, for people: one line per ring, a plot, and the page in docs/reference."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

Found = dict[str, Any]

_CASES = (("killed", "SIGKILL"), ("stopped", "SIGSTOP"), ("half_killed", "half at once, SIGKILL"))
_COSTS = (
    ("packets_per_second", "packets/s"),
    ("octets_per_second", "octets/s"),
    ("cpu_percent", "CPU, % of a core"),
    ("rss_mib", "RSS, MiB"),
    ("pss_mib", "PSS, MiB"),
)


def outline(ring: Found) -> str:
    cost = ring["cost"]
    times = ", ".join(f"{words} {spread(ring[case])}" for case, words in _CASES if ring[case])
    return (
        f"{times}; {cost['packets_per_second']:.1f} packets/s, {cost['cpu_percent']:.2f} % CPU, "
        f"late by {1000 * ring['lateness_worst']:.0f} ms at most"
    )


def spread(times: Sequence[float | None]) -> str:
    """Median (min-max), and how often it took longer than the benchmark waits."""
    if not times:
        return "-"
    known = [time for time in times if time is not None]
    missed = len(times) - len(known)
    text = f"{median(known):.2f} ({min(known):.2f}-{max(known):.2f})" if known else "never"
    return f"{text}, {missed} not in time" if missed and known else text


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    unit: str
    value: Callable[[Found], float | None]


def _panels() -> list[_Panel]:
    def detection(case: str) -> Callable[[Found], float | None]:
        return lambda ring: _median(ring[case])

    def cost(kind: str) -> Callable[[Found], float | None]:
        return lambda ring: ring["cost"][kind]

    return [
        *(_Panel(words, "s, median", detection(case)) for case, words in _CASES),
        _Panel("idle traffic", "packets/s per member", cost("packets_per_second")),
        _Panel("idle CPU", "% of a core per member", cost("cpu_percent")),
        _Panel("memory", "PSS per member, MiB", cost("pss_mib")),
    ]


def plot(found: Found, path: Path) -> None:
    """Medians against the size: detection of each kind, and each cost."""
    mpl: Any = importlib.import_module("matplotlib")
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "swimlb"  # The same data draw the same file.
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(2, 3, figsize=(13, 7), layout="constrained")
    for axis, panel in zip(axes.flat, _panels(), strict=True):
        for name, rings in _by_contender(found).items():
            points = {ring["size"]: panel.value(ring) for ring in rings if panel.value(ring) is not None}
            if points:
                axis.plot(list(points), list(points.values()), marker="o", markersize=3, label=name)
        axis.set(title=panel.title, xlabel="members", ylabel=panel.unit, yscale="log")
        axis.set_xticks(sorted({ring["size"] for ring in found["rings"]}))
        for formatted in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
            formatted("{x:g}")
        axis.tick_params(axis="y", which="both", labelsize="x-small")
        axis.grid(visible=True, which="both", alpha=0.2)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def write(found: Found, directory: Path) -> None:
    """benchmarks-membership.md and its plot."""
    (directory / "benchmarks-membership.md").write_text("\n".join(_page(found)) + "\n")
    images = directory.parent / "images"
    images.mkdir(exist_ok=True)
    plot(found, images / "benchmarks-membership.svg")


def _page(found: Found) -> Iterable[str]:
    machine, plan = found["machine"], found["plan"]
    yield "# Membership, measured"
    yield ""
    yield "Written by `make bench-membership`; do not edit. All rings of a size lived on one machine, in network namespaces"
    yield f"of their own: {machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}, Python {machine['python']}."
    if "load_before" in machine:
        yield f"The load of the machine was {machine['load_before']:.1f} before and {machine['load_after']:.1f} after, the benchmark's own included."
    yield "serf is Debian's 0.9.4, memberlist is 0.7.0, kinship is the release in requirements/bench.txt."
    yield ""
    yield "A time is counted from the signal until the last survivor has said that the member (of a half: the last of them) is"
    yield f"gone: median (min-max) in seconds, of {plan['slow_repeats']} deaths each, {plan['quick_repeats']} for swimlb's own profiles;"
    yield f"halves died {plan['halves']} times, {2 * plan['halves']} for these. Half of 3 members is one."
    yield "Octets are counted as the loopback link does, with all headers, 14 octets of link header among them. RSS and PSS are of"
    yield "the process that also watches and reports: the same small loop for Go and Python, the whole agent for serf."
    yield "*Late* is by how much the benchmark's own timer was late at worst in what is counted; a death during which it was more"
    yield "than 100 ms is *disturbed*, and is done again, twice at most."
    yield ""
    yield "![Detection and cost against the number of members](../images/benchmarks-membership.svg)"
    for size in sorted({ring["size"] for ring in found["rings"]}):
        rings = [ring for ring in found["rings"] if ring["size"] == size]
        yield from ("", f"## {size} members", "")
        yield from _table(
            ("", *(words for _, words in _CASES), "false deaths", "late, ms", "disturbed"),
            (
                (
                    ring["contender"],
                    *(spread(ring[case]) for case, _ in _CASES),
                    ring["false_deaths"],
                    f"{1000 * ring['lateness_worst']:.0f}",
                    ring["disturbed"],
                )
                for ring in rings
            ),
        )
        yield from ("", f"Per member, idle for {plan['idle']:g} s:", "")
        yield from _table(
            ("", *(words for _, words in _COSTS)),
            ((ring["contender"], *(f"{ring['cost'][key]:.2f}" for key, _ in _COSTS)) for ring in rings),
        )
    yield from (
        "",
        "## Codec",
        "",
        "Nanoseconds per message, beside msgpack alone on a dict with the same fields.",
        "",
    )
    yield from _table(
        ("", "octets", "encode", "msgpack packs", "decode", "msgpack unpacks"),
        (
            (
                timing["message"],
                timing["octets"],
                *(f"{timing[key]:.0f}" for key in ("encode", "msgpack_encode", "decode", "msgpack_decode")),
            )
            for timing in found["codec"]
        ),
    )


def _table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> Iterable[str]:
    yield f"| {' | '.join(map(str, head))} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"


def _by_contender(found: Found) -> dict[str, list[Found]]:
    grouped: dict[str, list[Found]] = {}
    for ring in sorted(found["rings"], key=lambda ring: ring["size"]):
        grouped.setdefault(ring["contender"], []).append(ring)
    return grouped


def _median(times: Sequence[float | None]) -> float | None:
    known = [time for time in times if time is not None]
    return median(known) if known else None
