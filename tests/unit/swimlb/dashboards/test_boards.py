"""Dashboards that import cleanly, and ask for nothing that nobody tells."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from swimlb.dashboards import BOARDS, Board, document, with_choices

ROOT = Path(__file__).parents[4]
IDS = [board.name for board in BOARDS]


def imported(board: Board) -> dict[str, Any]:
    return json.loads(document(board))


def expressions(board: Board) -> list[str]:
    return [query.expression for panel in board.panels() for query in panel.queries]


def test_everything_is_chosen() -> None:
    assert with_choices('rate(a{ip=~"$ip"}[$__rate_interval])', "10s") == 'rate(a{ip=~".*"}[10s])'


def test_every_board_has_an_id_of_its_own() -> None:
    """Grafana overwrites a board of the same id; 40 octets are the most it takes."""
    uids = [board.uid for board in BOARDS]

    assert len(set(uids)) == len(uids)
    assert all(len(uid) <= 40 for uid in uids)


@pytest.mark.parametrize("board", BOARDS, ids=IDS)
def test_panels_have_ids_of_their_own_and_do_not_overlap(board: Board) -> None:
    """Whoever links to a panel finds it again in the next release."""
    panels = imported(board)["panels"]
    cells = [
        (x, y)
        for panel in panels
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(set(cells)) == len(cells)
    assert all(0 <= x < 24 for x, _ in cells)


@pytest.mark.parametrize("board", BOARDS, ids=IDS)
def test_every_panel_says_what_it_shows(board: Board) -> None:
    """In which unit, from the data source that is chosen at the top."""
    for panel in imported(board)["panels"]:
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}


@pytest.mark.parametrize("board", BOARDS, ids=IDS)
def test_every_panel_asks_for_metrics_that_there_are(board: Board) -> None:
    """Those of the reference."""
    reference = (ROOT / "docs/reference/metrics.md").read_text()
    documented = set(re.findall(r"^\| `(\w+)`", reference, re.MULTILINE))

    asked = {name for one in expressions(board) for name in re.findall(r"\b(?:metallb|swimlb)_\w+", one)}
    asked |= {variable.metric for variable in board.variables}

    assert {re.sub("_(?:count|sum|bucket)$", "", name) for name in asked} <= documented


@pytest.mark.parametrize("board", BOARDS, ids=IDS)
def test_every_variable_that_is_used_can_be_chosen(board: Board) -> None:
    """And every one that can be chosen is used."""
    used = {name for one in expressions(board) for name in re.findall(r"\$(?!__)(\w+)", one)}

    assert used == {variable.name for variable in board.variables}


@pytest.mark.parametrize("board", BOARDS, ids=IDS)
def test_what_is_chosen_goes_for_every_panel(board: Board) -> None:
    """Nobody takes the numbers of all for those of the one that was chosen."""
    for variable in board.variables:
        assert [one for one in expressions(board) if f"${variable.name}" not in one] == []


@pytest.mark.parametrize("board", BOARDS, ids=IDS)
def test_numbers_of_several_clusters_do_not_add_up(board: Board) -> None:
    """Each metric of an expression is of the clusters and namespaces that are chosen, and so is each other choice."""
    chosen = '{cluster=~"$cluster",namespace=~"$namespace"'
    asked = [*expressions(board), *(variable.metric + variable.selector for variable in board.variables[2:])]

    assert [
        one
        for one in asked
        for metric in re.finditer(r"\b(?:metallb|swimlb)_\w+", one)
        if not one[metric.end() :].startswith(chosen)
    ] == []
