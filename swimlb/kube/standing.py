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
    _told: dict[Resource, Condition] = field(default_factory=dict[Resource, Condition])

    def note(self, condition: Condition, now: float) -> list[Condition]:
        """What is worth telling: whoever keeps the last that was told of each kind knows all that is wrong."""
        if condition.trouble is None:
            self.troubles.pop(condition.resource, None)
        else:
            self.troubles[condition.resource] = condition
        told, self._told = self._told, self._worth_telling()
        if not self._is_cut_off():
            self.unreachable_since = None
        elif self.unreachable_since is None:
            self.unreachable_since = now
        over = [Condition(resource, None) for resource in told if resource not in self._told]
        return over + [one for resource, one in self._told.items() if told.get(resource) != one]

    def _worth_telling(self) -> dict[Resource, Condition]:
        lasting = {kind: one for kind, one in self.troubles.items() if _is_lasting(one)}
        passing = [one for one in self.troubles.values() if not _is_lasting(one)]
        if not passing:
            return lasting
        # The kind of which it was told stands for all until the last one is followed again.
        before = [one for one in self._told.values() if not _is_lasting(one) and one.resource not in lasting]
        stands_for_all = (before or passing)[0]
        return lasting | {stands_for_all.resource: stands_for_all}

    def is_missing(self, resource: Resource) -> bool:
        """The API server does not know this kind."""
        condition = self.troubles.get(resource)
        return condition is not None and condition.trouble is Trouble.KIND_MISSING

    def _is_cut_off(self) -> bool:
        return any(not _is_lasting(one) for one in self.troubles.values())


def _is_lasting(condition: Condition) -> bool:
    return condition.trouble is not None and condition.trouble.is_lasting
