"""The plan as it stands: kept up to date from what events touch, in slices of bounded work.

What has happened is noted at once and made up for by `work`, the most urgent first: addresses whose owner is gone, then
Services that came, changed or went, then the rest (`layer2_plan`), then BGP. As each part is found from the inventory as it
is then, the order does not matter for what comes out in the end: the same as `planner.plan` computed whole.

All Services that changed are taken note of before anything but orphans is elected: an address that moves from one
Service to another in one edit does not go in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from swimlb.model import (
    Allocation,
    BgpAdvertisement,
    BgpPeer,
    Endpoints,
    Intent,
    IpAddress,
    L2Advertisement,
    Node,
    Pool,
    Readiness,
)
from swimlb.speaker.bgp_plan import BgpPlan, RouteChange
from swimlb.speaker.inventory import Inventory, Record
from swimlb.speaker.layer2_plan import Layer2Plan
from swimlb.speaker.plan import Ownership, Withheld
from swimlb.speaker.rules import RuleOptions, node_refusal
from swimlb.speaker.unreadiness import Unreadiness
from swimlb.speaker.waiting import Waiting

ALLOCATION_COST = 30
"""Of taking note of a Service's addresses, in units of a candidate that is weighed (`layer2_plan`)."""


@dataclass(frozen=True, slots=True)
class PlanChange:
    """What is different since the last turn."""

    allocations: tuple[tuple[Allocation | None, Allocation | None], ...] = ()
    """What Services had, and have."""
    ownerships: Mapping[IpAddress, Ownership | None] = field(
        default_factory=dict[IpAddress, Ownership | None]
    )
    """What they were."""
    routes: Mapping[str, RouteChange] = field(default_factory=dict[str, RouteChange])
    """By peer."""
    services: frozenset[str] = frozenset()
    """Of which something else may be announced here, or withheld."""


class StandingPlan:
    """The plan of the speaker's inventory; whoever changes that says so here."""

    def __init__(self, inventory: Inventory, options: RuleOptions) -> None:
        self._inventory = inventory
        self._options = options
        self._unreadiness = Unreadiness()
        self.layer2 = Layer2Plan(inventory, options, self._unreadiness)
        self.bgp = BgpPlan(inventory, options)
        self._services: Waiting[str] = Waiting()
        """Whose allocation is another one than is known here."""
        self._allocations: dict[str, Allocation] = {}
        self._own_standing: object = None

    def withheld(self, service: str) -> list[Withheld]:
        """What this node does not announce of a Service, and why."""
        reasons = (("bgp", self.bgp.withheld(service)), ("l2", self.layer2.withheld(service)))
        return [Withheld(service, by, reason) for by, reason in reasons if reason is not None]

    # What has happened

    def touch_record(self, before: Record | None, after: Record | None) -> None:
        """The inventory has a record now that it had not, or another one, or none any more."""
        match after or before:
            case Allocation(service=service):
                self._services.add(service.key)
                self.bgp.touch_service(service.key)
            case Endpoints(service=key):
                self.layer2.touch_service(key)
                self.bgp.touch_service(key)
            case L2Advertisement():
                self.layer2.touch_all()
            case BgpAdvertisement() | BgpPeer():
                self.bgp.touch_all()
            case Pool():
                self.layer2.touch_all()
                self.bgp.touch_all()
            case Node(name=name):
                self.touch_node(name)
            case Readiness() | Intent() | None:
                pass  # This node tells of it in its presence, and plans by that.

    def touch_node(self, name: str) -> None:
        """A node's presence has come, changed or gone, or its labels have changed."""
        services, is_for_all = self._unreadiness.note(name, self._inventory.presences.get(name))
        is_own = name == self._inventory.this_node
        for service in services:
            self.layer2.touch_service(service)
            if is_own:
                self.bgp.touch_service(service)
        self.layer2.touch_node(name, is_readiness_changed=is_for_all)
        if is_own:
            standing = (self._inventory.labels_of(name), node_refusal(self._inventory, self._options, name))
            if is_for_all or standing != self._own_standing:
                self._own_standing = standing
                self.bgp.touch_all()

    # Work

    @property
    def is_pending(self) -> bool:
        return bool(self._services) or self.layer2.is_pending or self.bgp.is_pending

    @property
    def has_unknown_services(self) -> bool:
        """Addresses may still come back that seem to be nobody's."""
        return bool(self._services)

    def work(self, budget: int, *, is_urgent_only: bool = False) -> tuple[PlanChange, int]:
        """Make up for what has happened, for about so many units of work; gives what has changed, and what is left.

        `is_urgent_only`: nothing but addresses whose owner is gone; more is about to be told.
        """
        budget = self.layer2.work(budget, is_urgent_only=True)
        if is_urgent_only:
            ownerships, of_layer2 = self.layer2.take_changes()
            return PlanChange(ownerships=ownerships, services=frozenset(of_layer2)), budget
        allocations: list[tuple[Allocation | None, Allocation | None]] = []
        while self._services and budget > 0:
            allocations.append(self._take_note(self._services.take()))
            budget -= ALLOCATION_COST
        if not self._services:
            # Half for each, as long as both have something to do.
            share = budget // 2
            left = self.bgp.work(self.layer2.work(budget - share) + share)
            budget = self.layer2.work(left) if left > 0 else left
        ownerships, of_layer2 = self.layer2.take_changes()
        routes, of_bgp = self.bgp.take_changes()
        return PlanChange(tuple(allocations), ownerships, routes, frozenset(of_layer2 | of_bgp)), budget

    def _take_note(self, service: str) -> tuple[Allocation | None, Allocation | None]:
        before, after = self._allocations.pop(service, None), self._inventory.allocations.get(service)
        if after is None:
            self._unreadiness.forget(service)
        else:
            self._allocations[service] = after
            self._unreadiness.know(service)
        self.layer2.put(service, after)
        return before, after
