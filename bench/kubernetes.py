"""What thousands of Services cost on a real API server: until each has its address and is announced, in requests, CPU and memory.

    python -m bench.kubernetes [--quick | --sizes N...] [--output DIRECTORY]
    python -m bench.kubernetes --redraw JSON

A cluster in network namespaces, with our controller and a speaker on each of its three nodes, all with the chart's roles. For
each size there are three parts, each as fast as the API server takes it:

- alone: so many Services are made that nobody of ours follows, for nothing of ours runs;
- turned: ours are started, and these Services get the type LoadBalancer;
- made: ours are started anew, and so many LoadBalancers are made.

Told of the last two are: when the last one had its address (the Service's status), when it was announced (its first ARP on the
LAN, as a referee at the switch hears it), when a status object said so, and when the last Event was written; and the CPU that the
controller, *watch* and *wire* spent on each Service, without what they need while nothing happens. Of the last one also: what
ours asked the API server for (its audit log), and the memory of ours. Then a client asks for some of the addresses by ARP, and
all speakers are asked who owns them. There are no kube-proxies: three on one machine would be most of what is measured. Needs
`make kube-tools`.

From the smallest size to the largest, everything is to grow no faster than the Services, so the CPU for each not at all; but the
times of making them no faster than that takes with nothing of ours running: kube-apiserver 1.34 counts, for a metric of its own,
all cluster IPs each time that it gives one to a new Service (`Used` in pkg/registry/core/service/ipallocator), which makes the
making of thousands grow with their square. The bench fails otherwise.
"""

from __future__ import annotations

import argparse
import importlib
import json
import socket
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from statistics import mean
from typing import Any

from bench.contenders import ROOT
from bench.layer2_report import table
from bench.membership import ending_in_order, machine, say
from bench.ring import pause
from swimlb.lab import namespaces, resources
from swimlb.lab.daemon import Daemon
from swimlb.lab.kubernetes import crowd
from swimlb.lab.kubernetes.audit import Meter
from swimlb.lab.kubernetes.lab import CONTROLLER, KubernetesLab, network
from swimlb.lab.observers import Referee
from swimlb.lab.processes import ProcessId
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import INSIDE
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock

DOCUMENT = ROOT / "docs" / "reference" / "benchmarks-services.md"
SIZES, QUICK_SIZES = (500, 5_000, 1_000, 500, 2_500, 5_000, 500), (100, 300)
"""Fewest and most in turns: what differs between two runs of as many is the machine's own doing."""

JOIN_TIMEOUT = 120.0
FILL_TIMEOUT = 900.0
ANNOUNCED_WITHIN = 120.0
STATUS_TIMEOUT = 30.0
"""A speaker computes the succession of each address for an answer, and is one of three on this machine."""

SAMPLE = 50
"""Addresses that the client asks for, spread over all."""

ANSWER_WITHIN = 0.5
IDLE = 10.0
"""Seconds in which nothing happens: what a process needs for itself is left out of what Services cost."""

TIMED_FROM = 500
"""Times and CPU of fewer Services are not judged: making them ends while most of what ours do beside it is still to come."""

GROWTH_MAX, TIME_GROWTH_MAX = 1.1, 1.25
"""How much more than in proportion the mean of a figure may grow from the smallest size to the largest. With time, also CPU's, the
machine has its share: as many Services differ by as much from run to run. What grows with the square of the number would grow
tenfold."""

Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """One of what is held to grow no faster than the Services."""

    name: str
    title: str
    unit: str
    beside: str = "size"
    """What it may grow in proportion to; empty: it may not grow at all."""
    growth_max: float = GROWTH_MAX
    least: int = 0
    """Of fewer Services it is not judged."""


FIGURES = (
    Figure("requests", "requests of controller and speakers", ""),
    Figure("controller", "memory of the controller", "MiB"),
    Figure("watch", "memory of *watch*, the largest", "MiB"),
    Figure("wire", "memory of *wire*, the largest", "MiB"),
    *(
        Figure(f"{part}{name}", f"{title}, until all {words}", "s", beside, TIME_GROWTH_MAX, TIMED_FROM)
        for title, part, beside in (("turned", "turned_", "size"), ("made", "", "alone"))
        for name, words in (
            ("addressed", "have addresses"),
            ("announced", "are announced"),
            ("told", "status objects tell it"),
            ("ended", "Events are written"),
        )
    ),
    *(
        Figure(f"{part}cpu_{name}", f"{title}, CPU of {words}", "ms each", "", TIME_GROWTH_MAX, TIMED_FROM)
        for title, part in (("turned", "turned_"), ("made", ""))
        for name, words in (
            ("controller", "the controller"),
            ("watch", "three *watch*"),
            ("wire", "three *wire*"),
        )
    ),
)


