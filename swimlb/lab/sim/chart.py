"""Line charts as SVG, in the same style as the demo's timeline: they stand alone and follow light and dark mode."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from xml.sax.saxutils import escape, quoteattr

from swimlb.lab.timeline import STYLE

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 150, 40, 50

_LINES = """
  .line { fill: none; stroke-width: 2; } .dashed { stroke-dasharray: 5 4; stroke-width: 1.4; }
  .s0 { stroke: var(--n0); } .s1 { stroke: var(--n1); } .s2 { stroke: var(--n2); }
  .s3 { stroke: var(--n3); } .s4 { stroke: var(--n4); } .s5 { stroke: var(--n5); }
"""


@dataclass(frozen=True, slots=True)
class Series:
    """One line. Series of the same `name` share a colour and an entry of the legend."""

    name: str
    points: tuple[tuple[float, float], ...]
    note: str = ""
    """What sets this line apart from the others of its name; it is then drawn dashed."""


def line_chart(title: str, x_label: str, y_label: str, series: Sequence[Series], *, is_log_y: bool) -> str:
    """The x axis is logarithmic, from decade to decade; the y axis may be."""
    ys = [y for one in series for _, y in one.points]
    xs = [x for one in series for x, _ in one.points]
    x_axis = _Axis.logarithmic(xs, _LEFT, _WIDTH - _RIGHT)
    y_axis = (_Axis.logarithmic if is_log_y else _Axis.linear)(ys, _HEIGHT - _BOTTOM, _TOP)
    parts = [*_grid(x_axis, y_axis), *_labels(title, x_label, y_label)]
    kinds = {name: index % 6 for index, name in enumerate(dict.fromkeys(one.name for one in series))}
    for one in series:
        parts += _line(one, kinds[one.name], x_axis, y_axis)
    for row, (name, kind) in enumerate(kinds.items()):
        notes = [one.note for one in series if one.name == name and one.note]
        parts += _legend(row, name, kind, notes)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
            f"aria-label={quoteattr(title)}>",
            f"<style>{STYLE}{_LINES}</style>",
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" class="ground"/>',
            *parts,
            "</svg>\n",
        ]
    )


@dataclass(frozen=True, slots=True)
class _Axis:
    begin: float
    end: float
    ticks: tuple[float, ...]
    is_logarithmic: bool

    low: float
    """The values at `begin` and `end`, or their logarithms."""
    high: float

    @classmethod
    def logarithmic(cls, values: Iterable[float], begin: float, end: float) -> _Axis:
        exponents = [log10(value) for value in values if value > 0]
        low, high = floor(min(exponents) + 1e-9), ceil(max(exponents) - 1e-9)
        high = max(high, low + 1)
        return cls(begin, end, tuple(10.0**exponent for exponent in range(low, high + 1)), True, low, high)

    @classmethod
    def linear(cls, values: Iterable[float], begin: float, end: float) -> _Axis:
        top = max(values) or 1.0
        unit = 10.0 ** floor(log10(top))
        step = next(unit * part for part in (0.2, 0.5, 1, 2) if top / (unit * part) <= 6)
        count = ceil(top / step - 1e-9)
        return cls(begin, end, tuple(step * index for index in range(count + 1)), False, 0.0, step * count)

    def place(self, value: float) -> float:
        scaled = log10(value) if self.is_logarithmic else value
        return self.begin + (scaled - self.low) / (self.high - self.low) * (self.end - self.begin)


def _grid(x_axis: _Axis, y_axis: _Axis) -> Iterable[str]:
    for tick in x_axis.ticks:
        x = x_axis.place(tick)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" class="grid"/>'
        yield _text(x, _HEIGHT - _BOTTOM + 16, f"{tick:,g}", "faint", "middle")
    for tick in y_axis.ticks:
        y = y_axis.place(tick)
        yield f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
        yield _text(_LEFT - 6, y + 4, f"{tick:g}", "faint", "end")


def _labels(title: str, x_label: str, y_label: str) -> Iterable[str]:
    yield _text(8, 18, title, "heading")
    yield _text(8, _TOP - 6, y_label, "faint")
    yield _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, x_label, "faint", "middle")


def _line(series: Series, kind: int, x_axis: _Axis, y_axis: _Axis) -> Iterable[str]:
    places = [(x_axis.place(x), y_axis.place(y)) for x, y in series.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    style = "line dashed" if series.note else "line"
    yield f'<polyline points="{path}" class="{style} s{kind}"/>'
    for (x, y), (real_x, real_y) in zip(places, series.points, strict=True):
        name = f"{series.name} {series.note}".strip()
        yield (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" class="n{kind}">'
            f"<title>{escape(name)}: {real_x:g}, {real_y:.3g}</title></circle>"
        )


def _legend(row: int, name: str, kind: int, notes: Sequence[str]) -> Iterable[str]:
    x, y = _WIDTH - _RIGHT + 14, _TOP + 14 + row * 34
    yield f'<line x1="{x}" x2="{x + 22}" y1="{y - 4}" y2="{y - 4}" class="line s{kind}"/>'
    yield _text(x + 28, y, name)
    if notes:
        yield f'<line x1="{x}" x2="{x + 22}" y1="{y + 11}" y2="{y + 11}" class="line dashed s{kind}"/>'
        yield _text(x + 28, y + 15, ", ".join(notes), "faint")


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
