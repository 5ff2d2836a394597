"""The other benches on the page of this one: how each is repeated, and rows of the tables that they have written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

REFERENCE = "../reference"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a page in Markdown, below its headings."""

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Rows of one table whose first cells are these, and some of its columns."""

    heading: str
    """Of the section, as the page has it; empty: the page's own."""
    first_cells: Sequence[Sequence[str]]
    columns: Sequence[str]

    def of(self, tables: Sequence[Table]) -> Table | None:
        """None: the page has no such table, or not any more."""
        for table in tables:
            if (not self.heading or table.heading == self.heading) and set(self.columns) <= set(
                table.columns
            ):
                places = [table.columns.index(column) for column in self.columns]
                rows = [
                    tuple(row[place] for place in places)
                    for row in table.rows
                    if any(row[: len(cells)] == tuple(cells) for cells in self.first_cells)
                ]
                return Table(table.heading, tuple(self.columns), tuple(rows)) if rows else None
        return None


@dataclass(frozen=True, slots=True)
class Bench:
    title: str
    what: str
    command: str
    page: str
    """Its name in docs/reference, without `.md`."""
    excerpts: tuple[Excerpt, ...]
    quick: bool = True
    """It knows `QUICK=1`."""


BENCHES = (
    Bench(
        "Membership",
        "How soon a death is known to all members, beside memberlist, serf and kinship; ten members. Median (min-max) in seconds, of as few "
        "deaths as its page says.",
        "make bench-membership",
        "benchmarks-membership",
        (
            Excerpt(
                "10 members",
                [
                    ["swimlb normal"],
                    ["swimlb fast"],
                    ["swimlb lan"],
                    ["memberlist lan"],
                    ["memberlist local"],
                    ["serf lan"],
                    ["serf local"],
                    ["kinship lan"],
                    ["kinship local"],
                ],
                ("", "SIGKILL", "SIGSTOP", "half at once, SIGKILL", "false deaths"),
            ),
        ),
    ),
    Bench(
        "Layer 2",
        "Many cable cuts, to find black holes, and how fast ARP is answered beside the kernel.",
        "make bench-layer2",
        "benchmarks-layer2",
        (
            Excerpt(
                "Failover",
                [["swimlb normal"], ["swimlb fast"], ["keepalived 1 s"], ["keepalived 0.1 s"]],
                ("", "cable cut", "black holes in so many cuts", "SIGTERM"),
            ),
            Excerpt(
                "Replies",
                [["kernel"], ["swimlb"]],
                ("", "addresses", "paced p50, µs", "incessant p50, µs", "replies/s"),
            ),
        ),
    ),
    Bench(
        "BGP and BFD",
        "How long a router goes on sending to a node that is gone, in ms; ECMP; many prefixes; beside FRR, BIRD and GoBGP.",
        "make bench-bgp",
        "benchmarks-bgp",
        (
            Excerpt(
                "A node dies: how long its router goes on sending to it",
                [["BFD 50 ms x 3"], ["hold time 3 s"], ["SIGKILL"]],
                ("", "router", "swimlb on the node", "FRR on the node", "BIRD on the node", "runs each"),
            ),
        ),
    ),
    Bench(
        "The speaker's plan",
        "What an event costs one node's core, to 10,000 Services.",
        "make bench-speaker",
        "benchmarks-speaker",
        (
            Excerpt(
                "",
                [["a member died", "10,000"], ["one Service changed", "10,000"]],
                ("event", "Services", "nodes", "addresses moved", "CPU", "longest turn"),
            ),
        ),
    ),
    Bench(
        "Allocation",
        "1,000 to 100,000 Services at once, and one change among them.",
        "make bench-allocator",
        "benchmarks-allocator",
        (
            Excerpt(
                "",
                [["1,000"], ["10,000"], ["100,000"]],
                ("Services", "from nothing, s", "after a restart, s", "one change, µs"),
            ),
        ),
        quick=False,
    ),
    Bench(
        "Following Kubernetes",
        "What 10,000 Services cost the process that follows them, and whether the one that announces notices.",
        "make bench-kube",
        "benchmarks-kubernetes",
        (
            Excerpt(
                "",
                [
                    ["list, until all is known"],
                    ["longest stall of *watch*'s loop"],
                    ["memory of *watch* (RSS)"],
                    ["lateness of *wire* beyond an idle process, p99.9"],
                ],
                ("", "measured", "goal"),
            ),
        ),
    ),
    Bench(
        "Thousands of Services",
        "500 to 5,000 of them on a real API server: until they are announced and told, and what that takes; times as much: means of all runs. Turned: Services that are there already become LoadBalancers.",
        "make bench-kubernetes",
        "benchmarks-services",
        (
            Excerpt(
                "",
                [
                    ["with nothing of ours running, until all are made, s"],
                    ["turned, until all are announced, s"],
                    ["made, until all are announced, s"],
                    ["made, CPU of the controller, ms each"],
                    ["made, CPU of three *watch*, ms each"],
                    ["made, CPU of three *wire*, ms each"],
                    ["memory of *watch*, the largest, MiB"],
                ],
                ("Services", "500", "5,000", "times as much", "grows no faster"),
            ),
        ),
    ),
    Bench(
        "Scrapes",
        "What a scrape of 500 to 20,000 series costs the event loop; lateness as median / 99th percentile / most, in ms.",
        "make bench-metrics",
        "benchmarks-metrics",
        (
            Excerpt(
                "",
                [["500"], ["5,000"], ["20,000"]],
                ("series", "a scrape takes, ms", "at rest", "while scraped"),
            ),
        ),
        quick=False,
    ),
)


def read_tables(text: str) -> Iterator[Table]:
    """All tables of a page in Markdown, in order."""
    heading = ""
    lines: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            lines.append(line)
            continue
        if len(lines) > 2:
            head, _, *rows = (_cells(one) for one in lines)
            yield Table(heading, head, tuple(rows))
        lines = []
        if line.startswith("## "):
            heading = line.removeprefix("## ").strip()


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|"))


def excerpts(bench: Bench, directory: Path) -> list[Table]:
    """What the page in that directory has of what is to be shown; nothing where there is no page."""
    path = directory / f"{bench.page}.md"
    if not path.exists():
        return []
    tables = list(read_tables(path.read_text()))
    return [found for one in bench.excerpts if (found := one.of(tables)) is not None]
