"""What thousands of Services cost on a real API server: until each has its address and is announced, in requests and in memory.

    python -m bench.kubernetes [--quick | --sizes N...] [--output DIRECTORY]
    python -m bench.kubernetes --redraw JSON

A cluster in network namespaces, with our controller and a speaker on each of its three nodes, all with the chart's roles. For
each size everything of ours is started anew, then so many Services are made as fast as the API server takes them.
Told are: when the last one had its address (the Service's status), when it was announced (its first ARP on the LAN, as a referee at
the switch hears it), and when a status object said so; what ours asked the API server for (its audit log); and the memory of
the controller, of *watch* and of *wire*. Then a client asks for some of the addresses by ARP, and all speakers are asked who owns them.
There are no kube-proxies: three on one machine would be most of what is measured. Needs `make kube-tools`.

From size to size, requests and memory are to grow no faster than the Services, and the times no faster than it takes to make them:
how fast an API server takes thousands is its own matter, that ours keep up with it is ours. The bench fails otherwise.
"""

from __future__ import annotations

import argparse
import importlib
import json
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
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
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import INSIDE
from swimlb.lab.waiting import wait_until

DOCUMENT = ROOT / "docs" / "reference" / "benchmarks-services.md"
SIZES, QUICK_SIZES = (500, 1_000, 2_500, 5_000), (100, 300)
JOIN_TIMEOUT = 120.0
FILL_TIMEOUT = 900.0
ANNOUNCED_WITHIN = 120.0
STATUS_TIMEOUT = 30.0
"""A speaker computes the succession of each address for an answer, and is one of three on this machine."""

SAMPLE = 50
"""Addresses that the client asks for, spread over all."""

ANSWER_WITHIN = 0.5
GROWTH_MAX = 1.1
"""How much more than in proportion a figure may grow from one size to the next: a machine with other work is no clock."""

Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """One of what is held to grow no faster than the Services."""

    name: str
    title: str
    unit: str
    beside: str = "size"
    """What it may grow in proportion to."""


