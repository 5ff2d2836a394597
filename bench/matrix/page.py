"""The pages in docs/benchmarks: everything measured on one HTML page that needs nothing else, and how to repeat it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path
from xml.sax.saxutils import escape

from bench.contenders import ROOT
from bench.layer2_report import Found
from bench.matrix import earlier, plan, store
from bench.matrix.contenders import CONTENDERS, Contender, find
from bench.matrix.drawing import STYLE, Row, draw_distributions
from bench.matrix.faults import FAULTS, Fault
from bench.matrix.figures import MEASURES, OUTAGE, OUTAGE_IN_SHORT, PRICES, TAKEN_OVER, Measure
from bench.matrix.questions import INTERVAL as ASKED_EVERY
from bench.matrix.scene import SAMPLED, STREAMS
from swimlb.lab.measure import LATENESS_MAX
from swimlb.lab.prober import INTERVAL
from swimlb.lab.report import SCROLLING_STYLE, scrolling

_REFERENCE = ROOT / "docs" / "reference"
_STYLE = (
    """
  :root { color-scheme: light dark; --ink: #1d2733; --faint: #6b7785; --line: #e3e8ee; --ground: #ffffff;
          --ours: #0072b2; --theirs: #d55e00; --mark: #fdf0dc; }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #e6ebf1; --faint: #97a3b1; --line: #2c3642; --ground: #12181f; --ours: #4aa8e0; --theirs: #f0933a;
            --mark: #3d2f17; } }
  body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground);
         max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.6rem; margin-bottom: 0.2rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
  h3 { font-size: 1rem; margin: 1.8rem 0 0.2rem; } p { margin: 0.4rem 0; }
  table { border-collapse: collapse; font-size: 13px; margin: 0.6rem 0; } td, tbody th { white-space: nowrap; } td.long { white-space: normal; } th { font-weight: 600; } li { margin: 0.15rem 0; }
  th, td { text-align: left; padding: 0.2rem 0.7rem 0.2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
  thead th { vertical-align: bottom; } td { font-variant-numeric: tabular-nums; } th.ours { color: var(--ours); }
  .better { background: var(--mark); } .better::after { content: " ◂"; color: var(--theirs); }
  .faint { color: var(--faint); } code { font-size: 13px; }
  @media print { body { max-width: none; margin: 0; } table { font-size: 9px; }
                 td, tbody th { white-space: normal; padding-right: 0.3rem; } tr, svg { break-inside: avoid; } h2, h3 { break-after: avoid; } }
"""
    + STYLE
    + SCROLLING_STYLE
)

_MEANINGS = {
    "Outage": f"a client sends a probe every {1000 * INTERVAL:g} ms; from the last one answered before to the first one answered after, the "
    f"longest of a run: median (min-max). 0: nothing was lost. Where there are many addresses, {SAMPLED} of the node's are probed (with "
    f"BGP those that it answers of a few more), every {1000 * INTERVAL * SAMPLED:g} ms each, and the worst counts",
    "Black hole": "no answer for more than 0.5 s after another node had claimed the address. With BGP nobody claims one, and none can be seen",
    "Outage at the end": "the same from when the fault is mended until all is well: median (max). Longer: the client had no answer even then",
    "All claimed after": "when the last of the node's addresses had been claimed by another node: median (max). Longer: not while it was watched",
    "Two owners": f"for how long in all two nodes answered ARP for the address in turns, asked every {1000 * ASKED_EVERY:g} ms, from the fault "
    "until all is well again: median (max)",
    "False moves": "the client's address changed hands more often than the fault made necessary, or an address of a node that was not "
    "hurt was claimed by another; in all runs, and in how many that is",
    "Broken connections": f"of {STREAMS} TCP connections that were established before, those that broke before all was well, all runs together. A node "
    "that takes over knows nothing of them; ours, on Kubernetes and after a planned move, sends their packets on to the one before. With BGP some are to other nodes, and a router that shares flows anew breaks some of these",
    "Disturbed": f"runs whose prober was itself more than {1000 * LATENESS_MAX:g} ms late; they were done again, twice at most",
    "Late": "runs that are in the figures though their prober was as late as that, because it had been twice before: what they tell is "
    "in part the machine's",
    "Failed": "runs that came to no end, because the contender was not well again in time, or the bench itself failed; they are in no figure",
}


def write(found: Found, directory: Path) -> None:
    """index.html, failover.json and README.md."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "failover.json").write_text(store.dumped(found))
    (directory / "index.html").write_text(render(found, _REFERENCE), encoding="utf-8")
    (directory / "README.md").write_text("\n".join(readme(found)) + "\n")


@dataclass(frozen=True, slots=True)
class Better:
    """A figure of a rival that is better than ours."""

    rival: str
    beside: str
    fault: str
    measure: str
    theirs: str
    ours: str


class Results:
    """What was measured, by who, what and how much."""

    def __init__(self, found: Found) -> None:
        self.sessions: list[Found] = found["sessions"]
        self.costs: list[Found] = found["costs"]
        self._cells = {
            (one["contender"], one["fault"], one["nodes"], one["addresses"]): one for one in found["cells"]
        }

    def cell(self, contender: str, fault: str, nodes: int = 3, addresses: int = 1) -> Found | None:
        return self._cells.get((contender, fault, nodes, addresses))

    def runs(self, contender: str, fault: str, nodes: int = 3, addresses: int = 1) -> list[Found]:
        cell = self.cell(contender, fault, nodes, addresses)
        return [] if cell is None else cell["runs"]

    def cost(self, contender: str, nodes: int = 3, addresses: int = 1) -> Found | None:
        for one in self.costs:
            if (one["contender"], one["nodes"], one["addresses"]) == (contender, nodes, addresses):
                return one
        return None

    def count(self) -> int:
        return sum(len(one["runs"]) for one in self._cells.values())

    def late(self) -> int:
        return sum(_late(one) for one in self._cells.values())

    def runs_each(self) -> tuple[int, int]:
        """The fewest and the most runs of a cell that has any."""
        counts = [len(one["runs"]) for one in self._cells.values() if one["runs"]] or [0]
        return min(counts), max(counts)

    def scales(self) -> list[tuple[int, int]]:
        """Nodes and addresses."""
        return sorted({(nodes, addresses) for _, _, nodes, addresses in self._cells})

    def lacking(self) -> list[str]:
        """Cells of the plan that nothing is known of yet."""
        return [
            cell.name
            for cell in plan.all_cells()
            if not self.runs(cell.contender.name, cell.fault.name, cell.scale.nodes, cell.scale.addresses)
        ]

    def better_rivals(self) -> Iterator[Better]:
        """Every figure of a rival that is better than that of ours beside it, with three nodes and one address."""
        for rival in CONTENDERS:
            beside = rival.beside
            if beside is None:
                continue
            for fault in FAULTS:
                theirs, ours = self.runs(rival.name, fault.name), self.runs(beside, fault.name)
                for one in MEASURES:
                    if one.is_better(theirs, ours):
                        yield Better(
                            rival.name, beside, fault.title, one.title, one.text(theirs), one.text(ours)
                        )
            costs = self.cost(rival.name), self.cost(beside)
            if costs[0] is not None and costs[1] is not None:
                yield from _cheaper(rival.name, beside, costs[0], costs[1])


def _late(cell: Found) -> int:
    """Runs that were kept though the machine was too busy to tell the time of them."""
    return sum(run["lateness"] > LATENESS_MAX for run in cell["runs"])


def _cheaper(rival: str, beside: str, theirs: Found, ours: Found) -> Iterator[Better]:
    for one in PRICES:
        if one.is_better(theirs, ours):
            yield Better(rival, beside, "Nothing", one.title, one.text(theirs), one.text(ours))


def render(found: Found, reference: Path) -> str:
    results = Results(found)
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8"/>',
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
            f"<title>swimlb: failover, measured</title><style>{_STYLE}</style></head><body>",
            "<h1>Failover, measured</h1>",
            *_introduction(results),
            *_overview(results),
            *_better(results),
            *_words(),
            *_faults(results),
            *_sizes(results),
            *_costs(results),
            *_contenders(),
            *_circumstances(results),
            *_earlier(reference),
            "</body></html>",
            "",
        ]
    )


