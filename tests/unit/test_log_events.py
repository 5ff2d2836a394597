"""Every event that is logged stands on a page: who is paged at night looks for its name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEVELS = {"info", "warning", "error", "critical", "exception"}
NAME = re.compile(r"[a-z]+(_[a-z0-9]+)+")
LEFT_OUT = ("swimlb/lab/", "swimlb/cli/")
"""These talk to whoever started them."""


def events() -> Iterator[str]:
    """Names that are the first argument of a call by the name of a level."""
    for package in ("announce", "membership", "swimlb"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.relative_to(ROOT).as_posix().startswith(LEFT_OUT):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                    named = [one.value for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant)]
                    if node.func.attr in LEVELS:
                        yield from (one for one in named if isinstance(one, str) and NAME.fullmatch(one))


EVENTS = sorted(set(events()))
PAGES = "\n".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))


def test_events_are_found() -> None:
    assert {"owner_changed", "member_failed", "write_refused"} <= set(EVENTS)


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_is_told_of(event: str) -> None:
    assert re.search(rf"`{event}`|\"{event}\"", PAGES)
