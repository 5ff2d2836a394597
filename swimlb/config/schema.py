"""Declaring the fields of a resource once, for reading it and for describing it.

A resource is a `record`: a frozen dataclass whose fields are declared with `at(name, type, default=...)`.
`read_record` reads a mapping into it and reports *every* field that is wrong; such a field gets its default,
so that the rules between fields can be checked in the same pass. The caller refuses the object when its
report has errors. Kubernetes' rule holds throughout: null is the same as absent.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Generic, Protocol, TypeVar, cast, dataclass_transform

from swimlb.config.report import Mistake, Place, Unreadable
from swimlb.model import Labels

T = TypeVar("T")
D = TypeVar("D")
S = TypeVar("S")
E = TypeVar("E", bound=StrEnum)
T_co = TypeVar("T_co", covariant=True)

U16_MAX = 2**16 - 1
U32_MAX = 2**32 - 1


class Type(Protocol[T_co]):
    """What a field may hold."""

    def read(self, value: object, place: Place) -> T_co:
        """Raises Unreadable when the value is of no use at all; then it has been reported."""
        ...


@dataclass(frozen=True, slots=True)
class Declared:
    """What is known of one field besides its default."""

    name: str
    type: Type[object]
    is_required: bool


def at(name: str, type: Type[T], *, default: D, required: bool = False) -> T | D:  # noqa: A002
    """Declare a field of a record. A required field needs a default too: it stands in while the rest is checked."""
    return dataclasses.field(default=default, metadata={"declared": Declared(name, type, required)})


@dataclass_transform(frozen_default=True, field_specifiers=(at,))
def record(*, is_open: bool = False) -> Callable[[type[T]], type[T]]:
    """Make a class a record. An open one ignores fields that it does not declare, others warn of them."""

    def decorate(cls: type[T]) -> type[T]:
        made = dataclass(frozen=True)(cls)
        made.__is_open__ = is_open  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        return made

    return decorate


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
    if not getattr(cls, "__is_open__", False):
        _warn_of_unknown(content, [spec.name for spec in declared.values()], place)
    return cls(**values)


def _warn_of_unknown(content: Mapping[str, object], known: Sequence[str], place: Place) -> None:
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


@dataclass(frozen=True, slots=True)
class Text:
    def read(self, value: object, place: Place) -> str:
        if not isinstance(value, str):
            raise place.refuse(f"must be text, but is {describe(value)}", "Put quotes around the value.")
        return value


@dataclass(frozen=True, slots=True)
class SecretText:
    """Text that no message repeats, also when it is wrong: messages end up in logs."""

    def read(self, value: object, place: Place) -> str:
        if not isinstance(value, str):
            raise place.refuse("must be text", "Put quotes around the value.")
        return value


@dataclass(frozen=True, slots=True)
class Boolean:
    def read(self, value: object, place: Place) -> bool:
        if not isinstance(value, bool):
            raise place.refuse(
                f"must be true or false, but is {describe(value)}", "Write true or false without quotes."
            )
        return value


@dataclass(frozen=True, slots=True)
class Integer:
    low: int
    high: int

    def read(self, value: object, place: Place) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise place.refuse(
                f"must be a whole number, but is {describe(value)}", f"{self._hint} Use no quotes."
            )
        if not self.low <= value <= self.high:
            raise place.refuse(
                f"is {shorten(str(value))}, must be from {self.low} to {self.high}", self._hint
            )
        return value

    @property
    def _hint(self) -> str:
        return f"Choose a number from {self.low} to {self.high}."


@dataclass(frozen=True, slots=True)
class Choice(Generic[E]):
    """One of the values of an enumeration."""

    of: type[E]

    def read(self, value: object, place: Place) -> E:
        names = ", ".join(member.value for member in self.of)
        text = Text().read(value, place)
        if text not in names.split(", "):
            raise place.refuse(f"{shorten(text)!r} is not one of {names}", f"Choose one of {names}.")
        return self.of(text)


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """Text with a syntax of its own; the parser raises Mistake."""

    parse: Callable[[str], T]

    def read(self, value: object, place: Place) -> T:
        try:
            return self.parse(Text().read(value, place))
        except Mistake as mistake:
            raise place.refuse(mistake.message, mistake.hint) from None


@dataclass(frozen=True, slots=True)
class ListOf(Generic[T]):
    """A list; entries that are wrong are reported and left out."""

    item: Type[T]
    is_set: bool = False
    """True: the same entry twice is an error."""

    def read(self, value: object, place: Place) -> tuple[T, ...]:
        items: list[T] = []
        places: dict[T, int] = {}
        for index, entry in enumerate(read_list(value, place)):
            try:
                item = self.item.read(entry, place / index)
            except Unreadable:
                continue
            if self.is_set and places.setdefault(item, index) != index:
                (place / index).error(
                    f"duplicate definition of entry {places[item]}", "Remove one of the two."
                )
            else:
                items.append(item)
        return tuple(items)


@dataclass(frozen=True, slots=True)
class LabelMap:
    """A map of text to text, such as labels and annotations."""

    item: Type[str] = Text()

    def read(self, value: object, place: Place) -> Labels:
        pairs: list[tuple[str, str]] = []
        for key, entry in read_mapping(value, place).items():
            try:
                pairs.append((key, self.item.read(entry, place / key)))
            except Unreadable:
                continue
        return tuple(sorted(pairs))


@dataclass(frozen=True, slots=True)
class Nested(Generic[T]):
    """A mapping that is a record of its own."""

    of: type[T]

    def read(self, value: object, place: Place) -> T:
        return read_record(self.of, value, place)


@dataclass(frozen=True, slots=True)
class Converted(Generic[S, T]):
    """Read as one type, then turned into another; the function may report and raise Unreadable."""

    source: Type[S]
    convert: Callable[[S, Place], T]

    def read(self, value: object, place: Place) -> T:
        return self.convert(self.source.read(value, place), place)


_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_UNIT = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Go's duration syntax, not negative, in seconds."""
    if text == "0":
        return 0.0
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text or len(text) > 64:
        raise Mistake(f"{shorten(text)!r} is not a duration", "Write it like 90s, 1m30s or 500ms.")
    return sum(float(number) * _UNIT[unit] for number, unit in parts)
