"""Marks on a Node that make its speaker give up its addresses."""

from __future__ import annotations

import pytest

from swimlb.drain import DrainMark, MarkKind, NodeMarks, drain_reason

MARKS = NodeMarks(
    annotations=(("swimlb.io/drain", ""),),
    labels=(("maintenance", "tonight"),),
    taints=(("node.kubernetes.io/unschedulable", ""), ("rack", "a"), ("rack", "b")),
)


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("annotation:swimlb.io/drain", DrainMark(MarkKind.ANNOTATION, "swimlb.io/drain")),
        ("label:maintenance=tonight", DrainMark(MarkKind.LABEL, "maintenance", "tonight")),
        ("taint:rack=", DrainMark(MarkKind.TAINT, "rack", "")),
        ("label:a=b=c", DrainMark(MarkKind.LABEL, "a", "b=c")),
    ],
)
def test_marks_are_read_as_they_are_written(text: str, mark: DrainMark) -> None:
    """And told the same way."""
    assert DrainMark.parse(text) == mark
    assert str(mark) == text


@pytest.mark.parametrize("text", ["", "cordon", "label", "label:", "label:=yes", "node:x", "label: x"])
def test_what_is_no_mark_is_refused(text: str) -> None:
    """It would never be found on any Node."""
    with pytest.raises(ValueError, match=r"names no|does not begin"):
        DrainMark.parse(text)


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ([], None),
        (["label:swimlb.io/drain"], None),
        (["annotation:swimlb.io/drain"], "annotation:swimlb.io/drain"),
        (["annotation:swimlb.io/drain=yes"], None),
        (["label:maintenance=never", "label:maintenance"], "label:maintenance"),
        (["taint:rack=b"], "taint:rack=b"),
    ],
)
def test_only_chosen_marks_count(chosen: list[str], reason: str | None) -> None:
    """A cordoned node, as this one is, serves on unless its taint was chosen."""
    assert drain_reason(map(DrainMark.parse, chosen), MARKS) == reason
