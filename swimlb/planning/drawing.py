"""The answer as one picture: Services on the left, nodes in the middle, BGP peers on the right, moves in red.

The SVG stands alone: it brings its styles, follows the reader's light or dark mode, and needs no script.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from xml.sax.saxutils import escape

from swimlb.planning.records import Outlook, ServiceOutlook, ServiceState

T = TypeVar("T")

_COLUMNS = (20, 380, 680)
"""Left edges of Services, nodes and peers."""
_WIDTHS = (240, 160, 160)
_ROW, _BOX = 48, 36
_TOP, _LEGEND = 44, 30

_STYLE = """
  svg { --ink: #1d2733; --faint: #6b7785; --box: #eef2f6; --lan: #0072b2; --bgp: #009e73; --move: #d03b3b;
        --ground: #ffffff; font: 12px system-ui, sans-serif; }
  @media (prefers-color-scheme: dark) {
    svg { --ink: #e6ebf1; --faint: #97a3b1; --box: #202a35; --lan: #4aa8e0; --bgp: #37c79b; --move: #ff6b6b;
          --ground: #12181f; } }
  text { fill: var(--ink); } .faint { fill: var(--faint); font-size: 11px; } .heading { font-weight: 600; }
  .ground { fill: var(--ground); } .box { fill: var(--box); stroke: var(--faint); }
  line { stroke-width: 1.6; } .lan { stroke: var(--lan); } .bgp { stroke: var(--bgp); stroke-dasharray: 5 3; }
  .move { stroke: var(--move); stroke-dasharray: 2 3; } .pending { stroke-dasharray: 3 3; fill: none; }
"""


@dataclass(slots=True)
class _Canvas:
    parts: list[str] = field(default_factory=list[str])
    boxes: dict[tuple[int, str], float] = field(default_factory=dict[tuple[int, str], float])
    """The middle of each box, by column and name."""

    def text(self, x: float, y: float, text: str, kind: str = "") -> None:
        self.parts.append(f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}">{escape(text)}</text>')

    def box(self, column: int, row: float, name: str, below: str = "", kind: str = "box") -> None:
        x, y = _COLUMNS[column], _TOP + row * _ROW
        self.boxes[column, name] = y + _BOX / 2
        self.parts.append(
            f'<rect x="{x}" y="{y:.0f}" width="{_WIDTHS[column]}" height="{_BOX}" rx="5" class="{kind}"/>'
        )
        self.text(x + 8, y + (15 if below else 22), name)
        if below:
            self.text(x + 8, y + 29, below, "faint")

    def line(self, start: tuple[int, str], end: tuple[int, str], kind: str, title: str) -> None:
        x1, x2 = _COLUMNS[start[0]] + _WIDTHS[start[0]], _COLUMNS[end[0]]
        self.parts.append(
            f'<line x1="{x1}" y1="{self.boxes[start]:.0f}" x2="{x2}" y2="{self.boxes[end]:.0f}" class="{kind}">'
            f"<title>{escape(title)}</title></line>"
        )


def draw(outlook: Outlook) -> str:
    """An SVG document."""
    services = [one for one in outlook.services if one.state is not ServiceState.IGNORED]
    nodes, peers = _nodes(outlook), sorted({entry.peer for one in services for entry in one.bgp})
    rows = max(len(services), len(nodes), len(peers), 1)
    canvas = _Canvas()
    for column, heading in enumerate(("Services", "Nodes", "BGP peers")):
        canvas.text(_COLUMNS[column], 24, heading, "heading")
    for row, service in enumerate(services):
        canvas.box(0, row, service.key, _told(service), "box" if service.addresses else "box pending")
    for column, names in ((1, nodes), (2, peers)):
        for row, name in enumerate(names):
            canvas.box(column, row * (rows / len(names)), name)
    _draw_lines(canvas, outlook, services)
    height = _TOP + rows * _ROW + _LEGEND
    canvas.text(
        20, height - 10, "solid: announces on the LAN · dashed: advertises by BGP · red: moves away", "faint"
    )
    width = _COLUMNS[-1] + _WIDTHS[-1] + 20
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}">',
            f"<style>{_STYLE}</style>",
            f'<rect width="{width}" height="{height}" class="ground"/>',
            *canvas.parts,
            "</svg>\n",
        )
    )


def _nodes(outlook: Outlook) -> list[str]:
    """Every node that the answer speaks of."""
    names: set[str] = set()
    for service in outlook.services:
        names.update(name for entry in service.l2 for name in entry.candidates)
        names.update(name for entry in service.bgp for name in entry.nodes)
        names.update(entry.node for entry in service.withheld if entry.node is not None)
    names.update(move.source for move in outlook.moves or () if move.source is not None)
    return sorted(names)


def _told(service: ServiceOutlook) -> str:
    if not service.addresses:
        return str(service.state)
    return f"{' '.join(map(str, service.addresses))}  ({service.pool})"


def _draw_lines(canvas: _Canvas, outlook: Outlook, services: Sequence[ServiceOutlook]) -> None:
    for move in outlook.moves or ():
        if move.source is not None:
            title = f"{move.address} moves from {move.source} to {move.target or 'nobody'}"
            canvas.line((0, move.service), (1, move.source), "move", title)
    for service in services:
        for owner in dict.fromkeys(entry.node for entry in service.l2):
            canvas.line((0, service.key), (1, owner), "lan", f"{owner} announces {service.key}")
        for node in _distinct(node for entry in service.bgp for node in entry.nodes):
            canvas.line((0, service.key), (1, node), "bgp", f"{node} advertises {service.key}")
    for node, peer in _distinct(
        (node, entry.peer) for service in services for entry in service.bgp for node in entry.nodes
    ):
        canvas.line((1, node), (2, peer), "bgp", f"{node} advertises to {peer}")


def _distinct(items: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(items))
