"""Logs for people and machines: one line a fact, an event name and fields, as JSON on standard error.

log.info("member_failed", member="node-c", incarnation=7)
{"time":"2026-01-05T10:11:12.345Z","level":"info","process":"wire","node":"node-a","event":"member_failed",...}
"""

from __future__ import annotations

import json
import logging
import os
import select
import sys
from datetime import UTC, datetime
from typing import Any

BACKLOG_OCTETS_MAX = 1 << 20
"""Some 5,000 lines: what is told at once when as many addresses move."""

LEVELS = ("debug", "info", "warning", "error")


class EventLog:
    """A thin front of the standard library's logging, which keeps levels, handlers and capture."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, **fields: object) -> None:
        self._log(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        self._log(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._log(logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        self._log(logging.ERROR, event, fields)

    def flush(self) -> None:
        """Write what had to wait; `Unwaiting` only."""
        for handler in self._logger.handlers:
            handler.flush()

    def _log(self, level: int, event: str, fields: dict[str, object]) -> None:
        self._logger.log(level, event, extra={"fields": fields})


class JsonFormatter(logging.Formatter):
    """One JSON object a line; what is not JSON is shown as text."""

    def __init__(self, **constant: object) -> None:
        super().__init__()
        self._constant = constant

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        fields: dict[str, Any] = getattr(record, "fields", {})
        line = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            **self._constant,
            "event": record.getMessage(),
            **fields,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class Unwaiting(logging.Handler):
    """Never waits for whoever reads the descriptor: it may be a pipe to a runtime whose disk hangs.

    What there is no room for is kept, up to BACKLOG_OCTETS_MAX, and follows with the next line, or `flush`. Further lines are
    lost, and counted by the next one that gets through.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._room = select.poll()
        self._room.register(descriptor, select.POLLOUT)
        self._backlog = bytearray()
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        if len(self._backlog) > BACKLOG_OCTETS_MAX:
            self.flush()
        if len(self._backlog) > BACKLOG_OCTETS_MAX:
            self._lost += 1
            return
        if self._lost:
            self._keep(_loss(self._lost))
            self._lost = 0
        self._keep(record)
        self.flush()

    def flush(self) -> None:
        """Write as much as there is room for."""
        while self._backlog and self._room.poll(0):
            try:
                # So much a pipe that has room takes without waiting.
                written = os.write(self._descriptor, self._backlog[: select.PIPE_BUF])
            except OSError:
                self._backlog.clear()  # Nobody is there any more.
                return
            del self._backlog[:written]

    def _keep(self, record: logging.LogRecord) -> None:
        self._backlog += f"{self.format(record)}\n".encode(errors="replace")


def _loss(count: int) -> logging.LogRecord:
    record = logging.LogRecord("swimlb", logging.WARNING, __file__, 0, "log_lines_lost", None, None)
    record.fields = {"count": count}
    return record


def configure(level: str, *, is_unwaiting: bool = False, **constant: object) -> EventLog:
    """Set up this process's log; `constant` fields stand in every line."""
    handler = Unwaiting(sys.stderr.fileno()) if is_unwaiting else logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(**constant))
    logger = logging.getLogger("swimlb")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    return EventLog(logger)
