"""Grafana's dashboards, made from code: `boards` says what is shown, `grafana` how Grafana wants it written."""

from __future__ import annotations

from swimlb.dashboards.boards import BOARDS
from swimlb.dashboards.grafana import Board, Panel, Query, Row, document, with_choices

__all__ = ["BOARDS", "Board", "Panel", "Query", "Row", "document", "with_choices"]
