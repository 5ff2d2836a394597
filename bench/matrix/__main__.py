"""Failover of swimlb beside keepalived, MetalLB, FRR and ExaBGP: what a client loses, what else goes wrong, what it costs.

    python -m bench.matrix [--runs 15] [--only WORD]... [--fault NAME]... [--together 1] [--quick] [--resume]
                           [--list] [--publish] [--output DIRECTORY]
    python -m bench.matrix --redraw JSON...

One contender after the other on the same network, in namespaces; `--together 4` has four of them side by side, in a quarter of the time. Writes failover.json to the directory after every run, and
when all is done docs/benchmarks/, unless --quick or a choice leaves something out; --publish writes it in any case. `--list`
tells what would be measured and how long that takes. Needs root, keepalived, frr, exabgp, `make metallb-current kube-tools`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.contenders import ROOT
from bench.matrix import page, plan, store
from bench.matrix.campaign import Campaign
from bench.matrix.faults import FAULTS
from bench.membership import ending_in_order, say
from bench.ring import Interrupted

DOCUMENTS = ROOT / "docs" / "benchmarks"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.matrix",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=plan.RUNS, help="of each cell")
    parser.add_argument(
        "--only", action="append", default=[], help="cells with this word in their name, as --list has them"
    )
    parser.add_argument("--fault", action="append", default=[], choices=[one.name for one in FAULTS])
    parser.add_argument(
        "--quick", action="store_true", help=f"{plan.QUICK_RUNS} runs of the core: under 8 min"
    )
    parser.add_argument("--resume", action="store_true", help="go on with what was measured or published")
    parser.add_argument("--list", action="store_true", help="measure nothing: tell what would be")
    parser.add_argument("--publish", action="store_true", help="write docs/benchmarks/ whatever was chosen")
    parser.add_argument("--together", type=int, default=1, help="contenders at a time, where time is short")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results")
    parser.add_argument(
        "--redraw",
        type=Path,
        nargs="+",
        help="measure nothing: the pages from failover.json, or from several",
    )
    options = parser.parse_args()
    if options.redraw is not None:
        page.write(store.merged(map(store.read, options.redraw)), DOCUMENTS)
        return
    runs = plan.QUICK_RUNS if options.quick else options.runs
    cells = plan.quick_cells() if options.quick else plan.all_cells()
    lots = plan.lots(plan.chosen(cells, words=options.only, faults=options.fault))
    results: Path = options.output / "failover.json"
    results.parent.mkdir(parents=True, exist_ok=True)
    kept = store.Store(results, _known(results) if options.resume else {}, options.together)
    campaign = Campaign(kept, lots, runs, options.together)
    count = sum(len(lot.cells) for lot in lots)
    say(f"{count} cells, {runs} runs each: about {plan.duration(campaign.seconds_left())}")
    if options.list:
        for lot in lots:
            for cell in lot.cells:
                print(f"  {cell.name}: {kept.runs(cell)} of {runs} runs")
        return
    with ending_in_order():
        campaign.measure()
    is_whole = not (options.quick or options.only or options.fault)
    if is_whole or options.publish:
        page.write(kept.found, DOCUMENTS)
        say(f"written to {DOCUMENTS}")
    say(f"written to {results}")


def _known(results: Path) -> store.Found:
    """What there is already: of this machine, or as it was published."""
    for path in (results, DOCUMENTS / "failover.json"):
        if path.exists():
            return store.read(path)
    return {}


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, Interrupted):
        sys.exit("interrupted; nobody is left, and --resume goes on with what was measured")
