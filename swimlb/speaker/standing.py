"""The plan as it stands: what was computed last, for those who act on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from swimlb.model import IpAddress
from swimlb.speaker.config import Config
from swimlb.speaker.inventory import Inventory
from swimlb.speaker.planner import Plan, plan
from swimlb.speaker.presence import Presence


class StandingPlan:
    """The plan of the speaker's inventory."""

    def __init__(self, inventory: Inventory, config: Config) -> None:
        self._inventory = inventory
        self._config = config
        self._plan = Plan()
        self._previous = Plan()
        self._plan_of_all: Plan | None = None
        """What the plan would be with every lost member present; computed when it is needed."""

    @property
    def plan(self) -> Plan:
        return self._plan

    @property
    def previous(self) -> Plan:
        """The one before."""
        return self._previous

    def renew(self) -> None:
        self._previous, self._plan = self._plan, self._plan_for(self._inventory)
        self._plan_of_all = None

    def comes_before_this_node(self, member: str, address: IpAddress, lost: Mapping[str, Presence]) -> bool:
        """Whether a lost member would own an address rather than this node, if everybody were there."""
        if self._plan_of_all is None:
            presences = {**lost, **self._inventory.presences}
            self._plan_of_all = self._plan_for(replace(self._inventory, presences=presences))
        order = self._plan_of_all.duties[address].candidates
        this_node = self._config.node
        return member in order and (this_node not in order or order.index(member) < order.index(this_node))

    def _plan_for(self, inventory: Inventory) -> Plan:
        config = self._config
        return plan(
            inventory,
            is_exclude_label_ignored=config.is_exclude_label_ignored,
            subnet_rule=config.subnet_rule,
        )
