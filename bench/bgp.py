"""BGP and BFD of swimlb beside others: many prefixes, how fast a router drops a dead node, and what that does to connections.

    python -m bench.bgp [--only transfer|removal|ecmp] [--quick] [--resume] [--output DIRECTORY]
    python -m bench.bgp --redraw JSON

`transfer`: N prefixes to FRR, beside GoBGP and ExaBGP; and what one change costs. `removal`: from the cut of a node's cable, or
SIGKILL, to the route in the kernel of FRR and BIRD, with swimlb, FRR or BIRD on the node. `ecmp`: connections to other nodes
that break as one dies. Every result is written to bgp.json as it comes, and --resume goes on from there;
docs/reference/benchmarks-bgp.md is made of it unless --quick. On a machine that has other work, run it at a niceness below 0: all
that it starts will have it. Needs root, frr, bird2, gobgpd, exabgp and requirements/bench.txt.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from bench import bgp_ecmp, bgp_removal, bgp_report, bgp_transfer
from bench.bgp_ecmp import Broken, Death, Disruption, Return
from bench.bgp_removal import Removal
from bench.contenders import ROOT
from bench.membership import ending_in_order, machine, say
from bench.ring import Interrupted
from swimlb.runtime.priority import lend_precedence

_DOCUMENTS = ROOT / "docs" / "reference"
PARTS = ("transfer", "removal", "ecmp")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it is done."""

    counts: tuple[int, ...]
    """Prefixes."""
    runs: int
    """Of each contender at each router, in each row."""
    deaths: int
    """Of nodes, for each kind of ECMP."""


FULL = Plan((10, 1_000, 10_000, 100_000), runs=20, deaths=5)
QUICK = Plan((10, 1_000), runs=2, deaths=1)


class Results:
    """What there is of bgp.json, written anew with every result: an interruption loses the one that is under way."""

    def __init__(self, file: Path, *, is_resumed: bool) -> None:
        self._file = file
        self._writing = Lock()
        self.found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        self._is_resumed = is_resumed

    def known(self, part: str) -> dict[str, Any]:
        """Earlier results of a part to go on with."""
        return self.found.get(part, {}) if self._is_resumed else {}

    def keep(self, part: str, load_before: float, **results: Any) -> None:
        """Other parts stay as they are."""
        with self._writing:
            load = {"before": load_before, "after": os.getloadavg()[0], "niceness": os.nice(0)}
            self.found[part] = {"machine": machine(), "load": load, **results}
            partial = self._file.with_suffix(".partial")
            partial.write_text(json.dumps(self.found, indent=1) + "\n")
            partial.replace(self._file)


def transfer_all(plan: Plan, results: Results) -> None:
    known, load = results.known("transfer"), os.getloadavg()[0]
    transfers, changes = list(known.get("transfers", [])), list(known.get("changes", []))
    done = {(one["contender"], one["count"]) for one in transfers}
    for count in plan.counts:
        for name in bgp_transfer.CONTENDERS:
            if (name, count) in done:
                continue
            moved, change = bgp_transfer.transfer(name, count)
            transfers.append(asdict(moved))
            changes += [] if change is None else [asdict(change)]
            results.keep("transfer", load, transfers=transfers, changes=changes)
            say(f"{moved} {change or ''}")


def remove_all(plan: Plan, results: Results, rows: list[str]) -> None:
    known = {
        (one["row"], one["router"], one["contender"]): one
        for one in results.known("removal").get("results", [])
    }
    found = [
        Removal(**known.get((row, router, name), {"row": row, "router": router, "contender": name}))
        for row in bgp_removal.ROWS
        for router in bgp_removal.ROUTERS
        for name in bgp_removal.CONTENDERS
    ]
    keep = _keeper(results, "removal", found)
    for row in rows:
        with tempfile.TemporaryDirectory() as scratch:
            bgp_removal.measure_row(row, plan.runs, found, Path(scratch), keep)


def disrupt_all(plan: Plan, results: Results) -> None:
    known = {(one["router"], one["ecmp"]): one for one in results.known("ecmp").get("results", [])}
    found = [
        _disruption(known.get((kind.router, kind.ecmp), {"deaths": [], "disturbed": 0}), kind)
        for kind in bgp_ecmp.KINDS
    ]
    keep = _keeper(results, "ecmp", found)
    for kind in bgp_ecmp.KINDS:
        with tempfile.TemporaryDirectory() as scratch:
            bgp_ecmp.measure_kind(kind, plan.deaths, found, Path(scratch), keep)


def _disruption(known: dict[str, Any], kind: bgp_ecmp.Kind) -> Disruption:
    deaths = [Death(one["node"], Broken(**one["others"]), Return(**one["back"])) for one in known["deaths"]]
    return Disruption(kind.router, kind.ecmp, deaths, known["disturbed"])


def _keeper(results: Results, part: str, found: list[Removal] | list[Disruption]) -> Callable[[], None]:
    load = os.getloadavg()[0]
    return lambda: results.keep(part, load, results=[asdict(one) for one in found])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, help="keep the others from the last time")
    parser.add_argument(
        "--row", choices=list(bgp_removal.ROWS), action="append", help="of removal; default: all"
    )
    parser.add_argument(
        "--runs", type=int, default=FULL.runs, help="of removal, in each row and for each contender"
    )
    parser.add_argument(
        "--quick", action="store_true", help="little of everything, under five minutes; no document"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the results of the last time")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results")
    parser.add_argument("--redraw", type=Path, help="measure nothing: plots and page from this bgp.json")
    options = parser.parse_args()
    if options.redraw is not None:
        bgp_report.write(json.loads(options.redraw.read_text()), _DOCUMENTS)
        return
    plan = QUICK if options.quick else Plan(FULL.counts, options.runs, FULL.deaths)
    options.output.mkdir(parents=True, exist_ok=True)
    results = Results(options.output / "bgp.json", is_resumed=options.resume)
    lend_precedence(os.getpid())
    with ending_in_order():
        if options.only in (None, "transfer"):
            transfer_all(plan, results)
        if options.only in (None, "removal"):
            remove_all(plan, results, options.row or list(bgp_removal.ROWS))
        if options.only in (None, "ecmp"):
            disrupt_all(plan, results)
    if not options.quick and all(part in results.found for part in PARTS):
        bgp_report.write(results.found, _DOCUMENTS)
    say(f"written to {options.output}")


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, Interrupted):
        sys.exit("interrupted; nobody is left, and --resume goes on with what was measured")
