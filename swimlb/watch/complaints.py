"""What the API server does not take, told to people without repeating it."""

from __future__ import annotations

from swimlb.kube.errors import ApiError, Forbidden
from swimlb.observe.logs import EventLog


class Complaints:
    """Refused writes, told once for each kind of object until one succeeds."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._told: dict[str, str] = {}

    def refused(self, what: str, error: ApiError) -> None:
        kind = type(error).__name__
        if self._told.get(what) != kind:
            self._told[what] = kind
            self._log.warning(
                "write_refused",
                resource=what,
                reason=str(error),
                hint=f"let the speaker's role write {what}; it is tried again"
                if isinstance(error, Forbidden)
                else "it is tried again",
            )

    def done(self, what: str) -> None:
        if self._told.pop(what, None) is not None:
            self._log.info("write_accepted", resource=what)