def _introduction(results: Results) -> Iterator[str]:
    fewest, most = results.runs_each()
    runs = f"{most} runs" if fewest == most else f"{fewest} to {most} runs"
    yield (
        f"<p>Written by <code>make bench</code>; do not edit. {results.count()} runs, {results.late()} of them late, {runs} in a cell; the data are "
        '<a href="failover.json">failover.json</a>, and <a href="README.md">README.md</a> says how to repeat it.</p>'
    )
    yield (
        "<p>Every contender on the same kind of network of namespaces, all on one machine: nodes and a client on one switch (layer 2), or "
        "behind an FRR router (BGP). What happens, happens to the node that answers the client.</p>"
    )
    yield (
        '<p>A rival\'s figure <span class="better">so marked</span> is better than that of the swimlb beside it, the one with about the same '
        "timers and surroundings (see Contenders), by more than the measurement resolves; shares of connections, and for how long there were "
        "two owners on average, by more than twice the standard error of their difference. What is in brackets is not compared.</p>"
    )


def _words() -> Iterator[str]:
    yield "<h2>What the words mean</h2><ul>"
    yield from (f"<li><em>{words}</em>: {meaning}.</li>" for words, meaning in _MEANINGS.items())
    yield "</ul>"
    yield (
        f"<p>After a fault a contender is watched for {_windows()} (see Contenders), and how much longer something lasts is not known. Whoever is watched for "
        "longer meets more of what happens now and then, as outages and moves under loss.</p>"
    )


