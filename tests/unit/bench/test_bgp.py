"""What the BGP benchmark makes of what it sees, how it goes on, and how its figures read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import bgp_report
from bench.bgp import Results
from bench.bgp_ecmp import Broken, Return, judge_death, judge_return
from bench.bgp_removal import ROWS
from swimlb.lab.measure import Connection

MOMENT, END = 100.0, 110.0


def stream(by: str | None, begun: float, ended: float = END, error: str | None = None) -> Connection:
    return Connection("192.0.2.1", True, begun, begun + 0.01, ended, by, error)


def fresh(by: str, begun: float, error: str | None = None) -> Connection:
    return Connection("192.0.2.1", False, begun, begun + 0.01, begun + 0.02, by, error)


NEVER = Connection("192.0.2.1", True, 95.0, None, 97.0, None, "TimeoutError")


def test_connections_to_others_that_broke_count() -> None:
    """Not those of the dead node, nor those that had ended before or were opened after."""
    found = judge_death(
        [
            stream("node-a", 95.0, 101.0, "ConnectionResetError"),
            stream("node-b", 95.0, 101.0, "ConnectionResetError"),
            stream("node-b", 95.0),
            stream("node-b", 95.0, 99.0, "ConnectionResetError"),
            stream("node-c", 101.3),
            fresh("node-b", 99.99),
            NEVER,
        ],
        "node-a",
        MOMENT,
    )

    assert found == Broken(count=2, broken=1)


def test_a_return_breaks_any_and_gives_a_share_of_what_is_new_then() -> None:
    """Of new connections those of the last seconds count, if they were answered."""
    found = judge_return(
        [
            stream("node-b", 95.0, 101.0, "ConnectionResetError"),
            stream("node-c", 95.0),
            stream("node-a", 101.5),
            fresh("node-a", 109.0),
            fresh("node-b", 108.0),
            fresh("node-a", 105.0),
            fresh("node-a", 109.0, "TimeoutError"),
            NEVER,
        ],
        "node-a",
        MOMENT,
    )

    assert found == Return(count=2, broken=1, fresh=2, fresh_on_returned=1)


@pytest.mark.parametrize(
    ("row", "seconds_min"), [("BFD 50 ms x 3", 0.09), ("hold time 3 s", 1.99), ("SIGKILL", 0.0)]
)
def test_a_route_cannot_go_before_the_last_packet_is_too_old(row: str, seconds_min: float) -> None:
    assert ROWS[row].seconds_min == pytest.approx(seconds_min)


def test_results_are_written_as_they_come_and_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "bgp.json"
    Results(file, is_resumed=False).keep("removal", 1.0, results=[1])
    resumed = Results(file, is_resumed=True)

    resumed.keep("ecmp", 1.0, results=[2])

    assert resumed.known("removal")["results"] == [1]
    assert {part: one["results"] for part, one in json.loads(file.read_text()).items()} == {
        "removal": [1],
        "ecmp": [2],
    }
    assert Results(file, is_resumed=False).known("removal") == {}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        ([0.2, 0.25, 0.21], "210 (200-250)"),
        ([0.001, 0.0025], "1.8 (1.0-2.5)"),
        ([0.2, None], "200 (200-200), 1 not in time"),
        ([None], "never"),
        ([], "-"),
    ],
)
def test_a_median_hides_nothing(seconds: list[float | None], text: str) -> None:
    assert bgp_report.milliseconds(seconds) == text


def test_the_page_says_who_is_slower_and_when_it_is_chance() -> None:
    """Of each row and router, swimlb beside each of the others."""

    def removal(contender: str, *milliseconds: float) -> dict[str, object]:
        seconds = [one / 1000 for one in milliseconds]
        return {
            "row": "SIGKILL",
            "router": "BIRD",
            "contender": contender,
            "seconds": seconds,
            "disturbed": 0,
            "false_alarms": 0,
        }

    cells = [removal("swimlb", 4, 5, 6), removal("FRR", 3, 5, 8), removal("BIRD", 1, 1.1, 0.9)]
    part = {"load": {"before": 1.0, "after": 1.0, "niceness": 0}, "results": cells}

    lines = list(bgp_report.removal_part(part))
    without = list(bgp_report.removal_part(part | {"results": [*cells[:2], removal("BIRD")]}))

    assert "| SIGKILL | BIRD | 5.0 (4.0-6.0) | 5.0 (3.0-8.0) | 1.0 (0.9-1.1) | 3 | 0 | 0 |" in lines
    assert "- SIGKILL, router BIRD: beside FRR, swimlb is as fast (+0.0 ms, noise 3.9 ms)." in lines
    assert "- SIGKILL, router BIRD: beside BIRD, swimlb is slower (+4.0 ms, noise 1.5 ms)." in lines
    assert [line for line in without if line.startswith("- ")] == [lines[-2]]


def test_the_page_says_what_of_the_hold_times_row_is_the_jitter() -> None:
    def removal(contender: str, *milliseconds: float) -> dict[str, object]:
        cell: dict[str, object] = {
            "row": bgp_report.HOLD_TIME_ROW,
            "router": "FRR",
            "disturbed": 0,
            "false_alarms": 0,
        }
        return cell | {"contender": contender, "seconds": [one / 1000 for one in milliseconds]}

    def page(ours: float) -> str:
        cells = [removal("swimlb", *[ours] * 60), removal("FRR", *[2500] * 60), removal("BIRD")]
        load = {"before": 1.0, "after": 1.0, "niceness": 0}
        return "\n".join(bgp_report.removal_part({"load": load, "results": cells}))

    assert "with router FRR, +100 ms, so there is no sign of more than jitter." in page(2600)
    assert "with router FRR, +500 ms, so there is another cause, too." in page(3000)
