"""Layer 2 of swimlb beside keepalived: how long a client is without its address, and how fast ARP is answered.

    python -m bench.layer2 [--runs 20] [--only failover|replies] [--quick] [--output DIRECTORY] [--redraw JSON]

Each contender has three nodes, a switch and a client in network namespaces of its own. The contenders of keepalived,
which mostly wait, live side by side with ours at the same time; ours come one after the other. Writes layer2.json and
layer2.svg to the directory, and docs/reference/benchmarks-layer2.md unless --quick. Needs root, keepalived,
frr and requirements/bench.txt.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench import arp_replies, layer2_report
from bench.contenders import ROOT
from bench.failover import CONTENDERS, Bench, Contender, Event, running
from bench.membership import ending_in_order, machine, say
from bench.ring import Interrupted, interrupt
from swimlb.lab.measure import LATENESS_MAX

_DOCUMENTS = ROOT / "docs" / "reference"
_ATTEMPTS_MAX = 3
"""A run that the machine disturbed is done again; then it is taken as it is, with the lateness beside it."""


@dataclass(slots=True)
class Failover:
    """One contender."""

    contender: str
    product: str
    cuts: list[Event] = field(default_factory=list[Event])
    """The owner's cable is cut at the switch."""
    stops: list[Event] = field(default_factory=list[Event])
    """SIGTERM to the owner's daemon."""
    disturbed: int = 0
    """Runs that were not counted, because the prober was late."""


def fail_over(contender: Contender, number: int, runs: int) -> Failover:
    """All runs of a contender, cuts and stops in turn."""
    result = Failover(contender.name, contender.product)
    with tempfile.TemporaryDirectory() as scratch, running(contender, number, Path(scratch)) as bench:
        for run in range(runs):
            result.cuts.append(_undisturbed(bench, "cut", result))
            result.stops.append(_undisturbed(bench, "stop", result))
            say(
                f"{contender.name}, {run + 1} of {runs}: cut {layer2_report.figure(asdict(result.cuts[-1]))}, "
                f"SIGTERM {layer2_report.figure(asdict(result.stops[-1]))}"
            )
    return result


def _undisturbed(bench: Bench, kind: str, result: Failover) -> Event:
    event = getattr(bench, kind)()
    for _ in range(_ATTEMPTS_MAX - 1):
        if event.lateness <= LATENESS_MAX:
            break
        result.disturbed += 1
        event = getattr(bench, kind)()
    return event


def fail_over_all(chosen: Sequence[Contender], runs: int) -> list[Failover]:
    numbered = list(enumerate(chosen))
    ours = [one for one in numbered if one[1].product == "swimlb"]
    lanes = [[one] for one in numbered if one not in ours] + ([ours] if ours else [])

    def play(lane: Sequence[tuple[int, Contender]]) -> list[tuple[int, Failover]]:
        return [(number, fail_over(contender, number, runs)) for number, contender in lane]

    with ThreadPoolExecutor(len(lanes)) as pool:
        begun = [pool.submit(play, lane) for lane in lanes]
        try:
            found = [result for future in begun for result in future.result()]
        except BaseException:
            interrupt()  # The pool waits for its threads, and these clean up behind themselves.
            raise
    return [result for _, result in sorted(found, key=lambda one: one[0])]


def reply_all(*, rounds: int, flood: float) -> list[arp_replies.Replies]:
    found: list[arp_replies.Replies] = []
    for addresses in arp_replies.COUNTS:
        for responder in ("kernel", "swimlb"):
            say(f"replies: {responder} with {addresses} addresses")
            found.append(arp_replies.measure(responder, addresses, rounds=rounds, flood=flood))
            say(layer2_report.reply_outline(asdict(found[-1])))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=20, help="of each kind for each contender")
    parser.add_argument("--quick", action="store_true", help="two runs, under three minutes; no document")
    parser.add_argument("--only", choices=["failover", "replies"], help="keep the other from the last time")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results")
    parser.add_argument("--redraw", type=Path, help="measure nothing: plot and page from this layer2.json")
    options = parser.parse_args()
    if options.redraw is not None:
        layer2_report.write(json.loads(options.redraw.read_text()), _DOCUMENTS)
        return
    results: Path = options.output / "layer2.json"
    found: dict[str, Any] = {}
    if options.only and results.exists():
        found = json.loads(results.read_text())
    with ending_in_order():
        if options.only in (None, "replies"):
            found["replies"] = section(lambda: reply_all(rounds=4000, flood=3.0))
        if options.only in (None, "failover"):
            runs = 2 if options.quick else options.runs
            found["failover"] = section(lambda: fail_over_all(CONTENDERS, runs))
    options.output.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(found, indent=1) + "\n")
    if len(found) == 2:
        layer2_report.plot(found, options.output / "layer2.svg")
        if not options.quick:
            layer2_report.write(found, _DOCUMENTS)
    say(f"written to {options.output}")


def section(measure: Callable[[], Sequence[Failover | arp_replies.Replies]]) -> dict[str, Any]:
    """A part of the results, with the machine it was measured on and what else that machine did."""
    before = os.getloadavg()[0]
    results = measure()
    return {
        "machine": machine(),
        "load": {"before": before, "after": os.getloadavg()[0]},
        "results": [asdict(one) for one in results],
    }


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, Interrupted):
        sys.exit("interrupted; nothing is written, and nobody is left")
