"""Who would take over each address, in which order: found out when somebody asks.

*wire* keeps the owners only and tells who is present: it has no time to spare for an answer that changes with every
member that comes or goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from swimlb.model import Allocation, Configuration, IpAddress
from swimlb.speaker.deafness import deaf_members
from swimlb.speaker.inventory import Inventory
from swimlb.speaker.layer2_plan import Layer2Plan
from swimlb.speaker.presence import Presence
from swimlb.speaker.rules import RuleOptions
from swimlb.speaker.unreadiness import Unreadiness


def successions(
    node: str,
    configuration: Configuration,
    allocations: Iterable[Allocation],
    presences: Mapping[str, Presence],
    options: RuleOptions,
) -> Mapping[IpAddress, tuple[str, ...]]:
    """By address, every node that may announce it, the owner first."""
    inventory = Inventory(node)
    for record in (
        *configuration.pools,
        *configuration.l2_advertisements,
        *configuration.nodes,
        *configuration.endpoints,
    ):
        inventory.put(record)
    inventory.presences.update(presences)
    inventory.deaf = deaf_members(inventory.presences)
    unreadiness = Unreadiness()
    for name, presence in presences.items():
        unreadiness.note(name, presence)
    plan = Layer2Plan(inventory, options, unreadiness)
    for allocation in allocations:
        unreadiness.know(allocation.service.key)
        plan.put(allocation.service.key, allocation)
    while plan.is_pending:
        plan.work(1_000_000)
    return {address: plan.candidates(address) for address in plan.addresses}
