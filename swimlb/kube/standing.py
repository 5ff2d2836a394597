"""How it stands with an API server of which many kinds are followed: what is wrong with it is told once, not for each."""

from __future__ import annotations

from dataclasses import dataclass, field

from swimlb.kube.following import Trouble
from swimlb.kube.reflector import Condition
from swimlb.kube.resources import Resource


@dataclass(slots=True)
class Standing:
    """All conditions that are not well. Trouble with a kind is told for each kind, trouble with the server for all."""

    troubles: dict[Resource, Condition] = field(default_factory=dict[Resource, Condition])
    unreachable_since: float | None = None
    """Monotonic; None: it can be reached, or only some kinds are in trouble."""

    def note(self, condition: Condition, now: float) -> list[Condition]:
        """What is worth telling."""
        before = self.troubles.get(condition.resource)
        if condition.trouble is None:
            self.troubles.pop(condition.resource, None)
        else:
            self.troubles[condition.resource] = condition
        was_cut_off, is_cut_off = self.unreachable_since is not None, self._is_cut_off()
        if is_cut_off != was_cut_off:
            self.unreachable_since = now if is_cut_off else None
            return [condition]
        lasting = [one for one in (before, condition) if one is not None and _is_lasting(one.trouble)]
        return [condition] if lasting else []

    def is_missing(self, resource: Resource) -> bool:
        """The API server does not know this kind."""
        condition = self.troubles.get(resource)
        return condition is not None and condition.trouble is Trouble.KIND_MISSING

    def _is_cut_off(self) -> bool:
        return any(not _is_lasting(one.trouble) for one in self.troubles.values())


def _is_lasting(trouble: Trouble | None) -> bool:
    return trouble is not None and trouble.is_lasting
