"""Declaring the fields of a resource once, for reading it and for describing it.

A resource is a `record`: a frozen dataclass whose fields are declared with `at(name, type, default=...)`.
`read_record` reads a mapping into it and reports *every* field that is wrong; such a field gets its default,
so that the rules between fields can be checked in the same pass. The caller refuses the object when its
report has errors. Kubernetes' rule holds throughout: null is the same as absent.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeVar, cast, dataclass_transform

from swimlb.config.report import Place, Unreadable

T = TypeVar("T")
D = TypeVar("D")
T_co = TypeVar("T_co", covariant=True)


class Type(Protocol[T_co]):
    """What a field may hold."""

    def read(self, value: object, place: Place) -> T_co:
        """Raises Unreadable when the value is of no use at all; then it has been reported."""
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """What the API server is to check as well, in CEL. It says no more than what is checked here in Python."""

    expression: str
    message: str


@dataclass(frozen=True, slots=True)
class Declared:
    """What is known of one field besides its default."""

    name: str
    type: Type[object]
    is_required: bool
    about: str
    """What it means, in a sentence or two, for the definition of the kind and for the reference."""
    written_default: object
    """What the API server writes into objects that lack the field; None: nothing."""
    rules: tuple[Rule, ...]


def at(
    name: str,
    type: Type[T],  # noqa: A002
    *,
    default: D,
    required: bool = False,
    about: str = "",
    written_default: object = None,
    rules: tuple[Rule, ...] = (),
) -> T | D:
    """Declare a field of a record. A required field needs a default too: it stands in while the rest is checked."""
    declared = Declared(name, type, required, about, written_default, rules)
    return dataclasses.field(default=default, metadata={"declared": declared})


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a record besides its fields."""

    is_open: bool = False
    is_atomic: bool = False
    rules: tuple[Rule, ...] = ()


@dataclass_transform(frozen_default=True, field_specifiers=(at,))
def record(
    *, is_open: bool = False, is_atomic: bool = False, rules: tuple[Rule, ...] = ()
) -> Callable[[type[T]], type[T]]:
    """Make a class a record. An open one ignores fields that it does not declare, others warn of them.

    An atomic one has one owner: who applies it (server-side apply) replaces it as a whole.
    """

    def decorate(cls: type[T]) -> type[T]:
        made = dataclass(frozen=True)(cls)
        made.__shape__ = Shape(is_open, is_atomic, rules)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        return made

    return decorate


def shape_of(cls: type[object]) -> Shape:
    return cast("Shape", cls.__shape__)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


@cache
def declarations(cls: type[object]) -> Mapping[str, Declared]:
    """The declared fields of a record by their attribute names."""
    return {spec.name: spec.metadata["declared"] for spec in dataclasses.fields(cast("Any", cls))}


def read_record(cls: type[T], value: object, place: Place) -> T:
    """Read a mapping as the record `cls`; reports all that is wrong with it."""
    content = read_mapping(value, place)
    declared = declarations(cls)
    values: dict[str, object] = {}
    for attribute, spec in declared.items():
        found = content.get(spec.name)
        if found is not None:
            try:
                values[attribute] = spec.type.read(found, place / spec.name)
            except Unreadable:
                continue
        elif spec.is_required:
            (place / spec.name).error("is missing", f"Add {spec.name}; it is required.")
    if not shape_of(cls).is_open:
        warn_of_unknown(content, [spec.name for spec in declared.values()], place)
    return cls(**values)


def warn_of_unknown(content: Mapping[str, object], known: Sequence[str], place: Place) -> None:
    for name in content.keys() - set(known):
        likely = difflib.get_close_matches(name.lower(), [other.lower() for other in known], n=1)
        meant = next((other for other in known if likely and other.lower() == likely[0]), None)
        hint = f"Did you mean {meant}?" if meant else f"Remove it; known here: {', '.join(sorted(known))}."
        (place / name).warning("unknown field, ignored", hint)


def read_mapping(value: object, place: Place) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise place.refuse(
            f"must be a mapping, but is {describe(value)}", "Write `name: value` lines below it."
        )
    content = cast("Mapping[object, object]", value)
    for key in content:
        if not isinstance(key, str):
            place.error(f"has the key {key!r}, which is {describe(key)}", "Put quotes around the key.")
    return {key: item for key, item in content.items() if isinstance(key, str)}


def read_list(value: object, place: Place) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise place.refuse(
            f"must be a list, but is {describe(value)}", "Write each entry on its own line after `- `."
        )
    return cast("Sequence[object]", value)


def describe(value: object) -> str:
    """A value's type in an operator's words."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {shorten(str(value))}"
        case str():
            return f"the text {shorten(value)!r}"
        case list() | tuple():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return f"a {type(value).__name__}"


def shorten(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
