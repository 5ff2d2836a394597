"""What the API server does not do for us, told to people without repeating it."""

from __future__ import annotations

from swimlb.kube.errors import ApiError, Forbidden
from swimlb.observe.logs import EventLog

TOLD_MAX = 1024
"""Refusals that are remembered. Services that go while one of theirs stands are never reported as over."""


class Complaints:
    """Refused calls, told once for each kind of object until one succeeds: a lost permission refuses thousands."""

    def __init__(self, log: EventLog, component: str) -> None:
        """`component` is whose role it is, in the words of the chart: speaker, controller."""
        self._log = log
        self._component = component
        self._told: dict[str, str] = {}

    def refused(self, what: str, error: ApiError) -> None:
        kind = type(error).__name__
        if self._told.get(what) == kind:
            return
        if len(self._told) >= TOLD_MAX:
            self._told.clear()
        self._told[what] = kind
        again = "it is tried again"
        if isinstance(error, Forbidden):
            again = (
                f"let the role of the {self._component} do this, as the chart's does, and bind it; {again}"
            )
        self._log.warning("write_refused", resource=what, reason=str(error), hint=again)

    def done(self, what: str) -> None:
        if self._told.pop(what, None) is not None:
            self._log.info("write_accepted", resource=what)
