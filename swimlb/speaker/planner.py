"""What this node should announce, and for what it withholds: why. A pure function of the inventory.

For each Service that has addresses:

    L2    the advertisements of its pool → the live members they include → those that may serve it and can be heard
          where it is → the order of succession. The first one announces all addresses of the Service.
    BGP   the advertisements of its pool that include this node → one route per address, advertisement and peer,
          as long as this node may serve it. Every such node does so at once: ECMP is the router's business.

The rules themselves stand in `rules`, `layer2_rules` and `bgp_rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from announce.bgp.routes import Route, merged
from swimlb.model import Allocation, IpAddress, IpNetwork
from swimlb.speaker.bgp_rules import BgpRules
from swimlb.speaker.inventory import Inventory
from swimlb.speaker.layer2_rules import Layer2Rules, precedence
from swimlb.speaker.links import SubnetRule
from swimlb.speaker.plan import Duty, Reason, Withheld
from swimlb.speaker.rules import EXCLUDE_LABEL, RuleOptions

__all__ = ["EXCLUDE_LABEL", "Duty", "Plan", "Reason", "Withheld", "plan", "sharers_of"]


@dataclass(frozen=True, slots=True)
class Plan:
    duties: Mapping[IpAddress, Duty] = field(default_factory=dict[IpAddress, Duty])
    """Every address that is announced on the LAN, by whomever."""
    routes: Mapping[str, frozenset[Route]] = field(default_factory=dict[str, frozenset[Route]])
    """By name of the peer; a peer without routes is there too, for its session stays up."""
    withheld: tuple[Withheld, ...] = ()

    def announced_by(self, node: str) -> dict[IpAddress, frozenset[str] | None]:
        return {address: duty.interfaces for address, duty in self.duties.items() if duty.owner == node}


def plan(
    inventory: Inventory,
    *,
    is_exclude_label_ignored: bool = False,
    subnet_rule: SubnetRule = SubnetRule.PREFER,
) -> Plan:
    """Compute the whole plan of `inventory.this_node`."""
    options = RuleOptions(is_exclude_label_ignored=is_exclude_label_ignored, subnet_rule=subnet_rule)
    duties, l2_withheld = _layer2(inventory, Layer2Rules(inventory, options))
    routes, bgp_withheld = _bgp(inventory, BgpRules(inventory, options))
    reasons = {(service, "l2"): reason for service, reason in l2_withheld.items()}
    reasons |= {(service, "bgp"): reason for service, reason in bgp_withheld.items()}
    return Plan(
        duties,
        routes,
        tuple(Withheld(service, by, reason) for (service, by), reason in sorted(reasons.items())),
    )


def sharers_of(inventory: Inventory) -> dict[IpAddress, list[Allocation]]:
    """The Services that are elected as one, by the first address they share."""
    groups: dict[IpAddress, list[Allocation]] = {}
    for _, allocation in sorted(inventory.allocations.items()):
        groups.setdefault(allocation.addresses[0], []).append(allocation)
    return groups


def _layer2(inventory: Inventory, rules: Layer2Rules) -> tuple[dict[IpAddress, Duty], dict[str, Reason]]:
    duties: dict[IpAddress, Duty] = {}
    elected: dict[IpAddress, Duty] = {}
    withheld: dict[str, Reason] = {}
    by_first_address = sharers_of(inventory)
    for first_address in sorted(by_first_address, key=lambda first: precedence(first, first), reverse=True):
        sharers = by_first_address[first_address]
        election = rules.elect(first_address, sharers)
        withheld |= election.withheld_by(
            inventory.this_node, [allocation.service.key for allocation in sharers]
        )
        if election.duty is not None:
            elected[first_address] = election.duty
            for allocation in sharers:
                duties |= dict.fromkeys(allocation.addresses, election.duty)
    return duties | elected, withheld


def _bgp(inventory: Inventory, rules: BgpRules) -> tuple[dict[str, frozenset[Route]], dict[str, Reason]]:
    peers = rules.peers()
    routes: dict[str, dict[IpNetwork, list[Route]]] = {peer: {} for peer in peers}
    withheld: dict[str, Reason] = {}
    for service, allocation in inventory.allocations.items():
        found = rules.routes_of(allocation, peers)
        if isinstance(found, Reason):
            withheld[service] = found
            continue
        for peer, route in found:
            routes[peer].setdefault(route.prefix, []).append(route)
    return {peer: frozenset(map(merged, of_peer.values())) for peer, of_peer in routes.items()}, withheld
