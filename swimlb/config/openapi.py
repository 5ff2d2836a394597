"""The declared fields of a record as an OpenAPI v3 schema, as a CustomResourceDefinition holds it.

A schema is "structural" (Kubernetes' word): each level has a type, and rules only add to it. What it cannot say
(entries that repeat, addresses that overlap) is judged when the object is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, cast

from swimlb.config.schema import Declared, Rule, Type, declarations, shape_of
from swimlb.config.types import (
    Boolean,
    Choice,
    Converted,
    Integer,
    LabelMap,
    ListOf,
    Nested,
    Parsed,
    SecretText,
    Text,
)

Schema: TypeAlias = dict[str, object]

_SIGNED_32_MAX = 2**31 - 1
_SIGNED_64_MAX = 2**63 - 1


def record_schema(cls: type[object]) -> Schema:
    """Of a record: an object with its fields."""
    shape, declared = shape_of(cls), declarations(cls)
    schema: Schema = {"type": "object"}
    if declared:
        schema["properties"] = {spec.name: _field_schema(spec) for spec in _by_name(declared.values())}
    required = sorted(spec.name for spec in declared.values() if spec.is_required)
    if required:
        schema["required"] = required
    if shape.is_atomic:
        schema["x-kubernetes-map-type"] = "atomic"
    return {**schema, **_rules(shape.rules)}


def _by_name(declared: object) -> list[Declared]:
    return sorted(cast("Sequence[Declared]", declared), key=lambda spec: spec.name)


def _field_schema(spec: Declared) -> Schema:
    schema = type_schema(spec.type)
    if spec.about:
        schema["description"] = spec.about
    if spec.written_default is not None:
        schema["default"] = spec.written_default
    return {**schema, **_rules(spec.rules)}


def _rules(rules: tuple[Rule, ...]) -> Schema:
    if not rules:
        return {}
    return {
        "x-kubernetes-validations": [{"rule": rule.expression, "message": rule.message} for rule in rules]
    }


def type_schema(of: Type[object]) -> Schema:
    match of:
        case Text(format=name):
            return {"type": "string", **({"format": name} if name else {})}
        case SecretText():
            return {"type": "string"}
        case Parsed(pattern=pattern):
            return {"type": "string", **({"pattern": pattern} if pattern else {})}
        case Boolean():
            return {"type": "boolean"}
        case Integer():
            return _integer_schema(of)
        case Choice():
            return {"type": "string", "enum": [member.value for member in of.of]}
        case ListOf():
            return _list_schema(cast("ListOf[object]", of))
        case LabelMap(item=item):
            return {"type": "object", "additionalProperties": type_schema(item)}
        case Nested():
            return record_schema(of.of)
        case Converted():
            return type_schema(cast("Converted[object, object]", of).source)
        case _:
            # Only kinds that are not ours have types of their own.
            raise TypeError(f"{of!r} has no schema")


def _integer_schema(of: Integer) -> Schema:
    """Bounds that the format sets anyhow are left out."""
    is_long = of.high > _SIGNED_32_MAX
    schema: Schema = {"type": "integer", "format": "int64" if is_long else "int32"}
    highest = _SIGNED_64_MAX if is_long else _SIGNED_32_MAX
    if of.low != -highest - 1:
        schema["minimum"] = of.low
    if of.high != highest:
        schema["maximum"] = of.high
    return schema


def _list_schema(of: ListOf[object]) -> Schema:
    schema: Schema = {"type": "array", "items": type_schema(of.item)}
    if of.is_never_empty:
        schema["minItems"] = 1
    if of.key:
        schema["x-kubernetes-list-type"] = "map"
        schema["x-kubernetes-list-map-keys"] = [of.key]
    return schema
