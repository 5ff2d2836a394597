"""The documents of what is in force, which outlive the process: of an object whose newest version is refused, the last good one.

What an earlier life of the process had in force is `Recalled`, and counts as the version before when the first one that is
read is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from swimlb.config import Document, Ref, Resolved
from swimlb.kube.resources import (
    BFD_PROFILES,
    BGP_ADVERTISEMENTS,
    BGP_PEERS,
    COMMUNITIES,
    IP_ADDRESS_POOLS,
    L2_ADVERTISEMENTS,
    SECRETS,
)
from swimlb.model import Service

Content: TypeAlias = Mapping[str, Any]
"""An object as a manifest has it."""

DECLARATIONS = (
    IP_ADDRESS_POOLS,
    L2_ADVERTISEMENTS,
    BGP_ADVERTISEMENTS,
    BGP_PEERS,
    BFD_PROFILES,
    COMMUNITIES,
)
_KINDS = frozenset(one.kind for one in (*DECLARATIONS, SECRETS))
"""Others are not declared to us, but read as they are: they have no bad versions."""


def ref_of(content: Content) -> Ref:
    metadata = content["metadata"]
    return Ref(content["kind"], metadata.get("namespace", ""), metadata["name"])


def _no_service(_key: str) -> Service | None:
    return None


@dataclass(frozen=True, slots=True)
class Recalled:
    """What was in force before."""

    contents: tuple[Content, ...] = ()
    meanings: Mapping[Ref, object] = field(default_factory=dict[Ref, object])
    """Of these, as the records have them: what stays in force without the objects that it refers to."""
    service: Callable[[str], Service | None] = _no_service
    """A Service by its key, with the addresses that it had."""


class InForce:
    def __init__(self) -> None:
        self._contents: dict[Ref, Content] = {}

    @property
    def contents(self) -> tuple[Content, ...]:
        return tuple(self._contents.values())

    def recall(self, contents: Iterable[Content]) -> None:
        self._contents = {ref_of(one): one for one in contents}

    def note(self, documents: Iterable[Document], resolved: Resolved) -> bool:
        """What came of these documents; whether anything else is in force now."""
        before = self._contents
        contents = (cast("Content", one.content) for one in documents)
        newest = {ref_of(one): one for one in contents if one["kind"] in _KINDS}
        found = {
            ref: before.get(ref) if str(ref) in resolved.stale else newest.get(ref) for ref in resolved.kept
        }
        self._contents = {ref: content for ref, content in found.items() if content is not None}
        return self._contents != before
