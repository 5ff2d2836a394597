"""When a node is to give up its addresses while it stays up: marks on its Node object that the operator has chosen.

Nothing is chosen by default. Cordoning says that no new Pods are to come, not that those which are there stop serving, so it
is never taken for such a wish; who wants that names the taint of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from swimlb.model import Labels


class MarkKind(StrEnum):
    ANNOTATION = "annotation"
    LABEL = "label"
    TAINT = "taint"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeMarks:
    """What people and programs have written on a Node."""

    annotations: Labels = ()
    labels: Labels = ()
    taints: Labels = ()
    """Keys and values; the effect does not matter."""


@dataclass(frozen=True, slots=True)
class DrainMark:
    """A mark that asks for it: any value when none is given."""

    kind: MarkKind
    key: str
    value: str | None = None

    @classmethod
    def parse(cls, text: str) -> DrainMark:
        """`annotation:KEY`, `label:KEY=VALUE`, `taint:KEY` and so on; raises ValueError with what is wrong."""
        kind, _, rest = text.partition(":")
        if kind not in tuple(MarkKind):
            raise ValueError(f"{text!r} does not begin with {':, '.join(MarkKind)}:")
        key, equals, value = rest.partition("=")
        if not key or key != key.strip():
            raise ValueError(f"{text!r} names no {kind}")
        return cls(MarkKind(kind), key, value if equals else None)

    def is_on(self, marks: NodeMarks) -> bool:
        # Keys of taints may repeat, with other effects.
        found = {
            MarkKind.ANNOTATION: marks.annotations,
            MarkKind.LABEL: marks.labels,
            MarkKind.TAINT: marks.taints,
        }[self.kind]
        return any(key == self.key and self.value in (None, value) for key, value in found)

    def __str__(self) -> str:
        return f"{self.kind}:{self.key}" + ("" if self.value is None else f"={self.value}")


def drain_reason(chosen: Iterable[DrainMark], marks: NodeMarks) -> str | None:
    """The first of the chosen marks that the Node has; None: it is to serve."""
    return next((str(mark) for mark in chosen if mark.is_on(marks)), None)