def measure(sizes: Sequence[int]) -> Found:
    with Sandbox.create("bench-services") as sandbox:
        lab = KubernetesLab(sandbox, network())
        say("building a cluster")
        lab.build_cluster()
        lab.installation.apply()
        lab.cluster.wait_until_ready()
        for node in lab.network.nodes:
            Daemon(sandbox, node.name, "kube-proxy").kill()
        lab.kubectl.apply_objects(crowd.configuration())
        return {"machine": machine(), "sizes": [_of_size(lab, size) for size in sizes]}


def _of_size(lab: KubernetesLab, size: int) -> Found:
    found = {"size": size, **_turned(lab, size), **_made(lab, size)}
    say(outline(found))
    return found


def _turned(lab: KubernetesLab, size: int) -> Found:
    names = crowd.names(0, size)
    alone = crowd.make_plain(lab, names, FILL_TIMEOUT)
    with _ours(lab):
        _, followed = _followed(lab, partial(crowd.turn, lab, names, FILL_TIMEOUT))
    crowd.empty(lab)
    return {
        "alone": alone,
        "turned": followed.pop("made"),
        **{f"turned_{what}": value for what, value in followed.items()},
    }


def _made(lab: KubernetesLab, size: int) -> Found:
    with _ours(lab):
        before = _memory(lab)
        filling, followed = _followed(lab, partial(crowd.fill, lab, crowd.names(0, size), FILL_TIMEOUT))
        found: Found = {
            **followed,
            "before": before,
            **_memory(lab),
            "unanswered": _unanswered(lab, list(filling.addresses.values())),
            "disagreeing": _disagreeing(lab, filling.addresses),
        }
    crowd.empty(lab)
    return found


@contextmanager
def _ours(lab: KubernetesLab) -> Generator[None]:
    """The controller and the speakers, started anew."""
    lab.start_ours()
    try:
        lab.wait_until_joined(JOIN_TIMEOUT)
        yield
    finally:
        lab.end_ours()


def _followed(lab: KubernetesLab, become: Callable[[], crowd.Filling]) -> tuple[crowd.Filling, Found]:
    """What became of the Services, the seconds from the beginning until each thing was so of all of them, and what was spent on it."""
    meter, before = Meter(lab.control_plane.audit_log), _cpu(lab)
    with Referee(lab.sandbox) as referee:
        filling = become()
        announced = wait_until(
            lambda: _announced(referee, filling),
            timeout=ANNOUNCED_WITHIN,
            what="an announcement of each address",
            interval=1.0,
        )
    moments = {
        "made": filling.made,
        "addressed": filling.addressed,
        "announced": announced,
        "told": filling.told,
    }
    asked = meter.settled()
    spent, took, now = _cpu(lab), clock.monotonic() - filling.begun, clock.wall()
    moments["ended"] = filling.begun + took - (now - meter.last("create", "events"))
    pause(IDLE)
    idle = {which: (after - spent[which]) / IDLE for which, after in _cpu(lab).items()}
    cost = {which: after - before[which] - idle[which] * took for which, after in spent.items()}
    return filling, {
        **{what: at - filling.begun for what, at in moments.items()},
        **{f"cpu_{which}": seconds / len(filling.addresses) * 1000 for which, seconds in cost.items()},
        "requests": asked.total(),
        "asked": [[one.account, one.verb, str(one).rpartition(" ")[2], n] for one, n in asked.items()],
    }


def _announced(referee: Referee, filling: crowd.Filling) -> float | None:
    """When the last of the addresses was announced for the first time; None: not all of them have been."""
    first: dict[str, float] = {}
    for claim in referee.claims():
        first.setdefault(claim.address, claim.time)
    times = [first.get(address) for address in filling.addresses.values()]
    return max(time for time in times if time is not None) if None not in times else None


def _memory(lab: KubernetesLab) -> dict[str, float]:
    """MiB that no other process shares: of the largest process of each kind."""
    return {
        which: max(resources.held_by(one).private_kib for one in several) / 1024
        for which, several in _processes(lab).items()
    }


def _cpu(lab: KubernetesLab) -> dict[str, float]:
    """Seconds that all processes of each kind have had so far."""
    return {
        which: resources.cpu_seconds(one.pid for one in several) for which, several in _processes(lab).items()
    }


def _processes(lab: KubernetesLab) -> dict[str, list[ProcessId]]:
    nodes = [node.name for node in lab.network.nodes]
    controller = lab.sandbox.process(CONTROLLER)
    assert controller is not None, "the controller runs"
    return {
        "controller": [controller],
        **{which: [lab.speaker_process(node, which) for node in nodes] for which in ("watch", "wire")},
    }