def _windows() -> str:
    windows = sorted({one.window for one in CONTENDERS})
    return " or ".join(f"{window:g} s" for window in windows)


def _circumstances(results: Results) -> Iterator[str]:
    """What was measured where and when: nothing that a reader begins with."""
    planned, lacking = len(list(plan.all_cells())), len(results.lacking())
    yield "<h2>What was measured, and where</h2>"
    yield f"<p>{planned - lacking} of {planned} planned cells have been measured. {escape(plan.DESIGN)}</p>"
    yield from _sessions(results.sessions)


def _sessions(sessions: Sequence[Found]) -> Iterator[str]:
    """Those of the same commit, machine and manner together."""
    alike: dict[str, list[Found]] = {}
    for session in sessions:
        machine = session["machine"]
        words = (
            f"commit {session['commit']}, {machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}, "
            f"Python {machine['python']}, contenders at a time: {session['together']}"
        )
        alike.setdefault(words, []).append(session)
    for words, those in alike.items():
        begun = dict.fromkeys((those[0]["begun"], those[-1]["begun"]))
        loads = sorted(one["load"] for one in those)
        load = " to ".join(f"{one:g}" for one in dict.fromkeys((loads[0], loads[-1])))
        yield f'<p class="faint">{escape(" to ".join(begun))}: {escape(words)}; load at the start {load}.</p>'


def _overview(results: Results) -> Iterator[str]:
    yield "<h2>Outage of the client, ms</h2>"
    yield (
        f"<p>From answer to answer, of a client that sends a probe every {INTERVAL * 1000:g} ms. Three nodes, one address; medians of "
        f"{results.runs_each()[1]} runs, or of as many as is said. Longer: than it was watched.</p>"
    )
    faults = [fault for fault in FAULTS if any(results.runs(one.name, fault.name) for one in CONTENDERS)]
    rows = (
        [
            _name(one),
            *(
                _cell(OUTAGE_IN_SHORT, one, _at(results, fault.name), _fewer(results, one.name, fault.name))
                for fault in faults
            ),
        ]
        for one in CONTENDERS
        if any(results.runs(one.name, fault.name) for fault in faults)
    )
    yield _table(["", *(fault.title for fault in faults)], rows)


def _at(results: Results, fault: str, nodes: int = 3, addresses: int = 1) -> Callable[[str], list[Found]]:
    return lambda name: results.runs(name, fault, nodes, addresses)


