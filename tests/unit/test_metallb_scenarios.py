"""The table of MetalLB's scenarios is complete, and does not name tests that are not there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "reference" / "metallb-scenarios.md"
SCENARIOS = range(1, 138)

_ROW = re.compile(r"\| (\d+) \| (.+?) \| (.+) \|")
_TEST = re.compile(r"`(tests/\S+\.py)::(\w+)`")
_REASON_OCTETS_MIN = 30
"""Fewer say nothing."""


def rows() -> dict[int, str]:
    """What stands in the last column, by number."""
    found = [_ROW.fullmatch(line) for line in TABLE.read_text().splitlines()]
    listed = [(int(row[1]), row[3]) for row in found if row is not None]
    assert len(dict(listed)) == len(listed), "a number stands there twice"
    return dict(listed)


def test_every_scenario_stands_in_the_table() -> None:
    assert list(rows()) == list(SCENARIOS)


@pytest.mark.parametrize("number", SCENARIOS)
def test_every_scenario_has_a_test_or_a_reason(number: int) -> None:
    """A reason is a sentence that says why it is not here."""
    told = rows()[number]
    assert _TEST.search(told) or (told.startswith("not here: ") and len(told) >= _REASON_OCTETS_MIN)


def test_every_test_that_is_named_exists() -> None:
    named = {match for told in rows().values() for match in _TEST.findall(told)}
    defined = {
        (file, node.name)
        for file in {file for file, _ in named}
        for node in ast.walk(ast.parse((ROOT / file).read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert named - defined == set()