def _unanswered(lab: KubernetesLab, addresses: Sequence[str]) -> int:
    """Of a sample, how many a client gets no MAC for."""
    sample = addresses[:: max(1, len(addresses) // SAMPLE)][:SAMPLE]
    client = lab.sandbox.namespace(INSIDE.name)
    # They are in no subnet of the client's.
    namespaces.ip_batch([f"route replace {crowd.RANGE} dev eth0"], client)
    with namespaces.entered(client), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for address in sample:
            asking.sendto(b"", (address, 9))
    pause(ANSWER_WITHIN)
    return sum(lab.resolve(address) is None for address in sample)


def _disagreeing(lab: KubernetesLab, addresses: Mapping[str, str]) -> int:
    """Addresses that some speaker knows no owner of, or another one than the others."""
    statuses = [lab.require_status(node.name, STATUS_TIMEOUT) for node in lab.network.nodes]
    owners = [{one.address: one.owner for one in status.l2} for status in statuses]
    told = [{known.get(address) for known in owners} for address in addresses.values()]
    return sum(len(one) != 1 or None in one for one in told)


# What was found


def growth(found: Found, figure: Figure) -> float:
    """From the smallest size to the largest, the factor beyond what it may grow in proportion to."""
    shares: dict[int, list[float]] = {}
    for one in found["sizes"]:
        if one["size"] >= figure.least:
            beside = one[figure.beside] if figure.beside else 1.0
            shares.setdefault(one["size"], []).append(one[figure.name] / beside)
    return mean(shares[max(shares)]) / mean(shares[min(shares)]) if shares else 1.0


def verdicts(found: Found) -> dict[str, bool]:
    """Of each figure, whether it grew no faster than it may."""
    return {one.name: growth(found, one) <= one.growth_max for one in FIGURES}


def outline(one: Found) -> str:
    return (
        f"{one['size']} Services: made in {one['alone']:.1f} s with nothing of ours running; turned in {one['turned']:.1f} s, "
        f"announced in {one['turned_announced']:.1f} s; made in {one['made']:.1f} s, addressed in {one['addressed']:.1f} s, "
        f"announced in {one['announced']:.1f} s, told in {one['told']:.1f} s; {one['requests'] / one['size']:.2f} requests each; "
        f"controller {one['controller']:.0f}, watch {one['watch']:.0f}, wire {one['wire']:.0f} MiB"
    )


def page(found: Found) -> Iterable[str]:
    where, sizes = found["machine"], sorted(found["sizes"], key=itemgetter("size"))
    yield "# Thousands of Services, measured"
    yield ""
    yield "Written by `make bench-kubernetes`; do not edit. A real API server with our controller and three speakers, all on one"
    yield f"machine: {where['processor']}, {where['cores']} cores, Linux {where['kernel']}, Python {where['python']}. For each size Services are first"
    yield "made with *nothing of ours running*; then ours are started, and these Services are *turned* into LoadBalancers (`spec.type`); then,"
    yield "ours started anew, as many LoadBalancers are *made*: each as fast as that API server takes it, and times are from the beginning of"
    yield "each. An address is announced when its first ARP is on the LAN. CPU is what a process spends until the last Event is written, without"
    yield "what it needs while nothing happens. Memory is what no other process shares."
    order = (f"{one['size']:,}" for one in found["sizes"])
    yield f"The sizes were measured in this order: {'; '.join(order)}."
    yield ""
    yield "*Grows no faster*: from the fewest to the most, means of several runs, no faster than the number of Services (CPU for each: not at"
    yield "all), by a tenth at most, times and CPU by a quarter: runs of the same size differ as much. Times of making are held beside making with"
    yield "nothing of ours running, for that grows with the square of the number: kube-apiserver counts, for a metric of its own, all"
    yield "cluster IPs each time that it gives one to a new Service (`Used` in pkg/registry/core/service/ipallocator of Kubernetes 1.34)."
    yield "Services that are there already have theirs, and show how time grows without it. What is measured, and how: `bench/kubernetes.py`."
    yield ""
    yield "![Times, CPU, requests and memory against the number of Services](../images/benchmarks-services.svg)"
    yield ""
    judged = verdicts(found)
    yield from table(
        ("Services", *_heads(sizes), "times as much", "grows no faster"),
        [
            *(
                _row(f"{words}, s", name, found, sizes)
                for name, words in (
                    ("alone", "with nothing of ours running, until all are made"),
                    ("turned", "turned, until all are"),
                    ("made", "made, until all are"),
                )
            ),
            *(
                _row(
                    ", ".join(filter(None, (of.title, of.unit))),
                    of.name,
                    found,
                    sizes,
                    "yes" if judged[of.name] else "**no**",
                )
                for of in FIGURES
            ),
            ("requests for each Service", *(f"{one['requests'] / one['size']:.2f}" for one in sizes), "", ""),
            (
                "addresses without an answer, of a sample",
                *(str(one["unanswered"]) for one in sizes),
                "",
                "",
            ),
            ("addresses that speakers disagree on", *(str(one["disagreeing"]) for one in sizes), "", ""),
        ],
    )
    largest = sizes[-1]
    yield ""
    yield f"## Requests for {largest['size']:,} Services"
    yield ""
    yield from table(
        ("account", "verb", "resource", "requests", "for each Service"),
        [
            (account.rpartition("/")[2], verb, resource, f"{count:,}", f"{count / largest['size']:.3f}")
            for account, verb, resource, count in sorted(largest["asked"], key=lambda row: -row[3])
        ],
    )


def _row(title: str, name: str, found: Found, sizes: Sequence[Found], verdict: str = "") -> tuple[str, ...]:
    """With how many times as much the most take as the fewest, in the mean."""
    as_such = Figure(name, title, "", beside="")
    return (title, *(_shown(one[name]) for one in sizes), f"{growth(found, as_such):.1f}", verdict)


def _heads(sizes: Sequence[Found]) -> Iterable[str]:
    known: set[int] = set()
    for one in sizes:
        yield f"{one['size']:,}{' again' if one['size'] in known else ''}"
        known.add(one["size"])


def _shown(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.1f}"


def plot(found: Found, path: Path) -> None:
    """Each figure against the size: every run, lines through the means, and dotted ones of linear growth from the smallest."""
    mpl: Any = importlib.import_module("matplotlib")
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "swimlb"  # The same data draw the same file.
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(1, 4, figsize=(17, 4), layout="constrained")
    by_size: dict[int, list[Found]] = {}
    for one in sorted(found["sizes"], key=itemgetter("size")):
        by_size.setdefault(one["size"], []).append(one)
    ours = {name: name for name in ("controller", "watch", "wire")}
    parts = {"turned_": "turned", "": "made"}
    times = {
        f"{part}{name}": f"{title}, {name}"
        for part, title in parts.items()
        for name in ("announced", "ended")
    }
    cpu = {f"{part}cpu_{name}": f"{title}, {name}" for part, title in parts.items() for name in ours}
    panels = (
        ("time", "s", {"alone": "made, nothing of ours running"} | times),
        ("CPU for each Service", "ms", cpu),
        ("requests", "", {"requests": "requests"}),
        ("memory", "MiB", ours),
    )
    for axis, (title, unit, names) in zip(axes, panels, strict=True):
        for name, label in names.items():
            values = [mean(one[name] for one in several) for several in by_size.values()]
            [line] = axis.plot([*by_size], values, label=label)
            color = line.get_color()
            every = [(one["size"], one[name]) for several in by_size.values() for one in several]
            axis.plot(*zip(*every, strict=True), color=color, linestyle="", marker="o", markersize=3)
            if title in ("time", "requests"):
                linear = [values[0] * size / min(by_size) for size in by_size]
                axis.plot([*by_size], linear, linestyle=":", linewidth=1, color=color)
        axis.set(title=title, xlabel="Services", ylabel=unit, ylim=(0, None))
        axis.grid(visible=True, alpha=0.2)
        axis.legend(fontsize="small")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def faults(found: Found) -> list[str]:
    """What must not be, whatever the machine."""
    wrong = [
        f"{one['size']} Services: {one[what]} addresses {words}"
        for one in found["sizes"]
        for what, words in (("unanswered", "without an answer"), ("disagreeing", "that speakers disagree on"))
        if one[what]
    ]
    return wrong + [
        f"`{name}` grows faster than it may" for name, is_fine in verdicts(found).items() if not is_fine
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few Services, and no page")
    parser.add_argument(
        "--sizes", type=int, nargs="+", metavar="N", help="so many Services each, and no page"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results")
    parser.add_argument("--redraw", type=Path, metavar="JSON", help="write the page of a run from its file")
    options = parser.parse_args()
    if options.redraw is not None:
        found = json.loads(options.redraw.read_text())
    else:
        with ending_in_order():
            found = measure(options.sizes or (QUICK_SIZES if options.quick else SIZES))
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "kubernetes.json").write_text(json.dumps(found, indent=1) + "\n")
    print("\n".join(page(found)))
    if not (options.quick or options.sizes):
        DOCUMENT.write_text("\n".join(page(found)) + "\n")
        plot(found, DOCUMENT.parent.parent / "images" / "benchmarks-services.svg")
    if wrong := faults(found):
        sys.exit("; ".join(wrong))


if __name__ == "__main__":
    main()
