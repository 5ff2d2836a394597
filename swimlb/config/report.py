"""Collecting the problems of one object while it is read, each at its field."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from swimlb.config.document import Document, Path, path_text
from swimlb.model import Problem, Severity


class Unreadable(Exception):
    """This value cannot be used; why has been reported. Readers go on with the next field."""


class Mistake(ValueError):
    """Raised by parsers of single values, which know neither the object nor the field."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(slots=True)
class Report:
    """All problems of one object."""

    object: str
    document: Document
    namespace: str = ""
    problems: list[Problem] = field(default_factory=list[Problem])
    _failed: set[Path] = field(default_factory=set[Path])

    @property
    def has_errors(self) -> bool:
        return bool(self._failed)

    @property
    def place(self) -> Place:
        """The object as a whole."""
        return Place(self)

    def rename(self, name: str) -> None:
        """The object's name became known only after problems were found."""
        self.object = name
        self.problems[:] = [replace(problem, object=name) for problem in self.problems]

    def has_errors_in(self, path: Path) -> bool:
        """Is this field or one within it wrong?"""
        return any(failed[: len(path)] == path for failed in self._failed)

    def add(self, severity: Severity, path: Path, message: str, hint: str, *, refuses: bool = True) -> None:
        """A second error at one field is dropped: it is nearly always a consequence of the first."""
        if severity is Severity.ERROR and refuses:
            if path in self._failed:
                return
            self._failed.add(path)
        self.problems.append(
            Problem(
                severity=severity,
                object=self.object,
                field=path_text(path),
                message=message,
                hint=hint,
                file=self.document.file,
                line=self.document.line_of(path),
                is_partial=severity is Severity.ERROR and not refuses,
            )
        )


@dataclass(frozen=True, slots=True)
class Place:
    """A field of an object that is being read."""

    report: Report
    path: Path = ()

    def __truediv__(self, step: str | int) -> Place:
        return Place(self.report, (*self.path, step))

    def at(self, *steps: str | int) -> Place:
        return Place(self.report, (*self.path, *steps))

    @property
    def is_broken(self) -> bool:
        """Has an error been reported here or further in?"""
        return self.report.has_errors_in(self.path)

    def error(self, message: str, hint: str) -> None:
        """The object will be refused."""
        self.report.add(Severity.ERROR, self.path, message, hint)

    def partial_error(self, message: str, hint: str) -> None:
        """What this field says is out of force, wholly or in part; the rest of the object is not."""
        self.report.add(Severity.ERROR, self.path, message, hint, refuses=False)

    def warning(self, message: str, hint: str) -> None:
        """The object is in force, but probably not what was meant."""
        self.report.add(Severity.WARNING, self.path, message, hint)

    def refuse(self, message: str, hint: str) -> Unreadable:
        """For readers: `raise place.refuse(...)`."""
        self.error(message, hint)
        return Unreadable()
