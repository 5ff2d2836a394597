"""What is wrong with the configuration, in the log."""

from __future__ import annotations

from collections.abc import Iterable

from swimlb.model import Problem, Severity
from swimlb.observe.logs import EventLog


def log_problems(log: EventLog, problems: Iterable[Problem]) -> None:
    """Each of them, with the way out."""
    for problem in problems:
        tell = log.error if problem.severity is Severity.ERROR else log.warning
        tell(
            "configuration_problem",
            object=problem.object,
            field=problem.field,
            message=problem.message,
            hint=problem.hint,
            file=problem.file,
            line=problem.line,
        )
