"""What every node of the input would do about a Service, by the code that decides it in each speaker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from announce.bgp.routes import Route
from swimlb.model import Allocation, Configuration, Endpoints, IpAddress, Node
from swimlb.planning.what_if import WhatIf
from swimlb.speaker.inventory import Inventory
from swimlb.speaker.planner import Duty, Plan, Reason, plan
from swimlb.speaker.presence import Presence


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the speakers would be told on their command lines."""

    is_exclude_label_ignored: bool = False
    are_endpoints_strict: bool = False
    """A Service without an EndpointSlice has no endpoint, rather than one on every node."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """One Service on all nodes that are up."""

    duties: dict[IpAddress, Duty]
    routes: dict[str, tuple[tuple[str, Route], ...]]
    """By node: pairs of peer and route."""
    reasons: dict[tuple[str, str], Reason]
    """By `l2` or `bgp`, and node: why that node does not, or could not, announce it."""
    is_advertised: bool
    """Some advertisement selects its pool."""

    def owner(self, address: IpAddress) -> str | None:
        duty = self.duties.get(address)
        return None if duty is None else duty.owner

    def is_announced(self, by: str) -> bool:
        return any(map(self.owner, self.duties)) if by == "l2" else any(self.routes.values())


@dataclass(slots=True)
class Fleet:
    """The nodes of one configuration, in a given situation."""

    configuration: Configuration
    nodes: tuple[Node, ...]
    what_if: WhatIf
    rules: Rules
    _presences: dict[str, Presence] = field(init=False)

    def __post_init__(self) -> None:
        self._presences = {
            node.name: Presence.of(is_leaving=node.name in self.what_if.drained)
            for node in self.nodes
            if node.name not in self.what_if.down
        }

    @property
    def up(self) -> tuple[str, ...]:
        return tuple(self._presences)

    def verdicts(self, allocation: Allocation, sharers: Sequence[Allocation]) -> Verdicts:
        """`sharers` are all Services with the same first address, this one included: they are elected as one."""
        duties: dict[IpAddress, Duty] = {}
        routes: dict[str, tuple[tuple[str, Route], ...]] = {}
        reasons: dict[tuple[str, str], Reason] = {}
        for node in self._presences:
            of_node = self._plan(node, sharers)
            duties = {
                address: of_node.duties[address]
                for address in allocation.addresses
                if address in of_node.duties
            }
            alone = of_node if len(sharers) == 1 else self._plan(node, [allocation])
            routes[node] = tuple((peer, route) for peer, of_peer in alone.routes.items() for route in of_peer)
            for entry in of_node.withheld:
                if entry.service == allocation.service.key and entry.reason is not Reason.OWNED_ELSEWHERE:
                    reasons[entry.by, node] = entry.reason
        is_advertised = bool(duties or reasons or any(routes.values()) or not routes)
        return Verdicts(duties, routes, reasons, is_advertised)

    def _plan(self, node: str, allocations: Iterable[Allocation]) -> Plan:
        configuration = self.configuration
        inventory = Inventory(
            node,
            allocations={one.service.key: one for one in allocations},
            pools={pool.name: pool for pool in configuration.pools},
            l2_advertisements={one.name: one for one in configuration.l2_advertisements},
            bgp_advertisements={one.name: one for one in configuration.bgp_advertisements},
            bgp_peers={peer.name: peer for peer in configuration.bgp_peers},
            nodes={one.name: one for one in self.nodes},
            endpoints=self._endpoints(allocations),
            presences=self._presences,
        )
        return plan(inventory, is_exclude_label_ignored=self.rules.is_exclude_label_ignored)

    def _endpoints(self, allocations: Iterable[Allocation]) -> dict[str, Endpoints]:
        known = {one.service: one for one in self.configuration.endpoints}
        if self.rules.are_endpoints_strict:
            for allocation in allocations:
                key = allocation.service.key
                known.setdefault(key, Endpoints(service=key, nodes=frozenset()))
        return known
