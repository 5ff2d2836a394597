"""The results on disk: written after every run, with the commit and the machine that each run is of."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, cast

from bench.contenders import ROOT
from bench.matrix.cluster import Scale
from bench.matrix.judge import Run
from bench.matrix.meter import Cost
from bench.matrix.plan import Cell
from bench.membership import machine

Found = dict[str, Any]
_DIGITS = 5


class Store:
    """All sessions together: a later one adds its runs to those that were there."""

    def __init__(self, path: Path, found: Found, together: int = 1) -> None:
        self._path = path
        self._together = together
        self._writing = Lock()
        self.found: Found = {"sessions": [], "cells": [], "costs": [], **found}
        self._is_begun = False

    def runs(self, cell: Cell) -> int:
        return len(self._record(cell)["runs"])

    def has_cost(self, contender: str, scale: Scale) -> bool:
        return any(_is_of(one, contender, scale) for one in self.found["costs"])

    def add_run(self, cell: Cell, run: Run) -> None:
        with self._writing:
            self._noted(cell)["runs"].append({**_rounded(asdict(run)), "session": self._session()})
            self._write()

    def add_disturbed(self, cell: Cell) -> None:
        """A run that was not counted: the machine was too busy to tell the time of it."""
        with self._writing:
            self._noted(cell)["disturbed"] += 1
            self._write()

    def add_failure(self, cell: Cell, error: str) -> None:
        """A run that came to no end: the contender was not well again, or not at all."""
        with self._writing:
            self._noted(cell)["failures"].append(error)
            self._write()

    def add_cost(self, contender: str, scale: Scale, cost: Cost) -> None:
        whose = {"contender": contender, "nodes": scale.nodes, "addresses": scale.addresses}
        with self._writing:
            self.found["costs"].append({**whose, **_rounded(asdict(cost)), "session": self._session()})
            self._write()

    def _noted(self, cell: Cell) -> Found:
        record = self._record(cell)
        if not any(one is record for one in self.found["cells"]):
            self.found["cells"].append(record)
        return record

    def _record(self, cell: Cell) -> Found:
        for one in self.found["cells"]:
            if _is_of(one, cell.contender.name, cell.scale) and one["fault"] == cell.fault.name:
                return one
        return {
            "contender": cell.contender.name,
            "fault": cell.fault.name,
            "nodes": cell.scale.nodes,
            "addresses": cell.scale.addresses,
            "window": cell.contender.window,
            "runs": [],
            "disturbed": 0,
            "failures": [],
        }

    def _session(self) -> int:
        if not self._is_begun:
            self._is_begun = True
            begun = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
            load = round(os.getloadavg()[0], 2)
            self.found["sessions"].append(
                {
                    "begun": begun,
                    "commit": commit(),
                    "machine": machine(),
                    "load": load,
                    "together": self._together,
                }
            )
        return len(self.found["sessions"]) - 1

    def _write(self) -> None:
        partial = self._path.with_suffix(".partial")
        partial.write_text(dumped(self.found))
        partial.replace(self._path)


def merged(parts: Iterable[Found]) -> Found:
    """Results of several outputs as one: runs of the same cell come together, a cost is the first one's that has it."""
    whole: Found = {"sessions": [], "cells": [], "costs": []}
    cells: dict[tuple[object, ...], Found] = {}
    costs: dict[tuple[object, ...], Found] = {}
    for part in parts:
        shift = len(whole["sessions"])
        whole["sessions"] += part["sessions"]
        for cell in part["cells"]:
            key = (cell["contender"], cell["fault"], cell["nodes"], cell["addresses"])
            one = cells.setdefault(key, {**cell, "runs": [], "disturbed": 0, "failures": []})
            one["runs"] += [{**run, "session": run["session"] + shift} for run in cell["runs"]]
            one["disturbed"] += cell["disturbed"]
            one["failures"] += cell["failures"]
        for cost in part["costs"]:
            key = (cost["contender"], cost["nodes"], cost["addresses"])
            costs.setdefault(key, {**cost, "session": cost["session"] + shift})
    return {**whole, "cells": list(cells.values()), "costs": list(costs.values())}


def dumped(found: Found) -> str:
    """JSON with a line for each run, so that a person can read it and a commit shows what is new."""
    parts = ['{"sessions": [', ",\n".join(json.dumps(one) for one in found["sessions"]), '],\n"costs": [']
    parts += [",\n".join(json.dumps(one) for one in found["costs"]), '],\n"cells": [']
    cells: list[str] = []
    for cell in found["cells"]:
        head = json.dumps({key: value for key, value in cell.items() if key != "runs"})
        runs = ",\n  ".join(json.dumps(run) for run in cell["runs"])
        cells.append(f'{head[:-1]}, "runs": [\n  {runs}]}}' if runs else f'{head[:-1]}, "runs": []}}')
    return "\n".join([*parts, ",\n".join(cells), "]}", ""])


def read(path: Path) -> Found:
    return json.loads(path.read_text())


def commit() -> str:
    """Of the checkout, with `-dirty` where it is not what the commit has."""
    done = subprocess.run(
        ("git", "describe", "--always", "--dirty", "--exclude=*"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def _is_of(one: Found, contender: str, scale: Scale) -> bool:
    return (one["contender"], one["nodes"], one["addresses"]) == (contender, scale.nodes, scale.addresses)


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return round(value, _DIGITS)
        case dict():
            return {key: _rounded(one) for key, one in cast("Found", value).items()}
        case _:
            return value
