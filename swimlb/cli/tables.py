"""Tables for people, in one manner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from swimlb.cli.problems import plain


def table(title: str, columns: Iterable[str], rows: Iterable[Sequence[object]]) -> Table:
    """Cells are shown as they are, None as nothing, and one that is too long is folded, not cut.

    They are names, addresses and words of others: Rich would take `[/x]` for markup, and `:ab:` in a MAC for a picture.
    """
    made = Table(title=title, title_justify="left")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(Text("" if cell is None else plain(str(cell))) for cell in row))
    return made
