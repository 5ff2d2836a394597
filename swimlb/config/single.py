"""One object judged by itself, for sources that learn of objects one by one: by the same declarations as `resolve`."""

from __future__ import annotations

from dataclasses import dataclass

from swimlb.config.declared import DeclaredService, IgnoredService
from swimlb.config.document import Document, Ref
from swimlb.config.kinds import Options
from swimlb.config.reading import read_documents
from swimlb.model import Problem, Service, Severity


@dataclass(frozen=True, slots=True)
class Judged:
    """What one version of an object says, and all that is wrong with it."""

    ref: Ref | None
    """None: nobody can tell which object it is."""
    record: object
    """One of `declared` or of the model; None when it has errors."""
    problems: tuple[Problem, ...]

    @property
    def service(self) -> Service | None:
        """The Service, if it is one that asks us for an address, and without errors."""
        return self.record.service if isinstance(self.record, DeclaredService) else None

    @property
    def ignored(self) -> str | None:
        """Why this Service is none of our business; None: it is."""
        return self.record.reason if isinstance(self.record, IgnoredService) else None


def judge(content: object, options: Options) -> Judged:
    """Pure, and never raises on whatever the content holds. References to other objects are not followed."""
    reading = read_documents([Document(content)], options)
    problems = tuple(problem for report in reading.reports for problem in report.problems)
    ref = next(iter(reading.present), None)
    version = None if ref is None else reading.versions.get(ref)
    has_errors = any(problem.severity is Severity.ERROR for problem in problems)
    return Judged(ref, None if version is None or has_errors else version.record, problems)
