"""What every node of the input would do about a Service, by the rules that decide it in each speaker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from announce.bgp.routes import Route, merged
from swimlb.model import Allocation, Configuration, Endpoints, IpNetwork, Node
from swimlb.planning.what_if import WhatIf
from swimlb.speaker.bgp_rules import BgpRules
from swimlb.speaker.inventory import Inventory
from swimlb.speaker.layer2_rules import Election, Layer2Rules
from swimlb.speaker.plan import Reason
from swimlb.speaker.planner import sharers_of
from swimlb.speaker.presence import Presence
from swimlb.speaker.rules import RuleOptions, selects_pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the speakers would be told on their command lines."""

    is_exclude_label_ignored: bool = False
    are_endpoints_strict: bool = False
    """A Service without an EndpointSlice has no endpoint, rather than one on every node."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """One Service on all nodes that are up."""

    election: Election
    routes: Mapping[str, tuple[tuple[str, Route], ...]]
    """By node: pairs of peer and route, one for each prefix."""
    reasons: Mapping[tuple[str, str], Reason]
    """By `l2` or `bgp`, and node: why that node does not, or could not, announce it."""
    is_advertised: bool
    """Some advertisement selects its pool."""

    @property
    def owner(self) -> str | None:
        duty = self.election.duty
        return None if duty is None else duty.owner

    def is_announced(self, by: str) -> bool:
        return self.owner is not None if by == "l2" else any(self.routes.values())


class Fleet:
    """The nodes of one configuration in a given situation, and what has been allocated."""

    def __init__(
        self,
        configuration: Configuration,
        allocations: Iterable[Allocation],
        nodes: tuple[Node, ...],
        what_if: WhatIf,
        rules: Rules,
    ) -> None:
        presences = {
            node.name: Presence.of(is_leaving=node.name in what_if.drained)
            for node in nodes
            if node.name not in what_if.down
        }
        endpoints = {one.service: one for one in configuration.endpoints}
        self._inventory = Inventory(
            "",
            allocations={one.service.key: one for one in allocations},
            pools={pool.name: pool for pool in configuration.pools},
            l2_advertisements={one.name: one for one in configuration.l2_advertisements},
            bgp_advertisements={one.name: one for one in configuration.bgp_advertisements},
            bgp_peers={peer.name: peer for peer in configuration.bgp_peers},
            nodes={one.name: one for one in nodes},
            endpoints=endpoints,
            presences=presences,
        )
        if rules.are_endpoints_strict:
            for key in self._inventory.allocations:
                endpoints.setdefault(key, Endpoints(service=key, nodes=frozenset()))
        options = RuleOptions(is_exclude_label_ignored=rules.is_exclude_label_ignored)
        self._layer2 = Layer2Rules(self._inventory, options)
        self._bgp = {name: BgpRules(replace(self._inventory, this_node=name), options) for name in presences}
        self._peers = {name: rules.peers() for name, rules in self._bgp.items()}

    def verdicts(self) -> dict[str, Verdicts]:
        """By key of the Service."""
        return {
            allocation.service.key: self._verdicts(allocation, election)
            for first, sharers in sharers_of(self._inventory).items()
            for election in [self._layer2.elect(first, sharers)]
            for allocation in sharers
        }

    def _verdicts(self, allocation: Allocation, election: Election) -> Verdicts:
        key = allocation.service.key
        reasons: dict[tuple[str, str], Reason] = {}
        for node, refusal in election.refusals.get(key, {}).items():
            if refusal is not None:
                reasons["l2", node] = refusal
        if (silence := election.silent.get(key)) is not None:
            reasons |= {("l2", node): silence for node in self._bgp}
        routes: dict[str, tuple[tuple[str, Route], ...]] = {}
        for node, rules in self._bgp.items():
            found = rules.routes_of(allocation, self._peers[node])
            routes[node] = () if isinstance(found, Reason) else _one_for_each_prefix(found)
            if isinstance(found, Reason):
                reasons["bgp", node] = found
        return Verdicts(election, routes, reasons, self._is_advertised(allocation))

    def _is_advertised(self, allocation: Allocation) -> bool:
        inventory = self._inventory
        advertisements = (*inventory.l2_advertisements.values(), *inventory.bgp_advertisements.values())
        return any(
            selects_pool(inventory, allocation.pool, one.pools, one.pool_selectors) for one in advertisements
        )


def _one_for_each_prefix(found: Iterable[tuple[str, Route]]) -> tuple[tuple[str, Route], ...]:
    alike: dict[tuple[str, IpNetwork], list[Route]] = {}
    for peer, route in found:
        alike.setdefault((peer, route.prefix), []).append(route)
    return tuple((peer, merged(routes)) for (peer, _), routes in alike.items())
