"""What the failover benchmark plans, keeps and shows."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.matrix import earlier, page, plan, store
from bench.matrix.campaign import Campaign
from bench.matrix.cluster import Scale
from bench.matrix.contenders import CONTENDERS, find
from bench.matrix.drawing import Row, draw_distributions, place
from bench.matrix.faults import FAULTS, half
from bench.matrix.faults import find as find_fault
from bench.matrix.figures import MEASURES, OUTAGE, TAKEN_OVER
from bench.matrix.judge import Run
from bench.matrix.kubernetes import memberlist_file, objects
from bench.matrix.meter import Cost, Traffic, read_counters, read_memory, ruleset
from bench.matrix.routed import some

ROOT = Path(__file__).parents[3]

RUN = Run(
    outage=0.42,
    lost=80,
    claimed_after=0.4,
    is_black_hole=False,
    lateness=0.001,
    outage_back=0.0,
    taken_over_after=0.4,
    two_owners=0.0,
    moves=2,
    false_moves=0,
    streams=20,
    broken=20,
    streams_elsewhere=0,
    broken_elsewhere=0,
)
COST = Cost(34.6, 2500.0, {"gossip": 34.6}, 1.5, 60.0, 45.0, 3.0)


def cell(contender: str, fault: str = "cut") -> plan.Cell:
    return plan.Cell(find(contender), find_fault(fault), Scale())


def test_every_contender_meets_every_fault_that_can_be_done_to_it() -> None:
    cells = {(one.contender.name, one.fault.name) for one in plan.all_cells() if one.scale == Scale()}

    for contender in CONTENDERS:
        missing = {one.name for one in FAULTS} - {fault for name, fault in cells if name == contender.name}
        if contender.name in ("MetalLB, 200 ms", "MetalLB, 50 ms"):
            continue  # Steps of a ladder.
        assert missing == (set() if contender.has_api else {"api"})


def test_no_cell_is_planned_twice_and_those_of_one_network_come_together() -> None:
    cells = list(plan.all_cells())
    lots = plan.lots(cells)

    assert len(cells) == len(set(cells))
    assert len(lots) == len({(lot.contender.name, lot.scale) for lot in lots})


def test_every_rival_is_held_against_one_of_ours_of_the_same_kind() -> None:
    for contender in CONTENDERS:
        if contender.is_ours:
            assert contender.beside is None
        else:
            ours = find(contender.beside or "")
            assert (ours.is_ours, ours.way, ours.has_api) == (True, contender.way, contender.has_api)


def test_cells_are_chosen_by_words_and_faults() -> None:
    cells = plan.chosen(plan.all_cells(), words=["keepalived 1 s, ", "FRR, BFD, cut, 10"], faults=["cut"])

    assert [one.name for one in cells] == [
        "keepalived 1 s, cut, 3 nodes, 1 addresses",
        "FRR, BFD, cut, 10 nodes, 1 addresses",
    ]


def test_the_quick_choice_takes_less_than_eight_minutes() -> None:
    lots = plan.lots(plan.quick_cells())

    assert sum(lot.seconds(plan.QUICK_RUNS) for lot in lots) < 8 * 60


def test_half_of_the_nodes_has_the_victim_and_is_rounded_up() -> None:
    assert half(("a", "b", "c"), "c") == ("c", "a")
    assert half(("a", "b", "c", "d"), "b") == ("b", "c")


def test_some_of_many_are_the_first_and_the_last_and_between() -> None:
    assert some(["a", "b"], 4) == ("a", "b")
    assert some([str(number) for number in range(100)], 4) == ("0", "33", "66", "99")


def test_a_store_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    path = tmp_path / "failover.json"
    first = store.Store(path, {})
    first.add_run(cell("swimlb normal"), RUN)
    first.add_run(cell("swimlb normal"), replace(RUN, outage=None))
    first.add_disturbed(cell("swimlb normal"))
    first.add_failure(cell("keepalived 1 s"), "it did not come to rest")
    first.add_cost("swimlb normal", Scale(), COST)

    second = store.Store(path, store.read(path))

    assert second.found == first.found
    assert second.runs(cell("swimlb normal")) == 2
    assert second.runs(cell("swimlb normal", "stop")) == 0
    assert second.has_cost("swimlb normal", Scale())
    assert not second.has_cost("swimlb normal", Scale(nodes=5))


def test_a_run_says_which_commit_and_machine_it_is_of(tmp_path: Path) -> None:
    path = tmp_path / "failover.json"
    store.Store(path, {}).add_run(cell("swimlb normal"), RUN)
    store.Store(path, store.read(path)).add_run(cell("swimlb normal"), RUN)

    found = store.read(path)

    assert [run["session"] for run in found["cells"][0]["runs"]] == [0, 1]
    assert {"begun", "commit", "machine", "load"} <= found["sessions"][1].keys()


def test_results_of_several_outputs_come_together(tmp_path: Path) -> None:
    one, other = store.Store(tmp_path / "one.json", {}), store.Store(tmp_path / "other.json", {})
    one.add_run(cell("swimlb normal"), RUN)
    one.add_cost("swimlb normal", Scale(), COST)
    other.add_run(cell("swimlb normal"), replace(RUN, outage=0.5))
    other.add_disturbed(cell("swimlb normal"))
    other.add_run(cell("MetalLB"), RUN)
    other.add_cost("swimlb normal", Scale(), replace(COST, rss_mib=1.0))

    found = store.merged([one.found, other.found])

    assert [(each["contender"], len(each["runs"])) for each in found["cells"]] == [
        ("swimlb normal", 2),
        ("MetalLB", 1),
    ]
    assert [run["session"] for run in found["cells"][0]["runs"]] == [0, 1]
    assert found["cells"][0]["disturbed"] == 1
    assert [cost["rss_mib"] for cost in found["costs"]] == [COST.rss_mib]
    assert len(found["sessions"]) == 2
    assert (len(one.found["cells"][0]["runs"]), one.found["cells"][0]["disturbed"]) == (1, 0)


def published(tmp_path: Path, theirs: Run) -> store.Found:
    kept = store.Store(tmp_path / "failover.json", {})
    for run in (RUN, replace(RUN, outage=0.5)):
        kept.add_run(cell("swimlb normal"), run)
    kept.add_run(cell("keepalived 1 s"), theirs)
    kept.add_cost("swimlb normal", Scale(), COST)
    kept.add_cost("keepalived 1 s", Scale(), replace(COST, packets_per_second=0.3, rss_mib=70.0))
    return kept.found


@pytest.mark.parametrize(
    ("theirs", "better"),
    [
        (replace(RUN, outage=2.8), []),
        (replace(RUN, outage=0.456), []),
        (replace(RUN, outage=0.3), ["outage, ms"]),
        (replace(RUN, outage=None, broken=5), ["broken connections"]),
    ],
    ids=["slower", "within the resolution", "faster", "longer than the window"],
)
def test_a_rivals_figure_that_is_better_is_shown_as_such(
    tmp_path: Path, theirs: Run, better: list[str]
) -> None:
    found = published(tmp_path, theirs)

    shown = list(page.Results(found).better_rivals())
    text = page.render(found, tmp_path)

    assert [(one.fault, one.measure) for one in shown] == [
        *(("Link cut", measure) for measure in better),
        ("Nothing", "packets/s"),
    ]
    # In the overview and in the table of the fault, and the packets of doing nothing, and the legend.
    assert text.count('class="better"') == (2 if better == ["outage, ms"] else len(better)) + 2


def test_the_page_is_well_formed_and_needs_nothing_else(tmp_path: Path) -> None:
    text = page.render(published(tmp_path, replace(RUN, outage=None)), tmp_path)

    body = text.removeprefix("<!DOCTYPE html>").strip()
    ElementTree.fromstring(body)
    assert "<script" not in text
    assert "src=" not in text
    assert "1 longer than the window" in text


def table_rows(text: str) -> dict[str, list[str]]:
    """By contender, those of the first table of a fault."""
    table = text[text.index("<h2>Fault by fault") :]
    table = table[table.index("<table>") : table.index("</table>") + len("</table>")]
    rows = [["".join(cell.itertext()) for cell in row] for row in ElementTree.fromstring(table).iter("tr")]
    return {row[0]: row[1:] for row in rows}


def test_runs_that_are_kept_though_the_machine_was_busy_are_told(tmp_path: Path) -> None:
    """They were done again before, in vain: that they are in the figures must not look as if they had been quiet."""
    kept = store.Store(tmp_path / "failover.json", {})
    kept.add_disturbed(cell("swimlb normal"))
    kept.add_disturbed(cell("swimlb normal"))
    for lateness in (0.001, 0.03):
        kept.add_run(cell("swimlb normal"), replace(RUN, lateness=lateness))
    kept.add_run(
        plan.Cell(find("swimlb normal"), find_fault("cut"), Scale(nodes=5)), replace(RUN, lateness=0.1)
    )

    text = page.render(kept.found, tmp_path)

    rows = table_rows(text)
    shown = dict(zip(rows[""], rows["swimlb normal"], strict=True))
    assert (shown["runs"], shown["disturbed"], shown["late"]) == ("2", "2", "1")
    assert "3 runs, 2 of them late" in text
    assert '420 (420-420)<span class="faint">; 1 run, 1 late</span>' in text


def test_a_cell_of_fewer_runs_than_others_or_of_failures_says_so(tmp_path: Path) -> None:
    found = published(tmp_path, replace(RUN, outage=2.8))
    kept = store.Store(tmp_path / "failover.json", found)
    kept.add_failure(cell("keepalived 1 s"), "waited for < 30 s")

    text = page.render(kept.found, tmp_path)

    assert '2800<span class="faint">; 1 run, 1 failed</span>' in text
    assert '<p class="faint">keepalived 1 s, failed: waited for &lt; 30 s</p>' in text
    ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>").strip())


def test_each_row_and_column_of_the_page_has_a_heading_that_says_so(tmp_path: Path) -> None:
    text = page.render(published(tmp_path, RUN), ROOT / "docs" / "reference")

    tables = list(ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>").strip()).iter("table"))
    assert tables
    for table in tables:
        head, *rows = table.iter("tr")
        assert {(one.tag, one.get("scope")) for one in head if one.text} == {("th", "col")}
        assert {(row[0].tag, row[0].get("scope")) for row in rows} == {("th", "row")}
        assert {len(row) for row in rows} == {len(head)}


def test_how_long_each_contender_is_watched_is_told(tmp_path: Path) -> None:
    """What is longer than the window is longer than that, and who is watched for longer has more to answer for."""
    text = page.render(published(tmp_path, RUN), tmp_path)

    assert "watched for 6 s or 15 s" in text
    assert "<td>swimlb normal, Kubernetes</td><td>15</td>" in text
    assert "<td>swimlb fast, Kubernetes</td><td>6</td>" in text


@pytest.mark.parametrize("is_mixed", [False, True])
def test_costs_of_several_machines_name_theirs(tmp_path: Path, is_mixed: bool) -> None:
    """A share of another core is another share."""
    found = published(tmp_path, RUN)
    found["sessions"].append(json.loads(json.dumps(found["sessions"][0])))
    found["costs"][1]["session"] = 1
    if is_mixed:
        found["sessions"][1]["machine"]["processor"] = "Another CPU"

    text = page.render(found, tmp_path)

    assert ("<td>Another CPU</td>" in text) is is_mixed
    assert (">processor<" in text) is is_mixed


def test_what_was_not_measured_is_said_to_be_lacking(tmp_path: Path) -> None:
    results = page.Results(published(tmp_path, RUN))

    assert len(results.lacking()) == len(list(plan.all_cells())) - 2
    assert "keepalived 1 s, stop, 3 nodes, 1 addresses" in results.lacking()


def test_a_window_that_nobody_answered_in_is_the_longest() -> None:
    runs = [vars_of(replace(RUN, outage=outage)) for outage in (0.1, None, None)]

    assert OUTAGE.value(runs) == float("inf")
    assert OUTAGE.text(runs).endswith("2 longer than the window")


def test_shares_that_differ_by_chance_are_alike() -> None:
    (elsewhere,) = (measure for measure in MEASURES if measure.title == "broken, to other nodes")
    theirs = [vars_of(replace(RUN, broken_elsewhere=9, streams_elsewhere=40))]

    assert not elsewhere.is_better(theirs, [vars_of(replace(RUN, broken_elsewhere=8, streams_elsewhere=33))])
    assert elsewhere.is_better(theirs, [vars_of(replace(RUN, broken_elsewhere=20, streams_elsewhere=33))])


@pytest.mark.parametrize(
    ("theirs", "ours", "is_better"),
    [
        ([0.0, 0.0, 0.0], [0.02, 0.03, 0.04], True),
        ([0.0, 0.03, 0.0], [0.0, 0.02, 0.04], False),
        ([0.0], [0.04], False),
        ([0.0], [0.06], True),
    ],
    ids=["always", "by chance", "one run, within what is asked for", "one run"],
)
def test_two_owners_of_each_run_are_told_from_none_though_they_are_few_milliseconds(
    theirs: list[float], ours: list[float], is_better: bool
) -> None:
    """A single run may miss what is shorter than from question to question, many runs do not."""
    (measure,) = (one for one in MEASURES if one.title == "two owners, ms")
    runs = [[vars_of(replace(RUN, two_owners=known)) for known in each] for each in (theirs, ours)]

    assert measure.is_better(*runs) is is_better


def test_every_measure_has_words_for_every_run() -> None:
    routed = vars_of(replace(RUN, two_owners=None, taken_over_after=None, outage_back=None))

    assert [measure.text([routed]) for measure in MEASURES] == [
        *("420 (420-420)", "-", "longer, 1 longer", "-", "0 in 1", "20 of 20", "-")
    ]


def test_a_black_hole_is_seen_only_where_nodes_claim_addresses() -> None:
    """Where routers decide there are no claims, so that none would be found whatever happened."""
    (black_holes,) = (measure for measure in MEASURES if measure.title == "black holes")
    claimed = vars_of(replace(RUN, is_black_hole=True))
    routed = vars_of(replace(RUN, two_owners=None, taken_over_after=None))

    assert (black_holes.text([claimed]), black_holes.value([claimed])) == ("1 in 1", 1)
    assert (black_holes.text([routed]), black_holes.value([routed])) == ("-", None)


@pytest.mark.parametrize(
    ("title", "key"), [("outage at the end, ms", "outage_back"), (TAKEN_OVER.title, "taken_over_after")]
)
def test_what_lasted_longer_than_it_was_watched_is_the_longest_in_a_median(title: str, key: str) -> None:
    """As with outages: to leave such runs out would make those look quick that did not come back at all."""
    (measure,) = (one for one in (*MEASURES, TAKEN_OVER) if one.title == title)
    runs = [vars_of(replace(RUN, **{key: after})) for after in (0.1, 0.2, 0.3, None, None)]

    assert (measure.text(runs), measure.value(runs)) == ("300 (300), 2 longer", 0.3)
    assert (measure.text(runs[2:]), measure.value(runs[2:])) == ("longer (300), 2 longer", float("inf"))


def vars_of(run: Run) -> store.Found:
    return json.loads(json.dumps({name: getattr(run, name) for name in Run.__dataclass_fields__}))


def test_a_drawing_has_a_point_for_each_run_and_lanes_for_none_and_too_long() -> None:
    rows = [Row("ours", True, [0.0, 0.1, None]), Row("theirs", False, [])]

    drawing = ElementTree.fromstring(draw_distributions(rows, "a < b"))

    points = [one for one in drawing.iter() if one.tag.endswith("circle")]
    assert [float(one.attrib["cx"]) for one in points] == pytest.approx(
        [place(0.0), place(0.1), place(None)], abs=0.1
    )
    assert place(0.0) < place(0.001) <= place(0.01) < place(1.0) < place(100.0) < place(None)


def test_counters_see_each_protocol_of_the_nodes_only() -> None:
    text = ruleset(["node-a", "node-b"])

    assert text.count('iifname { "p-node-a", "p-node-b" }') == text.count("counter name")
    assert "ip protocol 112" in text


def test_counters_and_memory_are_read() -> None:
    answer = {
        "nftables": [
            {"metainfo": {"version": "1"}},
            {"counter": {"family": "bridge", "name": "VRRP", "packets": 7, "bytes": 280}},
        ]
    }
    rollup = "55d0-7ffe ---p 00000000 00:00 0    [rollup]\nRss:     2048 kB\nPss:     1024 kB\n"

    assert read_counters(answer) == {"VRRP": Traffic(7, 280)}
    assert read_memory(rollup) == (2.0, 1.0)


def test_as_many_services_as_addresses() -> None:
    made = objects(Scale(addresses=3))

    assert [one["kind"] for one in made].count("Service") == 3
    assert made[0]["spec"]["addresses"] == ["198.18.0.1-198.18.0.3"]


def test_a_memberlist_file_scales_what_finds_a_death() -> None:
    told = memberlist_file(10)

    assert (told["ProbeInterval"], told["ProbeTimeout"], told["GossipInterval"]) == ("100ms", "50ms", "20ms")


PAGE = """# A bench

