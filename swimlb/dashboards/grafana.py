"""A dashboard in the words of those who look at it, and the JSON that Grafana 9 and later import.

Every query goes to the data source that is chosen at the top of the page. Sizes are Grafana's: 24 columns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal, TypeAlias

SCHEMA_VERSION = 39
COLUMNS = 24
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

Unit: TypeAlias = Literal[
    "short", "none", "s", "percent", "percentunit", "bytes", "Bps", "pps", "ops", "bool_yes_no"
]
Kind: TypeAlias = Literal["timeseries", "stat", "table", "heatmap", "state-timeline"]


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and what its series are called: `{{node}}` stands for a label."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    about: str
    """What one sees, and what is good: for the sign beside the title."""
    queries: tuple[Query, ...]
    unit: Unit = "short"
    kind: Kind = "timeseries"
    width: int = 8
    height: int = 8
    warns_from: float | None = None
    """A stat turns red at this value."""


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of the page, of the values that a label of a metric has."""

    name: str
    metric: str
    label: str
    selector: str = ""
    """Of the metric's series those that follow from other choices, as in PromQL; empty: all."""
    has_all: bool = True


@dataclass(frozen=True, slots=True)
class Board:
    name: str
    """Of the file; the unique id follows from it."""
    title: str
    about: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()

    @property
    def uid(self) -> str:
        return f"swimlb-{self.name}"

    def panels(self) -> Iterator[Panel]:
        for row in self.rows:
            yield from row.panels


def with_choices(expression: str, window: str) -> str:
    """As Grafana asks it when everything is chosen at the top of the page; `window` stands for `$__rate_interval`."""
    return re.sub(r"\$(?!__)\w+", ".*", expression).replace("$__rate_interval", window)


def document(board: Board) -> str:
    """The text of the file that is imported, always the same for the same board."""
    return json.dumps(_board(board), indent=2) + "\n"


def _board(board: Board) -> dict[str, Any]:
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.about,
        "tags": ["swimlb"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_datasource(), *map(_variable, board.variables)]},
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards",
                "title": "swimlb",
                "tags": ["swimlb"],
                "asDropdown": True,
                "includeVars": False,
                "keepTime": True,
            }
        ],
        "panels": list(_panels(board)),
    }


def _datasource() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "hide": 0,
    }


def _variable(variable: Variable) -> dict[str, Any]:
    query = f"label_values({variable.metric}{variable.selector}, {variable.label})"
    return {
        "name": variable.name,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": "values"},
        "refresh": 2,
        "sort": 1,
        "includeAll": variable.has_all,
        "multi": variable.has_all,
        "allValue": ".*" if variable.has_all else None,
        "current": {"text": "All", "value": "$__all"} if variable.has_all else {},
        "hide": 0,
    }


def _panels(board: Board) -> Iterator[dict[str, Any]]:
    top = 0
    for row in board.rows:
        yield {
            "id": _id(board.name, row.title, ""),
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
        }
        top += 1
        for line in _lines(row.panels):
            left = 0
            for panel in line:
                position = {"x": left, "y": top, "w": panel.width, "h": panel.height}
                yield _panel(panel, _id(board.name, row.title, panel.title), position)
                left += panel.width
            top += max(panel.height for panel in line)


def _lines(panels: Sequence[Panel]) -> Iterator[list[Panel]]:
    line: list[Panel] = []
    for panel in panels:
        if sum(one.width for one in line) + panel.width > COLUMNS:
            yield line
            line = []
        line.append(panel)
    if line:
        yield line


def _id(*names: str) -> int:
    """The same for the same panel in every release, so that links to it hold."""
    return int.from_bytes(sha256("/".join(names).encode()).digest()[:4], "big") >> 1


def _panel(panel: Panel, number: int, position: dict[str, int]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.warns_from is not None:
        steps.append({"color": "red", "value": panel.warns_from})
    is_table = panel.kind == "table"
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": DATASOURCE,
        "gridPos": position,
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": DATASOURCE,
                "expr": query.expression,
                "legendFormat": query.legend or "__auto",
                "instant": panel.kind in ("stat", "table"),
                "range": panel.kind not in ("stat", "table"),
                "format": "table" if is_table else "heatmap" if panel.kind == "heatmap" else "time_series",
            }
            for index, query in enumerate(panel.queries)
        ],
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "options": _OPTIONS[panel.kind],
        "transformations": [{"id": "organize", "options": {"excludeByName": _HIDDEN}}] if is_table else [],
    }


_HIDDEN = {"Time": True, "__name__": True, "job": True, "container": True, "endpoint": True, "pod": True}
_OPTIONS: dict[Kind, dict[str, Any]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "background",
        "graphMode": "none",
        "textMode": "auto",
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
    "heatmap": {"calculate": False, "yAxis": {"unit": "s"}, "color": {"scheme": "Oranges", "mode": "scheme"}},
    "state-timeline": {"mergeValues": True, "showValue": "auto"},
}
