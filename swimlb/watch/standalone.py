"""Standalone mode: a directory of manifests becomes the records that *wire* acts on.

Every node reads the same manifests, and the allocation is a pure function of them, so all nodes agree without
asking each other. An edit takes effect at the next poll; a broken edit is reported and leaves the rest in force.
"""

from __future__ import annotations

from typing import Any

from swimlb.allocator import allocate
from swimlb.config import Options, resolve
from swimlb.model import Problem, Severity
from swimlb.sources import Directory, name_of
from swimlb.watch.world import World


class Standalone:
    """Follows the directory."""

    def __init__(self, directory: Directory, options: Options) -> None:
        self._directory = directory
        self._options = options
        self._directory_problem: Problem | None = None
        self.world = World()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that is wrong at the moment."""
        own = () if self._directory_problem is None else (self._directory_problem,)
        return own + self.world.resolved.problems

    def describe(self) -> dict[str, Any]:
        """Where it comes from, for people."""
        is_stale = self._directory_problem is not None
        return {
            "kind": "directory",
            "from": name_of(self._directory.path),
            "state": "stale" if is_stale else "current",
            "age": None,
            "drained_by": None,
            "troubles": [],
        }

    def poll(self) -> bool:
        """Read what has changed; False when nothing has."""
        before = self._directory_problem
        try:
            manifests = self._directory.poll()
            self._directory_problem = None
        except OSError as error:
            self._directory_problem = Problem(
                severity=Severity.ERROR,
                object=name_of(self._directory.path),
                field="",
                message=f"the manifest directory cannot be read: {error.strerror}",
                hint="Mend the path or its permissions; what was read before stays in force.",
                file=name_of(self._directory.path),
            )
            return self._directory_problem != before
        if manifests is None:
            return before is not None
        resolved = resolve(
            manifests.documents,
            self.world.resolved,
            source_problems=manifests.problems,
            options=self._options,
        )
        result = allocate(resolved.configuration)
        self.world = World(resolved, result.allocations, result.pending)
        return True
