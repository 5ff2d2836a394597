"""One resource as it was written, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Steps from the root of an object to one of its fields: names of fields and positions in lists."""


class Marks(Protocol):
    """Knows where in its file each field of one document stands."""

    def line_of(self, path: Path) -> int | None:
        """The 1-based line of the field, or of the nearest field around it that was written."""
        ...


@dataclass(frozen=True, slots=True)
class Document:
    """One resource, parsed but not yet understood. `content` is what JSON can say, or nonsense."""

    content: object
    file: str | None = None
    line: int | None = None
    """1-based line on which the document begins."""
    marks: Marks | None = field(default=None, compare=False, repr=False)

    def line_of(self, path: Path) -> int | None:
        found = self.marks.line_of(path) if self.marks is not None else None
        return self.line if found is None else found


def path_text(path: Path) -> str:
    """`spec.addresses[1]`, as operators know it."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """The identity of an object; `namespace` is empty for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(part for part in (self.kind, self.namespace, self.name) if part)


def mapping_of(value: object) -> Mapping[object, object]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]
