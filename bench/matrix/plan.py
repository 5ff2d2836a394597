"""Which of all combinations are measured, in which order, and how long that takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from bench.matrix.cluster import Scale
from bench.matrix.contenders import CONTENDERS, Contender
from bench.matrix.faults import FAULTS, Fault

DESIGN = """\
The whole product of contenders, faults, sizes and numbers of addresses would take days. Every contender meets every fault
with three nodes and one address, but for the steps of MetalLB's ladder, which meet those that tell whether they are stable.
The number of nodes and that of addresses are varied one at a time, for ours and the best rival of each kind."""
RUNS = 15
QUICK_RUNS = 3
REST = 10.0
"""Seconds in which the cost of doing nothing is taken."""

_SIZES = (5, 10)
_COUNTS = (100, 1000)
_BEST = ("swimlb normal", "swimlb fast", "keepalived 0.1 s", "swimlb, BFD", "FRR, BFD")
_ON_KUBERNETES = ("swimlb normal, Kubernetes", "MetalLB")
_LADDER = ("MetalLB, 200 ms", "MetalLB, 50 ms")
"""The steps beside the one that meets every fault."""
_LADDER_FAULTS = ("cut", "loss", "crowded")
_SIZED_FAULTS = ("cut", "stop", "half")
_COUNTED_FAULTS = ("cut", "stop")
_QUICK = ("swimlb normal", "swimlb fast", "keepalived 1 s", "keepalived 0.1 s")
_QUICK_FAULTS = ("cut", "stop")
_QUICK_ROUTED = ("swimlb, BFD", "FRR, BFD")

BUILD_SECONDS = 5.0
API_SECONDS = 45.0
"""To build a control plane, and about as much to bring it back."""
AROUND_SECONDS = 6.0
"""Of a run, before the fault and after it has been mended."""
RESTART_SECONDS = 6.0
"""Of one node in a rolling restart."""


@dataclass(frozen=True, slots=True)
class Cell:
    contender: Contender
    fault: Fault
    scale: Scale

    @property
    def name(self) -> str:
        scale = self.scale
        return f"{self.contender.name}, {self.fault.name}, {scale.nodes} nodes, {scale.addresses} addresses"

    def seconds(self, runs: int) -> float:
        """What so many runs take, about; building not counted."""
        fault = self.fault
        restarts = RESTART_SECONDS * self.scale.nodes if fault.name == "rolling" else 0.0
        window = max(self.contender.window + fault.lasts, restarts)
        return runs * (AROUND_SECONDS + window) + (API_SECONDS if fault.needs_api else 0.0)


@dataclass(frozen=True, slots=True)
class Lot:
    """Cells that share one network, and one building of it."""

    contender: Contender
    scale: Scale
    cells: tuple[Cell, ...]

    def seconds(self, runs: int) -> float:
        build = BUILD_SECONDS + (API_SECONDS if self.contender.has_api else 0.0)
        return build + REST + sum(cell.seconds(runs) for cell in self.cells)


def all_cells() -> Iterator[Cell]:
    for contender in CONTENDERS:
        for fault in FAULTS:
            is_step = contender.name in _LADDER
            if (contender.has_api or not fault.needs_api) and (not is_step or fault.name in _LADDER_FAULTS):
                yield Cell(contender, fault, Scale())
    yield from _varied(_BEST, _SIZED_FAULTS, (Scale(nodes=nodes) for nodes in _SIZES))
    yield from _varied(_BEST, _COUNTED_FAULTS, (Scale(addresses=count) for count in _COUNTS))
    yield from _varied(_ON_KUBERNETES, _COUNTED_FAULTS, [Scale(nodes=5), Scale(addresses=100)])


def quick_cells() -> Iterator[Cell]:
    yield from _varied(_QUICK, _QUICK_FAULTS, [Scale()])
    yield from _varied(_QUICK_ROUTED, ("cut",), [Scale()])


def _varied(names: Sequence[str], faults: Sequence[str], scales: Iterable[Scale]) -> Iterator[Cell]:
    for scale in scales:
        for contender in CONTENDERS:
            for fault in FAULTS:
                if contender.name in names and fault.name in faults:
                    yield Cell(contender, fault, scale)


def chosen(cells: Iterable[Cell], *, words: Sequence[str] = (), faults: Sequence[str] = ()) -> list[Cell]:
    """Those with one of the words in their name, and one of the names as their fault; none: all."""
    return [
        cell
        for cell in cells
        if (not words or any(word.lower() in cell.name.lower() for word in words))
        and (not faults or cell.fault.name in faults)
    ]


def lots(cells: Iterable[Cell]) -> list[Lot]:
    """In the order of the cells, which come together where they share a network."""
    grouped = groupby(cells, key=lambda cell: (cell.contender, cell.scale))
    return [Lot(contender, scale, tuple(group)) for (contender, scale), group in grouped]


def duration(seconds: float) -> str:
    """For people: `2 h 05 min`, `7 min`, `40 s`."""
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"