def _fewer(results: Results, contender: str, fault: str, nodes: int = 3, addresses: int = 1) -> list[str]:
    """How many runs there are, where others have more, and how many came to no end."""
    cell = results.cell(contender, fault, nodes, addresses)
    if cell is None:
        return []
    count, failed = len(cell["runs"]), len(cell["failures"])
    fewer = [f"{count} run{'s' if count > 1 else ''}"] if 0 < count < results.runs_each()[1] else []
    return fewer + ([f"{failed} failed"] if failed else [])


def _marred(results: Results, contender: str, fault: str, nodes: int, addresses: int) -> list[str]:
    """The same, and how many runs are the machine's in part."""
    cell = results.cell(contender, fault, nodes, addresses)
    late = 0 if cell is None else _late(cell)
    return _fewer(results, contender, fault, nodes, addresses) + ([f"{late} late"] if late else [])


def _better(results: Results) -> Iterator[str]:
    yield "<h2>Where rivals are better</h2>"
    found = list(results.better_rivals())
    if not found:
        yield "<p>Nowhere in what was measured so far.</p>"
        return
    yield "<p>Three nodes, one address; every figure that is better than that of ours beside it.</p>"
    rows = (
        [f'<td class="theirs">{escape(rival)}</td>', _data(fault), _wrapped("; ".join(map(_compared, group)))]
        for (rival, fault), group in groupby(found, key=lambda one: (one.rival, one.fault))
    )
    yield _table(["", "what happens", "theirs against ours"], rows)


def _compared(one: Better) -> str:
    return f"{one.measure}: {one.theirs} against {one.ours}"


def _faults(results: Results) -> Iterator[str]:
    yield "<h2>Fault by fault</h2><p>Three nodes, one address. Each point is a run, each bar a median; ms.</p>"
    for fault in FAULTS:
        measured = [one for one in CONTENDERS if results.cell(one.name, fault.name) is not None]
        if not measured:
            continue
        yield f"<h3>{escape(fault.title)}</h3><p>The node that answers the client: {escape(fault.what)}.</p>"
        rows = [
            Row(one.name, one.is_ours, [run["outage"] for run in results.runs(one.name, fault.name)])
            for one in measured
        ]
        plot = draw_distributions(rows, f"{fault.title}: outage of the client in milliseconds")
        yield scrolling(plot)
        yield _table(
            ["", "runs", *(measure.title for measure in MEASURES), "disturbed", "late", "failed"],
            (_fault_row(results, one, fault.name) for one in measured),
        )
        yield from _failures(results, fault.name, measured, [(3, 1)])


def _fault_row(results: Results, contender: Contender, fault: str) -> list[str]:
    cell = results.cell(contender.name, fault)
    assert cell is not None
    figures = (_cell(measure, contender, _at(results, fault)) for measure in MEASURES)
    return [
        _name(contender),
        f"<td>{len(cell['runs'])}</td>",
        *figures,
        f"<td>{cell['disturbed']}</td><td>{_late(cell)}</td><td>{len(cell['failures'])}</td>",
    ]


def _failures(
    results: Results, fault: str, contenders: Iterable[Contender], scales: Sequence[tuple[int, int]]
) -> Iterator[str]:
    """Why runs are in no figure of the table above."""
    for one, (nodes, addresses) in product(contenders, scales):
        cell = results.cell(one.name, fault, nodes, addresses)
        if cell is not None and cell["failures"]:
            size = "" if len(scales) == 1 else f", {nodes} nodes, {addresses:,} addresses"
            words = f"{one.name}{size}, failed: {'; '.join(cell['failures'])}"
            yield f'<p class="faint">{escape(words)}</p>'


def _sizes(results: Results) -> Iterator[str]:
    sizes = [scale for scale in results.scales() if scale[1] == 1]
    if len(sizes) > 1:
        yield f"<h2>More nodes</h2>{_legend(results)}"
        for fault in FAULTS:
            heads = [f"{nodes} nodes" for nodes, _ in sizes]
            yield from _size_table(results, OUTAGE, fault, sizes, heads)
    counts = [scale for scale in results.scales() if scale[0] == 3]
    if len(counts) > 1:
        yield f"<h2>More addresses</h2>{_legend(results)}"
        for fault, measure in product(FAULTS, (OUTAGE, TAKEN_OVER)):
            heads = [f"{addresses:,} addresses" for _, addresses in counts]
            yield from _size_table(results, measure, fault, counts, heads)


