"""Label selectors, with Kubernetes' rules."""

from __future__ import annotations

from swimlb.config.report import Place
from swimlb.config.schema import at, record
from swimlb.config.types import Choice, Converted, LabelMap, ListOf, Nested, Text
from swimlb.model import Labels, LabelSelector, Operator, Requirement


@record()
class RequirementSpec:
    key: str = at("key", Text(), default="", required=True)
    operator: Operator = at("operator", Choice(Operator), default=Operator.EXISTS, required=True)
    values: tuple[str, ...] = at("values", ListOf(Text(), is_set=True), default=())


def _requirement(spec: RequirementSpec, place: Place) -> Requirement:
    if spec.operator in (Operator.IN, Operator.NOT_IN) and not spec.values:
        place.at("values").error(
            f"is empty, but {spec.operator} compares with values", "List at least one value."
        )
    if spec.operator in (Operator.EXISTS, Operator.DOES_NOT_EXIST) and spec.values:
        place.at("values").error(f"must be empty for {spec.operator}", "Remove values, or use In or NotIn.")
    # Sorted, so that selectors that mean the same compare equal.
    return Requirement(spec.key, spec.operator, tuple(sorted(spec.values)))


@record()
class SelectorSpec:
    match_labels: Labels = at("matchLabels", LabelMap(), default=())
    match_expressions: tuple[Requirement, ...] = at(
        "matchExpressions", ListOf(Converted(Nested(RequirementSpec), _requirement), is_set=True), default=()
    )


def _selector(spec: SelectorSpec, place: Place) -> LabelSelector:
    return LabelSelector(spec.match_labels, spec.match_expressions)


SELECTOR = Converted(Nested(SelectorSpec), _selector)
SELECTORS = ListOf(SELECTOR, is_set=True)
NAMES = ListOf(Text(), is_set=True)
