"""Layer 2 of swimlb beside keepalived: how long a client is without its address, and how fast ARP is answered.

    python -m bench.layer2 [--cuts 60] [--runs 20] [--only failover|replies] [--quick] [--resume] [--output DIRECTORY]
    python -m bench.layer2 --redraw JSON

Each contender has three nodes, a switch and a client in network namespaces of its own, and all live side by side.
Writes layer2.json to the directory, after every event, and plots; unless --quick also
docs/reference/benchmarks-layer2.md. Needs root, keepalived,
frr and requirements/bench.txt.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any

from bench import arp_replies, layer2_report
from bench.contenders import ROOT
from bench.matrix import faults
from bench.matrix.cluster import Scale
from bench.matrix.contenders import CONTENDERS, Contender, running
from bench.matrix.judge import Run
from bench.matrix.scene import Scene
from bench.membership import ending_in_order, machine, say
from bench.ring import Interrupted, interrupt
from swimlb.lab.measure import LATENESS_MAX

_DOCUMENTS = ROOT / "docs" / "reference"
RIVALS = tuple(one for one in CONTENDERS if one.way == "layer 2" and not one.has_api)
"""Ours and keepalived: they live side by side, which a control plane beside them would disturb."""
_ATTEMPTS_MAX = 3
"""A run that the machine disturbed is done again; then it is taken as it is, with the lateness beside it."""


@dataclass(slots=True)
class Failover:
    """One contender."""

    contender: str
    product: str
    cuts: list[Run] = field(default_factory=list[Run])
    """The owner's cable is cut at the switch."""
    stops: list[Run] = field(default_factory=list[Run])
    """SIGTERM to the owner's daemon."""
    disturbed: int = 0
    """Runs that were not counted, because the prober was late."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many events each contender is put through."""

    cuts: int
    """Of ours: a black hole is rare, and its absence shows only in many."""
    rivals_cuts: int
    stops: int

    def cuts_of(self, contender: Contender) -> int:
        return self.cuts if contender.product == "swimlb" else self.rivals_cuts


def fail_over(contender: Contender, plan: Plan, result: Failover, on_event: Callable[[], None]) -> None:
    """What the plan still lacks of a contender, cuts and stops in turn."""
    cuts = plan.cuts_of(contender)
    if len(result.cuts) >= cuts and len(result.stops) >= plan.stops:
        return
    with tempfile.TemporaryDirectory() as scratch, running(contender, Scale(), Path(scratch)) as cluster:
        scene = Scene(cluster, contender.window)
        for kind, events, count in _in_turn(result, cuts, plan.stops):
            events.append(_undisturbed(scene, kind, result))
            say(
                f"{contender.name}, {kind} {len(events)} of {count}: {layer2_report.figure(asdict(events[-1]))}"
            )
            on_event()


def _in_turn(result: Failover, cuts: int, stops: int) -> Iterator[tuple[str, list[Run], int]]:
    """A cut and a stop, as long as both are lacking, then the rest."""
    while len(result.cuts) < cuts or len(result.stops) < stops:
        if len(result.cuts) < cuts:
            yield "cut", result.cuts, cuts
        if len(result.stops) < stops:
            yield "stop", result.stops, stops


def _undisturbed(scene: Scene, kind: str, result: Failover) -> Run:
    fault, rng = faults.find(kind), Random(f"{result.contender} {len(result.cuts)} {len(result.stops)}")
    event = scene.suffer(fault, rng)
    for _ in range(_ATTEMPTS_MAX - 1):
        if event.lateness <= LATENESS_MAX:
            break
        result.disturbed += 1
        event = scene.suffer(fault, rng)
    return event


def fail_over_all(
    chosen: Sequence[Contender], plan: Plan, found: Sequence[Failover], on_event: Callable[[], None]
) -> None:
    """All side by side: they wait most of the time, and what one does to another counts as a disturbance."""
    with ThreadPoolExecutor(len(chosen)) as pool:
        begun = [
            pool.submit(fail_over, contender, plan, result, on_event)
            for contender, result in zip(chosen, found, strict=True)
        ]
        try:
            for future in begun:
                future.result()
        except BaseException:
            interrupt()  # The pool waits for its threads, and these clean up behind themselves.
            raise


def reply_all(*, rounds: int, flood: float) -> list[arp_replies.Replies]:
    found: list[arp_replies.Replies] = []
    for addresses in arp_replies.COUNTS:
        say(f"replies: {' and '.join(arp_replies.RESPONDERS)} with {addresses} addresses")
        for one in arp_replies.measure(addresses, rounds=rounds, flood=flood):
            found.append(one)
            say(layer2_report.reply_outline(asdict(one)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cuts", type=int, default=60, help="cable cuts of each of ours")
    parser.add_argument("--runs", type=int, default=20, help="of each other kind for each contender")
    parser.add_argument("--quick", action="store_true", help="two of each, under three minutes; no document")
    parser.add_argument("--only", choices=["failover", "replies"], help="the other stays as the page has it")
    parser.add_argument("--resume", action="store_true", help="go on with the failovers of the last time")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results")
    parser.add_argument("--redraw", type=Path, help="measure nothing: plot and page from this layer2.json")
    options = parser.parse_args()
    if options.redraw is not None:
        layer2_report.write(json.loads(options.redraw.read_text()), _DOCUMENTS)
        return
    results: Path = options.output / "layer2.json"
    results.parent.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {}
    if (options.only or options.resume) and results.exists():
        found = json.loads(results.read_text())
    plan = Plan(2, 2, 2) if options.quick else Plan(options.cuts, options.runs, options.runs)

    def keep(section: str, before: float, parts: Sequence[Failover | arp_replies.Replies]) -> None:
        """Written as it comes: what interrupts the benchmark loses the event that is under way."""
        load = {"before": before, "after": os.getloadavg()[0]}
        found[section] = {"machine": machine(), "load": load, "results": [asdict(one) for one in parts]}
        partial = results.with_suffix(".partial")
        partial.write_text(json.dumps(found, indent=1) + "\n")
        partial.replace(results)

    with ending_in_order():
        if options.only in (None, "replies") and not (options.resume and "replies" in found):
            load = os.getloadavg()[0]
            keep("replies", load, reply_all(rounds=4000, flood=3.0))
        if options.only in (None, "failover"):
            load, writing = os.getloadavg()[0], Lock()
            failovers = _begun(found if options.resume else {})

            def keep_failovers() -> None:
                with writing:
                    keep("failover", load, failovers)

            fail_over_all(RIVALS, plan, failovers, keep_failovers)
    layer2_report.plot(found, options.output)
    if not options.quick:
        layer2_report.write(found, _DOCUMENTS)
    say(f"written to {options.output}")


def _begun(found: dict[str, Any]) -> list[Failover]:
    """What there is of each contender already."""
    known = {one["contender"]: one for one in found.get("failover", {}).get("results", [])}
    begun: list[Failover] = []
    for contender in RIVALS:
        one = known.get(contender.name, {"cuts": [], "stops": [], "disturbed": 0})
        cuts, stops = ([Run(**event) for event in one[kind]] for kind in ("cuts", "stops"))
        begun.append(Failover(contender.name, contender.product, cuts, stops, one["disturbed"]))
    return begun


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, Interrupted):
        sys.exit("interrupted; nobody is left, and --resume goes on with what was measured")
