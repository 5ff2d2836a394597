"""Measures the cells of a plan, lot by lot, or several lots at a time, and tells how far it is.

Contenders wait for most of the time, and what one does to another shows as a disturbance, so several can be measured side by side
where time is short. Faults that take the machine itself come last then, one at a time.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from threading import Lock

from bench.matrix import meter, plan
from bench.matrix.contenders import running
from bench.matrix.figures import outline
from bench.matrix.plan import REST, Cell, Lot, duration
from bench.matrix.scene import Scene
from bench.matrix.store import Store
from bench.membership import say
from bench.ring import interrupt
from swimlb.lab.errors import LabError
from swimlb.lab.measure import LATENESS_MAX
from swimlb.runtime import clock

_ATTEMPTS_MAX = 3
"""A run that the machine disturbed is done again; then it is taken as it is, with the lateness beside it."""
_FAILURES_MAX = 3
"""In a cell: then it is left as it is, until somebody goes on with it another time."""


class Campaign:
    def __init__(self, store: Store, lots: Sequence[Lot], runs: int, together: int = 1) -> None:
        self._store, self._lots, self._runs = store, lots, runs
        self._together = together
        self._taking = Lock()
        self._failed: Counter[Cell] = Counter()
        self._pace = 1.0
        """How many times longer it takes than was reckoned."""

    def seconds_left(self) -> float:
        return sum(self._lacking(lot) for lot in self._lots) * self._pace / self._together

    def measure(self) -> None:
        if self._together == 1:
            self._work(list(self._lots), takes_api=True)
            return
        loud = plan.lots(cell for lot in self._lots for cell in lot.cells if cell.fault.takes_machine)
        calm = plan.lots(cell for lot in self._lots for cell in lot.cells if not cell.fault.takes_machine)
        with ThreadPoolExecutor(self._together) as pool:
            # A control plane is not idle: half of them at most have one.
            begun = [
                pool.submit(self._work, calm, takes_api=number < max(1, self._together // 2))
                for number in range(self._together)
            ]
            try:
                for future in begun:
                    future.result()
            except BaseException:
                interrupt()  # The pool waits for its threads, and these clean up behind themselves.
                raise
        self._together = 1
        self._work(loud, takes_api=True)

    def _work(self, waiting: list[Lot], *, takes_api: bool) -> None:
        """Take one lot after the other, until none is left for a worker of this kind."""
        while (lot := self._take(waiting, takes_api=takes_api)) is not None:
            reckoned, begun = self._lacking(lot), clock.monotonic()
            if not reckoned:
                continue
            self._measure_lot(lot)
            self._pace = 0.5 * self._pace + 0.5 * (clock.monotonic() - begun) / reckoned

    def _take(self, waiting: list[Lot], *, takes_api: bool) -> Lot | None:
        with self._taking:
            fitting = [lot for lot in waiting if takes_api or not lot.contender.has_api]
            if self._together > 1:
                fitting.sort(key=lambda lot: not lot.contender.has_api)  # They take longest.
            if not fitting:
                return None
            waiting.remove(fitting[0])
            return fitting[0]

    def _measure_lot(self, lot: Lot) -> None:
        """A network that does not come to rest is built anew for what is lacking, until a cell has failed too often."""
        for _ in range(_FAILURES_MAX * len(lot.cells)):
            lacking = [cell for cell in lot.cells if self._lacks(cell)]
            if not lacking:
                return
            current = lacking[0]
            try:
                with (
                    tempfile.TemporaryDirectory() as scratch,
                    running(lot.contender, lot.scale, Path(scratch)) as cluster,
                ):
                    scene = Scene(cluster, lot.contender.window)
                    cluster.rest()
                    if not self._store.has_cost(lot.contender.name, lot.scale):
                        self._store.add_cost(lot.contender.name, lot.scale, meter.at_rest(cluster, REST))
                    for current in lacking:
                        self._measure_cell(scene, current)
            except LabError as error:
                self._store.add_failure(current, str(error))
                self._failed[current] += 1
                say(f"{current.name}: {error}")

    def _measure_cell(self, scene: Scene, cell: Cell) -> None:
        if cell.fault.before is not None:
            cell.fault.before(scene.cluster)
        scene.cluster.rest()
        attempt = 1
        while self._lacks(cell):
            number = self._store.runs(cell) + 1
            run = scene.suffer(cell.fault, Random(f"{cell.name} {number} {attempt}"))
            if run.lateness > LATENESS_MAX and attempt < _ATTEMPTS_MAX:
                self._store.add_disturbed(cell)
                attempt += 1
                continue
            attempt = 1
            self._store.add_run(cell, run)
            left = duration(self.seconds_left())
            say(f"{cell.name}, {number} of {self._runs}: {outline(run)}; {left} left")
        if cell.fault.after is not None:
            cell.fault.after(scene.cluster)

    def _lacks(self, cell: Cell) -> bool:
        return self._store.runs(cell) < self._runs and self._failed[cell] < _FAILURES_MAX

    def _lacking(self, lot: Lot) -> float:
        """Seconds of what is to be done of a lot."""
        cells = {cell: self._runs - self._store.runs(cell) for cell in lot.cells if self._lacks(cell)}
        if not cells:
            return 0.0
        return lot.seconds(0) + sum(cell.seconds(runs) for cell, runs in cells.items())
