"""The tables of the lab, on the terminals of people."""

from __future__ import annotations

import sys

import pytest

from swimlb.cli.lab_tables import facts_table, render
from swimlb.lab.story import Fact, Story

STORY = Story(
    facts=[Fact(2, "requests to an address behind the router", "node-a 12, node-b 8, node-c 10", "all" * 9)]
)


@pytest.mark.parametrize("columns", [80, 110])
def test_tables_are_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """A line that the terminal breaks is no row of a table any more."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))

    assert max(map(len, render([facts_table(STORY)]))) <= columns


def test_a_file_has_no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")

    assert max(map(len, render([facts_table(STORY)]))) > 100
