"""The plan: what this node should announce, and for what is withheld, why. A pure function of the inventory.

For each Service that has addresses:

    L2    the advertisements of its pool → the live members they include → those that may serve it and can be heard
          where it is → the order of succession. The first one announces all addresses of the Service.
    BGP   the advertisements of its pool that include this node → one route per address, advertisement and peer,
          as long as this node may serve it. Every such node does so at once: ECMP is the router's business.

*May serve* is one rule for both: with EndpointSlices, a serving endpoint anywhere (externalTrafficPolicy Cluster) or
on that node (Local); without them, in standalone mode, the node's own word, since traffic ends on the node it
arrives at. Services that share their first address are elected as one, so that the address has one owner even
where their endpoints differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_network
from typing import TypeAlias

from announce.bgp.routes import Route, RouteAttributes, merged
from swimlb.model import (
    Allocation,
    BgpAdvertisement,
    IpAddress,
    IpNetwork,
    L2Advertisement,
    LabelSelector,
    TrafficPolicy,
    any_matches,
)
from swimlb.speaker.election import succession
from swimlb.speaker.inventory import Inventory
from swimlb.speaker.links import Reach, SubnetRule

_RoutesByPrefix: TypeAlias = dict[IpNetwork, list[Route]]

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"


class Reason(StrEnum):
    """Why this node does not announce. The names are an interface: statuses, metrics and `swimlb why` show them."""

    NO_INTERFACE = "NoInterface"
    NO_SUBNET = "NoSubnet"
    NO_READY_ENDPOINT = "NoReadyEndpoint"
    NODE_EXCLUDED = "NodeExcluded"
    NODE_NETWORK_UNAVAILABLE = "NodeNetworkUnavailable"
    NODE_NOT_SELECTED = "NodeNotSelected"
    NODE_JOINING = "NodeJoining"
    NODE_LEAVING = "NodeLeaving"
    NO_MATCHING_ADVERTISEMENT = "NoMatchingAdvertisement"
    SHARED_ADDRESS_WITH_SERVICE_SELECTORS = "SharedAddressWithServiceSelectors"
    CONFLICTING_ADVERTISEMENTS = "ConflictingAdvertisements"
    NO_PEER = "NoPeer"
    ADDRESS_IN_USE = "AddressInUse"
    """By a stranger. The core says so, not the plan."""
    OWNED_ELSEWHERE = "OwnedElsewhere"


@dataclass(frozen=True, slots=True)
class Duty:
    """An L2 address and who is to answer for it."""

    candidates: tuple[str, ...]
    """In the order of succession. Empty: nobody may."""
    interfaces: frozenset[str] | None
    """Where its owner announces it; None: on every suitable interface."""

    @property
    def owner(self) -> str | None:
        return self.candidates[0] if self.candidates else None


@dataclass(frozen=True, slots=True)
class Withheld:
    """This node does not announce a Service by `by` ("l2" or "bgp")."""

    service: str
    by: str
    reason: Reason


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
    return _Planner(inventory, is_exclude_label_ignored, subnet_rule).plan()


class _Planner:
    def __init__(self, inventory: Inventory, is_exclude_label_ignored: bool, subnet_rule: SubnetRule) -> None:
        self._inventory = inventory
        self._this_node = inventory.this_node
        self._is_exclude_label_ignored = is_exclude_label_ignored
        self._subnet_rule = subnet_rule
        self._withheld: dict[tuple[str, str], Reason] = {}

    def plan(self) -> Plan:
        duties: dict[IpAddress, Duty] = {}
        routes: dict[str, _RoutesByPrefix] = {
            name: {}
            for name, peer in self._inventory.bgp_peers.items()
            if any_matches(peer.node_selectors, self._inventory.labels_of(self._this_node))
        }
        for first_address, sharers in self._by_first_address().items():
            duty = self._elect(first_address, sharers)
            for allocation in sharers:
                if duty is not None:
                    duties.update(dict.fromkeys(allocation.addresses, duty))
                self._route(allocation, routes)
        return Plan(
            duties,
            {name: frozenset(map(merged, of_peer.values())) for name, of_peer in routes.items()},
            tuple(Withheld(service, by, reason) for (service, by), reason in sorted(self._withheld.items())),
        )

    def _by_first_address(self) -> dict[IpAddress, list[Allocation]]:
        groups: dict[IpAddress, list[Allocation]] = {}
        for _, allocation in sorted(self._inventory.allocations.items()):
            groups.setdefault(allocation.addresses[0], []).append(allocation)
        return groups

    # Layer 2

    def _elect(self, address: IpAddress, sharers: list[Allocation]) -> Duty | None:
        """The succession for all Services on one address; None when none of them is announced on the LAN."""
        eligible: list[set[str]] = []
        advertisements: dict[str, L2Advertisement] = {}
        for allocation in sharers:
            of_service = self._l2_advertisements_of(allocation)
            if not of_service:
                continue
            refusals = {
                node: self._l2_refusal(node, allocation, of_service) for node in self._inventory.presences
            }
            eligible.append({node for node, refusal in refusals.items() if refusal is None})
            advertisements |= {advertisement.name: advertisement for advertisement in of_service}
            mine = refusals.get(self._this_node, Reason.NODE_LEAVING)
            if mine is not None:
                self._withhold(allocation, "l2", mine)
        if not eligible:
            return None
        # A node that can serve all of them, or, where there is none, any that can serve one.
        candidates = eligible[0].intersection(*eligible) or eligible[0].union(*eligible)
        including = tuple(advertisements.values())
        candidates = self._nearest(candidates, sharers, including)
        order = succession(address, candidates, {node: self._score(node, including) for node in candidates})
        duty = Duty(order, self._interfaces(order[0], including) if order else None)
        if duty.owner not in (None, self._this_node):
            for allocation in sharers:
                self._withhold(allocation, "l2", Reason.OWNED_ELSEWHERE)
        return duty

    def _l2_advertisements_of(self, allocation: Allocation) -> tuple[L2Advertisement, ...]:
        of_pool = [
            advertisement
            for advertisement in self._inventory.l2_advertisements.values()
            if self._selects_pool(allocation, advertisement.pools, advertisement.pool_selectors)
        ]
        labels = dict(allocation.service.labels)
        matching = tuple(entry for entry in of_pool if any_matches(entry.service_selectors, labels))
        if of_pool and not matching:
            self._withhold(allocation, "l2", Reason.NO_MATCHING_ADVERTISEMENT)
        if allocation.service.sharing_key is not None and any(entry.service_selectors for entry in matching):
            self._withhold(allocation, "l2", Reason.SHARED_ADDRESS_WITH_SERVICE_SELECTORS)
            return ()
        return matching

    def _l2_refusal(
        self, node: str, allocation: Allocation, of_service: Iterable[L2Advertisement]
    ) -> Reason | None:
        labels = self._inventory.labels_of(node)
        if not any(any_matches(entry.node_selectors, labels) for entry in of_service):
            return Reason.NODE_NOT_SELECTED
        if self._inventory.presences[node].is_joining:
            return Reason.NODE_JOINING
        return (
            self._node_refusal(node)
            or self._endpoint_refusal(node, allocation)
            or self._reach_refusal(node, allocation, of_service)
        )

    def _reach_refusal(
        self, node: str, allocation: Allocation, of_service: Iterable[L2Advertisement]
    ) -> Reason | None:
        reach = self._inventory.presences[node].reach(
            allocation.addresses, self._interfaces(node, of_service)
        )
        if reach is Reach.NONE:
            return Reason.NO_INTERFACE
        is_too_far = reach is Reach.OFF_SUBNET and self._subnet_rule is SubnetRule.REQUIRE
        return Reason.NO_SUBNET if is_too_far else None

    def _nearest(
        self, candidates: set[str], sharers: list[Allocation], advertisements: tuple[L2Advertisement, ...]
    ) -> set[str]:
        """Candidates that have the subnets of all addresses; all of them where there is no such node."""
        if self._subnet_rule is not SubnetRule.PREFER:
            return candidates
        addresses = {address for allocation in sharers for address in allocation.addresses}
        near = {
            node
            for node in candidates
            if self._inventory.presences[node].reach(addresses, self._interfaces(node, advertisements))
            is Reach.ON_SUBNET
        }
        return near or candidates

    def _score(self, node: str, advertisements: Iterable[L2Advertisement]) -> int:
        labels = self._inventory.labels_of(node)
        return sum(
            preferred.weight
            for entry in advertisements
            if any_matches(entry.node_selectors, labels)
            for preferred in entry.preferred_nodes
            if preferred.preference.matches(labels)
        )

    def _interfaces(self, owner: str, advertisements: Iterable[L2Advertisement]) -> frozenset[str] | None:
        labels = self._inventory.labels_of(owner)
        including = [
            entry.interfaces for entry in advertisements if any_matches(entry.node_selectors, labels)
        ]
        return frozenset(name for names in including for name in names) if all(including) else None

    # BGP

    def _route(self, allocation: Allocation, routes: dict[str, _RoutesByPrefix]) -> None:
        """Add the routes of one Service, or say why there are none."""
        of_pool = [
            advertisement
            for advertisement in self._inventory.bgp_advertisements.values()
            if self._selects_pool(allocation, advertisement.pools, advertisement.pool_selectors)
        ]
        if not of_pool:
            return
        own_labels = self._inventory.labels_of(self._this_node)
        here = [entry for entry in of_pool if any_matches(entry.node_selectors, own_labels)]
        matching = [
            entry for entry in here if any_matches(entry.service_selectors, dict(allocation.service.labels))
        ]
        wanted = [
            (peer, _route_of(address, entry))
            for entry in matching
            for address in allocation.addresses
            for peer in routes
            if not entry.peers or peer in entry.peers
        ]
        refusal = self._bgp_refusal(allocation, here, matching, wanted)
        if refusal is not None:
            self._withhold(allocation, "bgp", refusal)
            return
        for peer, route in wanted:
            routes[peer].setdefault(route.prefix, []).append(route)

    def _bgp_refusal(
        self,
        allocation: Allocation,
        here: list[BgpAdvertisement],
        matching: list[BgpAdvertisement],
        wanted: list[tuple[str, Route]],
    ) -> Reason | None:
        if not here:
            return Reason.NODE_NOT_SELECTED
        if not matching:
            return Reason.NO_MATCHING_ADVERTISEMENT
        if not wanted:
            return Reason.NO_PEER
        preferences: dict[tuple[str, IpNetwork], int | None] = {}
        for peer, route in wanted:
            local_pref = route.attributes.local_pref
            if preferences.setdefault((peer, route.prefix), local_pref) != local_pref:
                return Reason.CONFLICTING_ADVERTISEMENTS
        return self._node_refusal(self._this_node) or self._endpoint_refusal(self._this_node, allocation)

    # Both

    def _selects_pool(
        self, allocation: Allocation, names: tuple[str, ...], selectors: tuple[LabelSelector, ...]
    ) -> bool:
        if not names and not selectors:
            return True
        if allocation.pool in names:
            return True
        pool = self._inventory.pools.get(allocation.pool)
        labels = dict(pool.labels) if pool is not None else {}
        return any(selector.matches(labels) for selector in selectors)

    def _node_refusal(self, name: str) -> Reason | None:
        node, presence = self._inventory.nodes.get(name), self._inventory.presences.get(name)
        if presence is None or presence.is_leaving:
            return Reason.NODE_LEAVING
        if node is not None and node.is_network_unavailable:
            return Reason.NODE_NETWORK_UNAVAILABLE
        if not self._is_exclude_label_ignored and EXCLUDE_LABEL in self._inventory.labels_of(name):
            return Reason.NODE_EXCLUDED
        return None

    def _endpoint_refusal(self, node: str, allocation: Allocation) -> Reason | None:
        service = allocation.service
        endpoints = self._inventory.endpoints.get(service.key)
        if endpoints is None:
            is_served = self._inventory.presences[node].is_ready_for(service.key)
        elif service.traffic_policy is TrafficPolicy.LOCAL:
            is_served = node in endpoints.nodes
        else:
            is_served = bool(endpoints.nodes)
        return None if is_served else Reason.NO_READY_ENDPOINT

    def _withhold(self, allocation: Allocation, by: str, reason: Reason) -> None:
        # The first reason is the more telling one: that another node owns the address comes last.
        self._withheld.setdefault((allocation.service.key, by), reason)


def _route_of(address: IpAddress, advertisement: BgpAdvertisement) -> Route:
    length = advertisement.aggregation_length if address.version == 4 else advertisement.aggregation_length_v6
    parts = [community.parts for community in advertisement.communities]
    return Route(
        ip_network(f"{address}/{length}", strict=False),
        RouteAttributes(
            local_pref=advertisement.local_pref,
            communities=tuple((part[0], part[1]) for part in parts if len(part) == 2),
            large_communities=tuple((part[0], part[1], part[2]) for part in parts if len(part) == 3),
        ),
    )