| size | time |
| --- | --- |
| 1,000 | 3 |

## Part

| | a | b |
| --- | --- | --- |
| ours | 1 | 2 |
| theirs | 3 | 4 |

Words.
"""


def test_rows_of_what_another_bench_has_written_are_found_by_their_first_cells() -> None:
    tables = list(earlier.read_tables(PAGE))

    assert [(one.heading, len(one.rows)) for one in tables] == [("", 1), ("Part", 2)]
    found = earlier.Excerpt("Part", [["ours"]], ("", "b")).of(tables)
    assert found == earlier.Table("Part", ("", "b"), (("ours", "2"),))
    assert earlier.Excerpt("Part", [["ours"]], ("", "c")).of(tables) is None
    assert earlier.Excerpt("Part", [["others"]], ("", "b")).of(tables) is None


def test_every_row_that_is_wanted_is_on_the_page_of_its_bench() -> None:
    """A row that gets another name would go from this page unnoticed."""
    for bench in earlier.BENCHES:
        tables = list(earlier.read_tables((ROOT / "docs/reference" / f"{bench.page}.md").read_text()))
        for excerpt in bench.excerpts:
            for cells in excerpt.first_cells:
                assert replace(excerpt, first_cells=[cells]).of(tables) is not None, (bench.title, cells)


def test_every_contender_of_the_ring_is_on_the_page() -> None:
    """The fast settings of rivals, too: those of ours stand there."""
    (membership,) = (bench for bench in earlier.BENCHES if bench.page == "benchmarks-membership")
    tables = list(earlier.read_tables((ROOT / "docs/reference/benchmarks-membership.md").read_text()))
    (measured,) = (one for one in tables if one.heading == "10 members" and "SIGKILL" in one.columns)

    (shown,) = earlier.excerpts(membership, ROOT / "docs/reference")

    assert [row[0] for row in shown.rows] == [row[0] for row in measured.rows]


def test_every_bench_that_make_knows_is_on_the_page() -> None:
    makefile = (ROOT / "Makefile").read_text()

    known = set(re.findall(r"^(bench-[a-z0-9]+):", makefile, re.MULTILINE))

    assert {bench.command for bench in earlier.BENCHES} == {f"make {target}" for target in known}


def test_the_published_pages_of_the_other_benches_have_what_is_shown_of_them() -> None:
    """A table that changes its columns would vanish from the page without a word."""
    reference = ROOT / "docs" / "reference"
    for bench in earlier.BENCHES:
        if (reference / f"{bench.page}.md").exists():
            assert len(earlier.excerpts(bench, reference)) == len(bench.excerpts), bench.title


def test_the_time_left_is_that_of_what_is_lacking(tmp_path: Path) -> None:
    lots = plan.lots([cell("keepalived 1 s"), cell("keepalived 1 s", "stop")])
    kept = store.Store(tmp_path / "failover.json", {})

    before = Campaign(kept, lots, 2).seconds_left()
    beside = Campaign(kept, lots, 2, together=2).seconds_left()
    kept.add_run(cell("keepalived 1 s"), RUN)
    after = Campaign(kept, lots, 2).seconds_left()
    for name in ("cut", "stop", "stop"):
        kept.add_run(cell("keepalived 1 s", name), RUN)

    assert before == lots[0].seconds(2)
    assert beside == before / 2
    assert after == before - cell("keepalived 1 s").seconds(1)
    assert Campaign(kept, lots, 2).seconds_left() == 0
