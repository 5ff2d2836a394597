"""Problems of manifests, shown to people and to scripts."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import click

from swimlb.model import Problem, Severity

_COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}
_COLUMNS_UNSEEN = 160
"""Width of a table that goes to a file or a pipe."""


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """Without what a terminal would act on, in place of showing it."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def print_problems(problems: Sequence[Problem], *, err: bool = False) -> None:
    """A line each, in the manner of compilers, so that editors find the place."""
    for problem in problems:
        where = place(problem.file, problem.line)
        severity = click.style(problem.severity.value, fg=_COLORS[problem.severity], bold=True)
        # A problem of a whole file names it once.
        names = [name for name in (problem.object, problem.field) if name and name != problem.file]
        told = f"{' '.join(names)}: {problem.message}" if names else problem.message
        line = f"{severity}: {plain(f'{told} — {problem.hint}')}"
        click.echo(f"{plain(where)}: {line}" if where else line, err=err)


def print_table(problems: Sequence[Problem]) -> None:
    """A row each; the way out stands below what is wrong."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for head in ("SEVERITY", "OBJECT", "FIELD", "WHERE", "PROBLEM"):
        table.add_column(head, overflow="fold")
    for problem in problems:
        named = "" if problem.object == problem.file else problem.object
        table.add_row(
            Text(problem.severity.value, _COLORS[problem.severity]),
            Text(plain(named)),
            Text(plain(problem.field)),
            Text(plain(place(problem.file, problem.line))),
            Text(f"{plain(problem.message)}\n→ {plain(problem.hint)}"),
        )
    if problems:
        width = None if sys.stdout.isatty() else _COLUMNS_UNSEEN
        Console(width=width, highlight=False).print(table)


def print_json(problems: Sequence[Problem]) -> None:
    """An interface: fields come, but none goes or changes its meaning."""
    click.echo(json.dumps({"problems": [asdict(problem) for problem in problems]}, indent=2))


def summary(objects: int, problems: Sequence[Problem]) -> str:
    count = Counter(problem.severity for problem in problems)
    counted = ((objects, "object"), (count[Severity.ERROR], "error"), (count[Severity.WARNING], "warning"))
    return ", ".join(f"{number} {noun}" if number == 1 else f"{number} {noun}s" for number, noun in counted)


def place(file: str | None, line: int | None) -> str:
    """`FILE:LINE`, as far as it is known."""
    return ":".join(str(part) for part in (file, line) if part is not None)
