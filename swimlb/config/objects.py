"""Choosing the version of each object that comes into force."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from swimlb.config.document import Ref
from swimlb.config.reading import Version
from swimlb.config.report import Place, Unreadable

R = TypeVar("R")
M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Admitted(Generic[M]):
    """An object in force. Its place takes warnings; those about an old version go nowhere."""

    ref: Ref
    value: M
    place: Place


def _nothing(meaning: object) -> None:
    """For kinds that refer to nothing."""


@dataclass(slots=True)
class Candidates:
    """Versions of objects, newest first. Of each object the first version is admitted that fits in with the rest.

    Bad versions are checked, too, since all that is wrong is told at once; they are never admitted.
    """

    versions: Mapping[Ref, tuple[Version, ...]]
    present: AbstractSet[Ref] = frozenset()
    """All objects there are, also those of which no version is well-formed."""
    admitted: dict[Ref, Version] = field(default_factory=dict[Ref, Version])
    _namespaces: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    @property
    def fallen_back(self) -> set[Ref]:
        """Objects of which an older version was admitted."""
        return {ref for ref, version in self.admitted.items() if version.is_last_good}

    def missing(self, ref: Ref) -> tuple[str, str]:
        """Why what somebody refers to is not in force, and the way out."""
        if ref in self.present:
            return (
                f"{ref.kind} {ref.name} is itself in error",
                "Mend it first; what is wrong with it is told, too.",
            )
        if (namespace := self._namespace_of(ref.kind, ref.name)) is not None:
            return (
                f"{ref.kind} {ref.name} is in namespace {namespace}, not in {ref.namespace}",
                f"Set its metadata.namespace to {ref.namespace}.",
            )
        return f"there is no {ref.kind} {ref.name}", "Create it, or mend the name."

    def _namespace_of(self, kind: str, name: str) -> str | None:
        """The first one in which there is such an object; found once for all that may be asked about."""
        if not self._namespaces:
            for ref in sorted(self.present):
                self._namespaces.setdefault((ref.kind, ref.name), ref.namespace)
        return self._namespaces.get((kind, name))

    def admit(
        self,
        cls: type[R],
        check: Callable[[R, Place], M],
        *,
        outlives: Callable[[object], M | None] = _nothing,
        is_exclusive: bool = False,
    ) -> list[Admitted[M]]:
        """All objects of a kind, by name. `check` reports what is wrong and gives what the object means.

        `outlives` is asked what an object of which no version fits in any more is to mean, given what it meant: deleting
        what it refers to must not take it out of force. Objects of an exclusive kind can shut each other out: those that
        have not changed are checked first, then those that have, and new ones last, so that what is new is refused and
        not what it clashes with.
        """
        refs = sorted(
            ref for ref, versions in self.versions.items() if isinstance(_likeliest(versions).record, cls)
        )
        if is_exclusive:
            refs.sort(key=self._newness)
        found = (self._admit_one(ref, cls, check) or self._outlive(ref, outlives) for ref in refs)
        return sorted((one for one in found if one is not None), key=lambda one: one.ref)

    def _newness(self, ref: Ref) -> int:
        """0: the version that was in force before; 1: another one; 2: an object of which none was."""
        newest, before = self.versions[ref][0], self.versions[ref][-1]
        return 2 if not before.is_last_good else 1 if newest.record != before.record else 0

    def _admit_one(self, ref: Ref, cls: type[R], check: Callable[[R, Place], M]) -> Admitted[M] | None:
        for version in self.versions[ref]:
            if not isinstance(version.record, cls):
                continue
            place = version.report.place
            try:
                value = check(version.record, place)
            except Unreadable:
                continue
            if not version.report.has_errors:
                self.admitted[ref] = replace(version, meaning=value)
                return Admitted(ref, value, place)
        return None

    def _outlive(self, ref: Ref, outlives: Callable[[object], M | None]) -> Admitted[M] | None:
        version = self.versions[ref][-1]
        meaning = outlives(version.meaning) if version.meaning is not None else None
        if meaning is None:
            return None
        self.admitted[ref] = version
        return Admitted(ref, meaning, version.report.place)


def _likeliest(versions: tuple[Version, ...]) -> Version:
    """The newest one without errors: what it is decides what the object is. Of bad ones only, the newest."""
    return next((version for version in versions if not version.report.has_errors), versions[0])
