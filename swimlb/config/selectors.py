"""Label selectors, with Kubernetes' rules."""

from __future__ import annotations

from swimlb.config.report import Place
from swimlb.config.schema import at, record
from swimlb.config.types import Choice, Converted, LabelMap, ListOf, Nested, Text
from swimlb.model import Labels, LabelSelector, Operator, Requirement

_KEY_ABOUT = "The label that is looked at."
_OPERATOR_ABOUT = "How its value compares. NotIn and DoesNotExist match objects without the label, too."


@record()
class RequirementSpec:
    key: str = at("key", Text(), default="", required=True, about=_KEY_ABOUT)
    operator: Operator = at(
        "operator", Choice(Operator), default=Operator.EXISTS, required=True, about=_OPERATOR_ABOUT
    )
    values: tuple[str, ...] = at(
        "values",
        ListOf(Text(), is_set=True),
        default=(),
        about="What it compares with: at least one value for In and NotIn, none for the others.",
    )


def _requirement(spec: RequirementSpec, place: Place) -> Requirement:
    if spec.operator in (Operator.IN, Operator.NOT_IN) and not spec.values:
        place.at("values").error(
            f"is empty, but {spec.operator} compares with values", "List at least one value."
        )
    if spec.operator in (Operator.EXISTS, Operator.DOES_NOT_EXIST) and spec.values:
        place.at("values").error(f"must be empty for {spec.operator}", "Remove values, or use In or NotIn.")
    # Sorted, so that selectors that mean the same compare equal.
    return Requirement(spec.key, spec.operator, tuple(sorted(spec.values)))


_LABELS_ABOUT = "Labels that all must be there with these values."
_EXPRESSIONS_ABOUT = "Requirements that all must hold."


@record(is_atomic=True)
class SelectorSpec:
    match_labels: Labels = at("matchLabels", LabelMap(), default=(), about=_LABELS_ABOUT)
    match_expressions: tuple[Requirement, ...] = at(
        "matchExpressions",
        ListOf(Converted(Nested(RequirementSpec), _requirement), is_set=True),
        default=(),
        about=_EXPRESSIONS_ABOUT,
    )


def _selector(spec: SelectorSpec, place: Place) -> LabelSelector:
    return LabelSelector(spec.match_labels, spec.match_expressions)


SELECTOR = Converted(Nested(SelectorSpec), _selector)
SELECTORS = ListOf(SELECTOR, is_set=True)
NAMES = ListOf(Text(), is_set=True)


@record()
class LegacyRequirementSpec:
    key: str = at("key", Text(), default="", required=True, about=_KEY_ABOUT)
    operator: Operator = at(
        "operator", Choice(Operator), default=Operator.EXISTS, required=True, about=_OPERATOR_ABOUT
    )
    values: tuple[str, ...] = at(
        "values",
        ListOf(Text(), is_set=True, is_never_empty=True),
        default=(),
        required=True,
        about="What it compares with: at least one value.",
    )


def _legacy_requirement(spec: LegacyRequirementSpec, place: Place) -> Requirement:
    """All operators come with values in this version; those that compare with none do not look at them."""
    compares = spec.operator in (Operator.IN, Operator.NOT_IN)
    return Requirement(spec.key, spec.operator, tuple(sorted(spec.values)) if compares else ())


@record()
class LegacySelectorSpec:
    match_labels: Labels = at("matchLabels", LabelMap(), default=(), about=_LABELS_ABOUT)
    match_expressions: tuple[Requirement, ...] = at(
        "matchExpressions",
        ListOf(Converted(Nested(LegacyRequirementSpec), _legacy_requirement), is_set=True),
        default=(),
        about=_EXPRESSIONS_ABOUT,
    )


def _legacy_selector(spec: LegacySelectorSpec, place: Place) -> LabelSelector:
    return LabelSelector(spec.match_labels, spec.match_expressions)


LEGACY_SELECTORS = ListOf(Converted(Nested(LegacySelectorSpec), _legacy_selector), is_set=True)
"""As BGPPeer v1beta1 has them."""