def _legend(results: Results) -> str:
    return f"<p>Of {results.runs_each()[1]} runs, or of as many as is said, with how many of them were late, or failed.</p>"


def _size_table(
    results: Results,
    measure: Measure,
    fault: Fault,
    scales: Sequence[tuple[int, int]],
    heads: Sequence[str],
) -> Iterator[str]:
    more = [scale for scale in scales if scale != (3, 1)]
    varied = [
        one
        for one in CONTENDERS
        if any(
            measure.value(runs) is not None
            for scale in more
            if (runs := results.runs(one.name, fault.name, *scale))
        )
    ]
    if not varied:
        return
    yield f"<h3>{escape(fault.title)}: {escape(measure.title)}</h3>"
    yield _table(
        ["", *heads],
        (
            [
                _name(one),
                *(
                    _cell(
                        measure,
                        one,
                        _at(results, fault.name, *scale),
                        _marred(results, one.name, fault.name, *scale),
                    )
                    for scale in scales
                ),
            ]
            for one in varied
        ),
    )
    yield from _failures(results, fault.name, varied, scales)


def _costs(results: Results) -> Iterator[str]:
    is_mixed = len({_processor(results, one) for one in results.costs}) > 1
    yield "<h2>What it costs to do nothing</h2>"
    yield (
        f"<p>Per node, once, over {plan.REST:g} s in which nothing happened and nobody probed. Packets are what the node sends of gossip, VRRP, ARP, BGP "
        "and BFD, octets with IP headers; what is said to the API server is not in it. RSS counts a library once for each process, PSS shares it out.</p>"
    )
    rows: list[list[str]] = []
    for nodes, addresses in sorted({(one["nodes"], one["addresses"]) for one in results.costs}):
        for one in CONTENDERS:
            cost = results.cost(one.name, nodes, addresses)
            if cost is None:
                continue
            beside = results.cost(one.beside or "", nodes, addresses)
            figures = [
                _data(price.text(cost), is_better=beside is not None and price.is_better(cost, beside))
                for price in PRICES
            ]
            where = [_data(_processor(results, cost))] if is_mixed else []
            rows.append([_name(one), f"<td>{nodes}</td><td>{addresses:,}</td>", *figures, *where])
    where = ["processor"] if is_mixed else []
    yield _table(["", "nodes", "addresses", *(price.title for price in PRICES), *where], rows)


def _processor(results: Results, cost: Found) -> str:
    session: Found = results.sessions[int(cost["session"])]
    return session["machine"]["processor"]


def _contenders() -> Iterator[str]:
    yield "<h2>Contenders</h2>"
    yield _table(
        ["", "what it is", "held against", "watched, s"],
        (
            [_name(one), _data(f"{one.way}: {one.what}"), _data(one.beside or ""), _data(f"{one.window:g}")]
            for one in CONTENDERS
        ),
    )
    yield (
        "<p>On Kubernetes (a real etcd, API server, controller manager and kube-proxies) an address's traffic ends in the same workload on the "
        "same nodes as without, so that nothing of Kubernetes is measured but who announces what.</p>"
    )


def _earlier(reference: Path) -> Iterator[str]:
    yield "<h2>The other benches</h2><p>Rows of the tables that they have written themselves; each page has the rest.</p>"
    for bench in earlier.BENCHES:
        link = f'<a href="{earlier.REFERENCE}/{bench.page}.md">{escape(bench.title)}</a>'
        is_there = (reference / f"{bench.page}.md").exists()
        yield f"<h3>{link if is_there else escape(bench.title)}</h3>"
        yield f"<p>{escape(bench.what)} <code>{escape(bench.command)}</code></p>"
        if not is_there:
            yield '<p class="faint">Nothing is published of it yet.</p>'
        for table in earlier.excerpts(bench, reference):
            yield _table(table.columns, ([_data(cell) for cell in row] for row in table.rows))


