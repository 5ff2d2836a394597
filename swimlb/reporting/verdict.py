"""What a speaker says of the configuration in its ConfigurationState: valid, or all that is wrong, in MetalLB's words around it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from swimlb.model import Problem, Severity

SUMMARY_OCTETS_MAX = 16_384
"""Of all errors together; an object may have 1.5 MB, and nobody reads more."""
_SUCH = "configuration error: "


@dataclass(frozen=True, slots=True)
class Verdict:
    errors: tuple[str, ...] = ()

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> Verdict:
        """Warnings are no errors: what they are about is in force."""
        found = (problem for problem in problems if problem.severity is Severity.ERROR)
        return cls(tuple(dict.fromkeys(_SUCH + _told(problem) for problem in found)))

    @property
    def is_valid(self) -> bool:
        return not self.errors

    @property
    def result(self) -> str:
        return "Valid" if self.is_valid else "Invalid"

    @property
    def reason(self) -> str:
        """Of the condition."""
        return "Reconciled" if self.is_valid else "ConfigurationError"

    @property
    def message(self) -> str:
        """Also the summary: a line for each error, as many as have room."""
        lines: list[str] = []
        room = SUMMARY_OCTETS_MAX
        for number, error in enumerate(self.errors):
            room -= len(error.encode()) + 1
            if room < 0:
                lines.append(f"{_SUCH}and {len(self.errors) - number} more")
                break
            lines.append(error)
        return "\n".join(lines)


def _told(problem: Problem) -> str:
    where = f"{problem.object} {problem.field}".strip()
    return f"{where}: {problem.message}"