FIGURES = (
    Figure("addressed", "until all have addresses", "s", "made"),
    Figure("announced", "until all are announced", "s", "made"),
    Figure("told", "until all status objects tell it", "s", "made"),
    Figure("requests", "requests of controller and speakers", ""),
    Figure("controller", "memory of the controller", "MiB"),
    Figure("watch", "memory of *watch*, the largest", "MiB"),
    Figure("wire", "memory of *wire*, the largest", "MiB"),
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
    lab.start_ours()
    lab.wait_until_joined(JOIN_TIMEOUT)
    before = _memory(lab)
    meter = Meter(lab.control_plane.audit_log)
    try:
        with Referee(lab.sandbox) as referee:
            filling = crowd.fill(lab, crowd.names(0, size), FILL_TIMEOUT)
            announced = wait_until(
                lambda: _announced(referee, filling),
                timeout=ANNOUNCED_WITHIN,
                what="an announcement of each address",
                interval=1.0,
            )
        asked = meter.settled()
        found: Found = {
            "size": size,
            "made": filling.made - filling.begun,
            "addressed": filling.addressed - filling.begun,
            "announced": announced - filling.begun,
            "told": filling.told - filling.begun,
            "requests": asked.total(),
            "asked": [[one.account, one.verb, str(one).rpartition(" ")[2], n] for one, n in asked.items()],
            "before": before,
            **_memory(lab),
            "unanswered": _unanswered(lab, list(filling.addresses.values())),
            "disagreeing": _disagreeing(lab, filling.addresses),
        }
    finally:
        lab.end_ours()
        crowd.empty(lab)
    say(outline(found))
    return found


def _announced(referee: Referee, filling: crowd.Filling) -> float | None:
    """When the last of the addresses was announced for the first time; None: not all of them have been."""
    first: dict[str, float] = {}
    for claim in referee.claims():
        first.setdefault(claim.address, claim.time)
    times = [first.get(address) for address in filling.addresses.values()]
    return max(time for time in times if time is not None) if None not in times else None


def _memory(lab: KubernetesLab) -> dict[str, float]:
    """MiB that no other process shares: of the largest process of each kind."""
    nodes = [node.name for node in lab.network.nodes]
    controller = lab.sandbox.process(CONTROLLER)
    assert controller is not None, "the controller runs"
    processes = {
        "controller": [controller],
        **{which: [lab.speaker_process(node, which) for node in nodes] for which in ("watch", "wire")},
    }
    return {
        which: max(resources.held_by(one).private_kib for one in several) / 1024
        for which, several in processes.items()
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
    """The greatest factor, from one size to the next, beyond what it may grow in proportion to."""
    shares = [one[figure.name] / one[figure.beside] for one in found["sizes"]]
    return max((after / before for before, after in pairwise(shares)), default=1.0)


def verdicts(found: Found) -> dict[str, bool]:
    """Of each figure, whether it grew no faster than it may."""
    return {one.name: growth(found, one) <= GROWTH_MAX for one in FIGURES}


def outline(one: Found) -> str:
    return (
        f"{one['size']} Services: made in {one['made']:.1f} s, addressed in {one['addressed']:.1f} s, announced in "
        f"{one['announced']:.1f} s, told in {one['told']:.1f} s; {one['requests'] / one['size']:.2f} requests each; "
        f"controller {one['controller']:.0f}, watch {one['watch']:.0f}, wire {one['wire']:.0f} MiB"
    )


def page(found: Found) -> Iterable[str]:
    where, sizes = found["machine"], found["sizes"]
    yield "# Thousands of Services, measured"
    yield ""
    yield "Written by `make bench-kubernetes`; do not edit. A real API server with our controller and three speakers, all on one"
    yield f"machine: {where['processor']}, {where['cores']} cores, Linux {where['kernel']}, Python {where['python']}. For each size ours are"
    yield "started anew, and Services are made as fast as that API server takes them: *until all are made* is the time of whoever makes"
    yield "them, and the other times are from the same beginning. An address is announced when its first ARP is on the LAN. Memory is what no"
    yield "other process shares. *Grows no faster*: times than making them takes, the rest than their number, by a tenth at most."
    yield "What is measured, and how: `bench/kubernetes.py`."
    yield ""
    yield "![Times, requests and memory against the number of Services](../images/benchmarks-services.svg)"
    yield ""
    yield from table(
        ("Services", *(f"{one['size']:,}" for one in sizes), "grows no faster"),
        [
            ("until all are made, s", *(f"{one['made']:.1f}" for one in sizes), ""),
            *(
                (
                    f"{of.title}{', ' if of.unit else ''}{of.unit}",
                    *(_shown(one[of.name]) for one in sizes),
                    "yes" if is_fine else "**no**",
                )
                for of, is_fine in zip(FIGURES, verdicts(found).values(), strict=True)
            ),
            ("requests for each Service", *(f"{one['requests'] / one['size']:.2f}" for one in sizes), ""),
            ("addresses without an answer, of a sample", *(str(one["unanswered"]) for one in sizes), ""),
            ("addresses that speakers disagree on", *(str(one["disagreeing"]) for one in sizes), ""),
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


def _shown(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.1f}"


def plot(found: Found, path: Path) -> None:
    """Each figure against the size, with a line of linear growth from the smallest one."""
    mpl: Any = importlib.import_module("matplotlib")
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "swimlb"  # The same data draw the same file.
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained")
    sizes = [one["size"] for one in found["sizes"]]
    panels = (
        ("time", "s", ("made", "addressed", "announced", "told")),
        ("requests", "", ("requests",)),
        ("memory", "MiB", ("controller", "watch", "wire")),
    )
    for axis, (title, unit, names) in zip(axes, panels, strict=True):
        for name in names:
            values = [one[name] for one in found["sizes"]]
            [line] = axis.plot(sizes, values, marker="o", markersize=3, label=name)
            linear = [values[0] * size / sizes[0] for size in sizes]
            if title != "memory":
                axis.plot(sizes, linear, linestyle=":", linewidth=1, color=line.get_color())
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