def readme(found: Found) -> Iterator[str]:
    """How to repeat each bench, with one command."""
    results = Results(found)
    everything = plan.lots(plan.all_cells())
    quick = plan.lots(plan.quick_cells())
    whole, short = (
        plan.duration(sum(lot.seconds(runs) for lot in lots))
        for lots, runs in ((everything, plan.RUNS), (quick, plan.QUICK_RUNS))
    )
    yield "# Benchmarks"
    yield ""
    yield "Written by `make bench`; do not edit. Everything runs as root on one Debian 12 machine, in network namespaces, beside the real"
    yield "rivals, and each command sets up what it needs. [The page](index.html) has all of it; [failover.json](failover.json) the"
    yield "data of the failover benchmark, every run with the commit and the machine that it is of."
    yield ""
    yield "## Failover"
    yield ""
    yield "```"
    yield f"make bench                   # {plan.RUNS} runs of every cell: about {whole}"
    yield f"make bench QUICK=1           # {plan.QUICK_RUNS} runs of the core: about {short}; publishes nothing"
    yield "make bench RUNS=5 RESUME=1   # go on with what was measured, up to 5 runs of every cell"
    yield "make bench RUNS=3 TOGETHER=4 # four contenders side by side: a quarter of the time, and more disturbed runs"
    yield "make bench ONLY=keepalived   # cells with that word in their name"
    yield ".venv/bin/python -m bench.matrix --list"
    yield "```"
    yield ""
    yield from plan.DESIGN.split("\n")
    yield "What is disturbed by other work on the machine is done again, twice at most, and told; Ctrl-C leaves nothing behind, and loses"
    yield "the run that is under way."
    yield ""
    fewest, most = results.runs_each()
    lacking, cells = len(results.lacking()), len(list(plan.all_cells()))
    each = f"{most}" if fewest == most else f"{fewest} to {most}"
    missing = f"; {lacking} of {cells} cells are not measured yet" if lacking else ""
    yield f"Published now: {results.count()} runs, {each} in each of {cells - lacking} cells{missing}."
    yield ""
    yield "## The others"
    yield ""
    yield "| | what | command | page |"
    yield "| --- | --- | --- | --- |"
    for bench in earlier.BENCHES:
        command = f"`{bench.command}`" + (", or with `QUICK=1`" if bench.quick else "")
        is_there = (_REFERENCE / f"{bench.page}.md").exists()
        page = f"[{bench.page}]({earlier.REFERENCE}/{bench.page}.md)" if is_there else "none yet"
        yield f"| {bench.title} | {bench.what} | {command} | {page} |"


def _name(contender: Contender) -> str:
    return f'<td class="{"ours" if contender.is_ours else "theirs"}">{escape(contender.name)}</td>'


def _cell(
    measure: Measure,
    contender: Contender,
    runs_of: Callable[[str], list[Found]],
    notes: Sequence[str] = (),
) -> str:
    runs = runs_of(contender.name)
    is_better = contender.beside is not None and measure.is_better(runs, runs_of(find(contender.beside).name))
    return _data(measure.text(runs) if runs else "", is_better=is_better, notes=notes)


def _data(text: str, *, is_better: bool = False, notes: Sequence[str] = ()) -> str:
    inside = f'<span class="better">{escape(text)}</span>' if is_better else escape(text)
    words = ("; " if text else "") + ", ".join(notes)
    beside = f'<span class="faint">{escape(words)}</span>' if notes else ""
    return f"<td>{inside}{beside}</td>"


def _wrapped(text: str) -> str:
    return f'<td class="long">{escape(text)}</td>'


def _table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Of cells that are HTML already, under headings that are not. The first cell of a row is its heading."""
    heads = "".join(f'<th scope="col">{escape(one)}</th>' if one else "<td></td>" for one in head)
    body = "\n".join(f"<tr>{_heading(row[0])}{''.join(row[1:])}</tr>" for row in rows)
    return scrolling(f"<table><thead><tr>{heads}</tr></thead><tbody>\n{body}\n</tbody></table>")


def _heading(cell: str) -> str:
    return f'<th scope="row"{cell.removeprefix("<td").removesuffix("</td>")}</th>'
