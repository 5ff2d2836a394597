"""Draws a story as SVG: who answered, who claimed, what the router knew, on one axis of time.

Every drawing stands alone: it brings its styles, follows the reader's light or dark mode and needs no script, so
it serves inside the report as well as an image of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from swimlb.lab.measure import spells
from swimlb.lab.story import Closeup, Story, Track

WIDTH = 960
LEFT = 170
RIGHT = 20
ROW = 18
BAR = 12
HEADING = 26
FOOTER = 34
MARKER_ROW = 14

_NODE_CLASSES = 6

STYLE = """
  svg { --ink: #1d2733; --faint: #6b7785; --grid: #e3e8ee; --lost: #d03b3b; --ground: #ffffff;
        --n0: #0072b2; --n1: #e69f00; --n2: #009e73; --n3: #cc79a7; --n4: #56b4e9; --n5: #8c6bb1; }
  @media (prefers-color-scheme: dark) {
    svg { --ink: #e6ebf1; --faint: #97a3b1; --grid: #2c3642; --lost: #ff6b6b; --ground: #12181f;
          --n0: #4aa8e0; --n1: #f0b93a; --n2: #37c79b; --n3: #e3a2c7; --n4: #8fd0f5; --n5: #b79be0; } }
  text { font: 11px system-ui, sans-serif; fill: var(--ink); }
  .ground { fill: var(--ground); } .heading { font-weight: 600; font-size: 12px; } .faint { fill: var(--faint); }
  .grid { stroke: var(--grid); } .marker { stroke: var(--faint); stroke-dasharray: 3 3; }
  .claim { stroke: var(--ink); stroke-width: 1.2; } .lost { fill: var(--lost); }
  .n0 { fill: var(--n0); } .n1 { fill: var(--n1); } .n2 { fill: var(--n2); }
  .n3 { fill: var(--n3); } .n4 { fill: var(--n4); } .n5 { fill: var(--n5); }
"""


@dataclass(slots=True)
class _Canvas:
    """Rows from top to bottom below an axis of time."""

    begin: float
    end: float
    y: float = 8.0
    parts: list[str] = field(default_factory=list[str])

    def x(self, time: float) -> float:
        share = (time - self.begin) / max(self.end - self.begin, 1e-9)
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)

    def text(self, x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> None:
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
        )

    def heading(self, text: str) -> None:
        self.y += HEADING
        self.text(8, self.y - 8, text, "heading")

    def row(self, label: str) -> None:
        """Begin a row; what is drawn next lies in it."""
        self.y += ROW
        self.text(LEFT - 8, self.y - 5, label, "faint", "end")

    def bar(self, begin: float, end: float, kind: str, title: str) -> None:
        left, right = self.x(begin), self.x(end)
        self.parts.append(
            f'<rect x="{left:.1f}" y="{self.y - BAR - 2:.1f}" width="{max(right - left, 1.0):.1f}" height="{BAR}" '
            f'class="{kind}"><title>{escape(title)}</title></rect>'
        )

    def dot(self, time: float, kind: str) -> None:
        self.parts.append(
            f'<circle cx="{self.x(time):.1f}" cy="{self.y - BAR / 2 - 2:.1f}" r="1.6" class="{kind}"/>'
        )

    def tick(self, time: float, title: str) -> None:
        x = self.x(time)
        self.parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{self.y - ROW:.1f}" y2="{self.y - ROW + 5:.1f}" class="claim">'
            f"<title>{escape(title)}</title></line>"
        )

    def finish(self, title: str, step: float, unit: str, scale: float, top: float) -> str:
        """Axis and grid behind what was drawn, and the document around it."""
        behind: list[str] = []
        count = int((self.end - self.begin) / step)
        for index in range(count + 1):
            x = self.x(self.begin + index * step)
            behind.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{self.y:.1f}" class="grid"/>')
            self.text(x, self.y + 16, f"{index * step * scale:g}", "faint", "middle")
        self.text(LEFT - 8, self.y + 16, unit, "faint", "end")
        height = self.y + FOOTER
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
                f"aria-label={quoteattr(title)}>",
                f"<style>{STYLE}</style>",
                f'<rect width="{WIDTH}" height="{height:.0f}" class="ground"/>',
                *behind,
                *self.parts,
                "</svg>",
            ]
        )


def draw_timeline(story: Story) -> str:
    """The whole play: for each address who answered, the ARP claims, and the router's next hops."""
    canvas = _Canvas(story.begin, story.end)
    top = _markers(canvas, story)
    kinds = _kinds(story.nodes)
    for track in story.tracks:
        canvas.heading(f"{track.address}: who answers the client's probes (ticks: ARP claims)")
        _answers(canvas, track, story, kinds)
    if story.prefix is not None:
        canvas.heading(f"{story.prefix}: next hops of the router's kernel route")
        _next_hops(canvas, story, kinds)
    return canvas.finish("Timeline of the demo", _step(story.end - story.begin), "seconds", 1, top)


def draw_closeup(story: Story, closeup: Closeup) -> str:
    """One moment, each probe a dot: who answered it, or that nobody did."""
    canvas = _Canvas(closeup.begin, closeup.end)
    canvas.heading(closeup.title)
    top = canvas.y
    kinds = _kinds(story.nodes)
    probes = [
        probe
        for track in story.tracks
        if track.address == closeup.address
        for probe in track.recording.between(closeup.begin, closeup.end).probes
    ]
    for node, kind in kinds.items():
        canvas.row(node)
        for probe in probes:
            if probe.is_answered and probe.by == node:
                canvas.dot(probe.sent, kind)
    canvas.row("no answer")
    for probe in probes:
        if not probe.is_answered:
            canvas.dot(probe.sent, "lost")
    return canvas.finish(closeup.title, _step(closeup.end - closeup.begin), "milliseconds", 1000, top)


def _markers(canvas: _Canvas, story: Story) -> float:
    """What was done, one line of text each, so that none covers another; where the rows begin."""
    lines_end = canvas.y + MARKER_ROW * len(story.markers)
    for index, marker in enumerate(story.markers):
        x, y = canvas.x(marker.time), canvas.y + MARKER_ROW * (index + 1)
        is_right = x > WIDTH * 0.6
        canvas.text(x - 4 if is_right else x + 4, y - 3, marker.text, "faint", "end" if is_right else "start")
        canvas.parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 10:.1f}" y2="{_height(story):.1f}" class="marker"/>'
        )
    canvas.y = lines_end
    return lines_end


def _height(story: Story) -> float:
    """Where the last row of the timeline will end."""
    rows = len(story.nodes)
    tracks = len(story.tracks) * (HEADING + ROW * (rows + 1))
    return 8.0 + MARKER_ROW * len(story.markers) + tracks + (HEADING + ROW * rows if story.prefix else 0)


def _answers(canvas: _Canvas, track: Track, story: Story, kinds: dict[str, str]) -> None:
    held = spells(track.recording.probes)
    for node, kind in kinds.items():
        canvas.row(node)
        for spell in held:
            if spell.node == node:
                canvas.bar(spell.began, spell.ended, kind, f"{node} for {spell.ended - spell.began:.3f} s")
        for claim in track.claims:
            if story.macs.get(claim.mac) == node:
                canvas.tick(claim.time, f"{node} says by ARP: {track.address} is at {claim.mac}")
    canvas.row("no answer")
    for spell in held:
        if spell.node is None:
            canvas.bar(spell.began, spell.ended, "lost", f"nobody for {spell.ended - spell.began:.3f} s")


def _next_hops(canvas: _Canvas, story: Story, kinds: dict[str, str]) -> None:
    ends = [*(sample.time for sample in story.routes[1:]), story.end]
    for node, kind in kinds.items():
        canvas.row(f"{node}  {story.nodes[node]}")
        for sample, end in zip(story.routes, ends, strict=False):
            if story.nodes[node] in sample.next_hops:
                canvas.bar(sample.time, end, kind, f"via {story.nodes[node]} for {end - sample.time:.1f} s")


def _kinds(nodes: Iterable[str]) -> dict[str, str]:
    return {node: f"n{index % _NODE_CLASSES}" for index, node in enumerate(nodes)}


def _step(span: float, steps: Sequence[float] = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60)) -> float:
    """The distance of grid lines that gives about ten of them."""
    return next((step for step in steps if span / step <= 14), steps[-1])
