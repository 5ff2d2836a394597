"""Draws distributions as SVG: a line for each contender, a point for each run, on a logarithmic axis of milliseconds.

A drawing stands alone, needs no script, and takes its colours from the page, light or dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 960, 190, 90
ROW, TOP, BOTTOM = 22, 8, 26
_FROM_MS, _TO_MS = 10.0, 20_000.0
_NONE_X = LEFT + 16
_AXIS_X = LEFT + 50
_ENDLESS_X = WIDTH - RIGHT + 45
_TICKS_MS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)

STYLE = """
  svg.plot { width: 100%; height: auto; display: block; margin: 0.5rem 0; }
  svg.plot text { font: 11px system-ui, sans-serif; fill: var(--ink); }
  svg.plot .faint { fill: var(--faint); } svg.plot .grid { stroke: var(--line); }
  svg.plot .ours { fill: var(--ours); } svg.plot .theirs { fill: var(--theirs); }
  svg.plot circle { fill-opacity: 0.55; } svg.plot .median { stroke: var(--ink); stroke-width: 2; }
"""


@dataclass(frozen=True, slots=True)
class Row:
    label: str
    is_ours: bool
    seconds: Sequence[float | None]
    """None: longer than the window."""


def draw_distributions(rows: Sequence[Row], title: str) -> str:
    height = TOP + ROW * len(rows) + BOTTOM
    bottom = height - BOTTOM
    parts = [
        f'<svg class="plot" viewBox="0 0 {WIDTH} {height}" role="img" xmlns="http://www.w3.org/2000/svg">',
        f"<title>{escape(title)}</title>",
    ]
    lanes = [(_NONE_X, "none"), (_ENDLESS_X, "longer")]
    for x, label in [*((_x(tick), _tick(tick)) for tick in _TICKS_MS), *lanes]:
        parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" class="grid"/>')
        parts.append(_text(x, bottom + 14, label, "faint", "middle"))
    for number, row in enumerate(rows):
        parts += _row(row, TOP + ROW * number + ROW / 2)
    return "\n".join([*parts, "</svg>"])


def _tick(milliseconds: int) -> str:
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds // 1000} s"


def _row(row: Row, y: float) -> list[str]:
    parts = [_text(LEFT - 10, y + 4, row.label, "", "end")]
    kind = "ours" if row.is_ours else "theirs"
    for number, seconds in enumerate(row.seconds):
        # Beside each other, where many runs took the same.
        beside = y + (number % 5 - 2) * 2.2
        words = "longer than the window" if seconds is None else f"{1000 * seconds:.0f} ms"
        parts.append(
            f'<circle cx="{place(seconds):.1f}" cy="{beside:.1f}" r="3" class="{kind}"><title>{words}</title></circle>'
        )
    if row.seconds:
        middle = median(math.inf if one is None else one for one in row.seconds)
        x = place(None if middle == math.inf else middle)
        parts.append(f'<line x1="{x:.1f}" y1="{y - 8:.1f}" x2="{x:.1f}" y2="{y + 8:.1f}" class="median"/>')
    return parts


def place(seconds: float | None) -> float:
    """Where on the axis: nothing lost and longer than the window have lanes of their own, left and right of it."""
    if seconds is None:
        return _ENDLESS_X
    return _NONE_X if seconds == 0 else _x(1000 * seconds)


def _x(milliseconds: float) -> float:
    inside = min(max(milliseconds, _FROM_MS), _TO_MS)
    share = math.log(inside / _FROM_MS) / math.log(_TO_MS / _FROM_MS)
    return _AXIS_X + share * (WIDTH - RIGHT - _AXIS_X)


def _text(x: float, y: float, text: str, kind: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
