"""What a field may hold: the types that declarations of fields are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from swimlb.config.report import Mistake, Place, Unreadable
from swimlb.config.schema import Type, describe, read_list, read_mapping, read_record, shorten
from swimlb.model import Labels

T = TypeVar("T")
S = TypeVar("S")
E = TypeVar("E", bound=StrEnum)

U16_MAX = 2**16 - 1
U32_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Text:
    format: str = ""
    """What OpenAPI calls it; nothing is checked by it here."""

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
            likely = next((member.value for member in self.of if member.value.lower() == text.lower()), None)
            hint = f"Write {likely}; case counts." if likely else f"Choose one of {names}."
            raise place.refuse(f"{shorten(text)!r} is not one of {names}", hint)
        return self.of(text)


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """Text with a syntax of its own; the parser raises Mistake."""

    parse: Callable[[str], T]
    pattern: str = ""
    """What the text looks like, roughly: it matches all that the parser takes. Empty: anything."""

    def read(self, value: object, place: Place) -> T:
        try:
            return self.parse(Text().read(value, place))
        except Mistake as mistake:
            raise place.refuse(mistake.message, mistake.hint) from None


class Entries(tuple[T, ...]):
    """What is left of a list that has wrong entries, too. It is in no object in force, as such a list is an error."""

    indexes: Sequence[int]
    """Where each stood, so that what else is wrong is told of the right one."""


def _left(indexes: Sequence[int], entries: Iterable[T]) -> Entries[T]:
    made: Entries[T] = Entries(entries)
    made.indexes = indexes
    return made


def positions(entries: tuple[T, ...]) -> Iterator[tuple[int, T]]:
    """Each entry of a list that was read, and where it stood."""
    return zip(_indexes(entries), entries, strict=True)


def each(convert: Callable[[T], S], entries: tuple[T, ...]) -> tuple[S, ...]:
    """What becomes of each entry, in its place."""
    return _left(_indexes(entries), map(convert, entries))


def _indexes(entries: tuple[T, ...]) -> Sequence[int]:
    return entries.indexes if isinstance(entries, Entries) else range(len(entries))


@dataclass(frozen=True, slots=True)
class ListOf(Generic[T]):
    """A list; entries that are wrong are reported and left out."""

    item: Type[T]
    is_set: bool = False
    """True: the same entry twice is an error."""
    is_never_empty: bool = False
    key: str = ""
    """The field by which the API server tells entries apart; empty: it takes the list as a whole."""

    def read(self, value: object, place: Place) -> tuple[T, ...]:
        items: list[T] = []
        indexes: list[int] = []
        places: dict[T, int] = {}
        entries = read_list(value, place)
        if self.is_never_empty and not entries:
            place.error("is empty", "List at least one entry.")
        for index, entry in enumerate(entries):
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
                indexes.append(index)
        return tuple(items) if len(items) == len(entries) else _left(indexes, items)


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
