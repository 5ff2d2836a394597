"""From documents to the configuration that is in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from swimlb.config.document import Document, Ref
from swimlb.config.kinds import Options
from swimlb.config.linking import link
from swimlb.config.objects import Candidates
from swimlb.config.reading import Version, read_documents
from swimlb.config.report import Report
from swimlb.model import Configuration, Problem, Severity


@dataclass(frozen=True, slots=True)
class Kept:
    """The version of an object that is in force, and where the object was seen last, also if in a bad version."""

    record: object
    meaning: object
    file: str | None
    line: int | None


@dataclass(frozen=True, slots=True)
class Resolved:
    """What is in force, and everything that is wrong with what was given."""

    configuration: Configuration = field(default_factory=Configuration)
    problems: tuple[Problem, ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()
    """Services that are none of our business: key and why."""
    stale: frozenset[str] = frozenset()
    """Objects whose newest version was refused, so that an older one is in force."""
    kept: Mapping[Ref, Kept] = field(default_factory=dict[Ref, Kept])
    """For the next call of `resolve`."""

    @property
    def has_errors(self) -> bool:
        return any(problem.severity is Severity.ERROR for problem in self.problems)


def resolve(
    documents: Sequence[Document],
    previous: Resolved | None = None,
    *,
    source_problems: Sequence[Problem] = (),
    options: Options | None = None,
) -> Resolved:
    """Judge all documents at once. Pure, and never raises on whatever they hold.

    A bad object is refused alone. If `previous` had a good version of it, that one stays in force; an object that is
    gone is gone, except when it came from a file or directory that `source_problems` tells could not be read, or from a
    file with something in it that nobody can tell which object it is: a slip in a name is no deletion.
    """
    options = options or Options()
    reading = read_documents(documents, options)
    doubtful = {report.document.file for report in reading.nameless if report.document.file is not None}
    unreadable = _unreadable(source_problems) | doubtful
    versions = _versions(previous, reading.versions, reading.present, unreadable)
    candidates = Candidates(versions, reading.present)
    linked = link(candidates, options.node, are_secrets_apart=options.are_secrets_apart)
    problems = [problem for report in reading.reports for problem in report.problems]
    stale = frozenset(str(ref) for ref in candidates.fallen_back)
    held = {candidates.admitted[ref].report.document.file for ref in candidates.fallen_back - reading.present}
    slips = frozenset(report.object for report in reading.nameless if report.document.file in held)
    return Resolved(
        configuration=linked.configuration,
        problems=tuple(
            sorted((*source_problems, *(_told(one, stale, slips) for one in problems)), key=_order)
        ),
        ignored=linked.ignored,
        stale=stale,
        kept={
            ref: _kept(version, reading.places.get(ref, version.report.document))
            for ref, version in candidates.admitted.items()
        },
    )


def recall(
    documents: Sequence[Document], meanings: Mapping[Ref, object], *, options: Options | None = None
) -> Resolved:
    """What an earlier life of the process had in force, as `previous` of the first call of `resolve`.

    `meanings` are those of objects that stay in force without what they refer to.
    """
    versions = read_documents(documents, options or Options()).versions
    return Resolved(
        kept={
            ref: Kept(version.record, meanings.get(ref), None, None)
            for ref, version in versions.items()
            if not version.report.has_errors
        }
    )


def _kept(version: Version, document: Document) -> Kept:
    return Kept(version.record, version.meaning, document.file, document.line)


def _unreadable(problems: Sequence[Problem]) -> frozenset[str]:
    return frozenset(
        problem.file
        for problem in problems
        if problem.severity is Severity.ERROR and problem.file is not None
    )


def _versions(
    previous: Resolved | None,
    newest: Mapping[Ref, Version],
    present: AbstractSet[Ref],
    unreadable: frozenset[str],
) -> dict[Ref, tuple[Version, ...]]:
    """The versions of each object, newest first: those without errors may come into force."""
    versions: dict[Ref, tuple[Version, ...]] = {ref: (version,) for ref, version in newest.items()}
    for ref, kept in previous.kept.items() if previous is not None else ():
        if ref in present or _is_within(kept.file, unreadable):
            # What is wrong with an old version was told when it was new.
            old = Version(
                kept.record,
                Report(str(ref), Document(None, kept.file, kept.line), ref.namespace),
                is_last_good=True,
                meaning=kept.meaning,
            )
            versions[ref] = (*versions.get(ref, ()), old)
    return versions


def _is_within(file: str | None, unreadable: frozenset[str]) -> bool:
    """Whether that file could not be read, or a directory that it is in could not be wholly."""
    if file is None or not unreadable:
        return False
    return file in unreadable or any(str(parent) in unreadable for parent in PurePath(file).parents)


def _told(problem: Problem, stale: frozenset[str], slips: frozenset[str]) -> Problem:
    """With what goes on meanwhile: `slips` are objects that may be meant for others, which are in force still."""
    if problem.severity is not Severity.ERROR:
        return problem
    if problem.object in stale:
        return replace(problem, hint=f"{problem.hint} Until then the last good version stays in force.")
    if problem.object in slips:
        return replace(problem, hint=f"{problem.hint} Until then what the file held before stays in force.")
    return problem


def _order(problem: Problem) -> tuple[str, int, str, str, str]:
    return (problem.file or "", problem.line or 0, problem.object, problem.field, problem.message)
