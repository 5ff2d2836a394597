"""JSON that nobody has judged yet: what is of another type than it should be counts as not there."""

from __future__ import annotations

from typing import Any, cast

Json = dict[str, Any]


def mapping(value: object) -> Json:
    return cast("Json", value) if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def mappings(value: object) -> list[Json]:
    """Of a list, what else stands in it as empty ones."""
    return [mapping(one) for one in items(value)]
