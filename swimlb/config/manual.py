"""The declared fields of a record as a Markdown table, for docs/reference/configuration.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from swimlb.config.schema import Declared, Type, declarations
from swimlb.config.selectors import LegacySelectorSpec, SelectorSpec
from swimlb.config.types import Boolean, Choice, Converted, Integer, LabelMap, ListOf, Nested

_SELECTORS = (SelectorSpec, LegacySelectorSpec)
"""Told of once, in a section of their own."""
_HEAD = "| field | type | default | meaning |\n| --- | --- | --- | --- |\n"


@dataclass(frozen=True, slots=True)
class Row:
    field: str
    type: str
    default: str
    about: str

    def __str__(self) -> str:
        return f"| `{self.field}` | {self.type} | {self.default} | {self.about} |\n"


def table(cls: type[object], path: str) -> str:
    return _HEAD + "".join(map(str, rows(cls, path)))


def rows(cls: type[object], path: str) -> Iterator[Row]:
    """A row for each field, and for the fields within it."""
    for spec in declarations(cls).values():
        here = f"{path}.{spec.name}" if path else spec.name
        bare, suffix = _peeled(spec.type)
        yield Row(here + suffix, _type(spec, bare), _default(spec), spec.about)
        if isinstance(bare, Nested):
            of = bare.of
            if of not in _SELECTORS:
                yield from rows(of, here + suffix)


def _peeled(of: Type[object]) -> tuple[Type[object], str]:
    """What a list holds, or what is read before it is converted."""
    match of:
        case ListOf():
            bare, suffix = _peeled(cast("ListOf[object]", of).item)
            return bare, f"[]{suffix}"
        case Converted():
            return _peeled(cast("Converted[object, object]", of).source)
        case _:
            return of, ""


def _type(spec: Declared, bare: Type[object]) -> str:
    return f"{_words(bare)}, required" if spec.is_required else _words(bare)


def _words(bare: Type[object]) -> str:
    match bare:
        case Boolean():
            return "true or false"
        case Integer(low=low, high=high) if high < 2**31 - 1 or low > -(2**31):
            return f"{low} to {high}"
        case Integer():
            return "whole number"
        case Choice():
            return " or ".join(f"`{member.value}`" for member in bare.of)
        case LabelMap():
            return "text by text"
        case Nested(of=of) if of in _SELECTORS:
            return "[label selector](#label-selectors)"
        case Nested():
            return "fields"
        case _:
            return "text"


def _default(spec: Declared) -> str:
    value = spec.written_default
    return "" if value is None else f"`{str(value).lower()}`"
