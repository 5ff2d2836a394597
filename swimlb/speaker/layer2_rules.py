"""Who answers on the LAN: the advertisements of a Service, the nodes that may serve it, the order of succession.

Services that share their first address are elected as one, so that the address has one owner even where their
endpoints differ: among the nodes that can serve all of them, or, where there is none, any that can serve one. Of these
the ones that hear who asks for them, of these the ones that have the subnets of all addresses, where there are such, and
then MetalLB's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from swimlb.model import Allocation, IpAddress, L2Advertisement, any_matches
from swimlb.speaker.election import succession
from swimlb.speaker.inventory import Inventory
from swimlb.speaker.links import Reach, SubnetRule
from swimlb.speaker.plan import Duty, Reason
from swimlb.speaker.rules import RuleOptions, endpoint_refusal, node_refusal, selects_pool


@dataclass(frozen=True, slots=True)
class Election:
    """What came out for the Services that share a first address."""

    duty: Duty | None
    """None: none of them is announced on the LAN."""
    refusals: Mapping[str, Mapping[str, Reason | None]] = field(
        default_factory=dict[str, Mapping[str, Reason | None]]
    )
    """By key of the Service and live node: why that node is no candidate for it. Only Services that are announced."""
    silent: Mapping[str, Reason] = field(default_factory=dict[str, Reason])
    """Services that are not announced by anybody though their pool is, and why."""

    def withheld_by(self, node: str, services: Iterable[str]) -> dict[str, Reason]:
        """Why the node does not announce each of the Services, as far as it does not."""
        own = {service: judged.get(node, Reason.NODE_LEAVING) for service, judged in self.refusals.items()}
        found = {service: reason for service, reason in own.items() if reason is not None} | dict(self.silent)
        if self.duty is not None and self.duty.owner not in (None, node):
            # The first reason is the more telling one: that another node owns the address comes last.
            return dict.fromkeys(services, Reason.OWNED_ELSEWHERE) | found
        return found


class Layer2Rules:
    """The rules as they apply to an inventory, which may change meanwhile: nothing is remembered."""

    def __init__(self, inventory: Inventory, options: RuleOptions) -> None:
        self._inventory = inventory
        self._options = options

    def elect(self, address: IpAddress, sharers: Sequence[Allocation]) -> Election:
        """The succession for all Services whose first address this is."""
        eligible: list[set[str]] = []
        advertisements: dict[str, L2Advertisement] = {}
        refusals: dict[str, dict[str, Reason | None]] = {}
        silent: dict[str, Reason] = {}
        for allocation in sharers:
            of_service, silence = self.advertisements_of(allocation)
            if silence is not None:
                silent[allocation.service.key] = silence
            if not of_service:
                continue
            judged = {node: self.refusal(node, allocation, of_service) for node in self._inventory.presences}
            eligible.append({node for node, refusal in judged.items() if refusal is None})
            refusals[allocation.service.key] = judged
            advertisements |= {advertisement.name: advertisement for advertisement in of_service}
        if not eligible:
            return Election(None, silent=silent)
        candidates = eligible[0].intersection(*eligible) or eligible[0].union(*eligible)
        including = tuple(advertisements.values())
        candidates = self._hearing(candidates, refusals)
        candidates = self._nearest(candidates, sharers, including)
        order = succession(address, candidates, {node: self.score(node, including) for node in candidates})
        return Election(
            Duty(order, self.interfaces(order[0], including) if order else None), refusals, silent
        )

    def advertisements_of(self, allocation: Allocation) -> tuple[tuple[L2Advertisement, ...], Reason | None]:
        """Those that are about a Service; with a reason where its pool has some, but the Service is not announced."""
        of_pool = [
            entry
            for entry in self._inventory.l2_advertisements.values()
            if selects_pool(self._inventory, allocation.pool, entry.pools, entry.pool_selectors)
        ]
        labels = dict(allocation.service.labels)
        matching = tuple(entry for entry in of_pool if any_matches(entry.service_selectors, labels))
        if allocation.service.sharing_key is not None and any(entry.service_selectors for entry in matching):
            return (), Reason.SHARED_ADDRESS_WITH_SERVICE_SELECTORS
        return matching, Reason.NO_MATCHING_ADVERTISEMENT if of_pool and not matching else None

    def refusal(
        self, node: str, allocation: Allocation, of_service: Iterable[L2Advertisement]
    ) -> Reason | None:
        """Why a live node is no candidate for a Service; None: it is one."""
        return (
            self.standing_refusal(node, of_service)
            or endpoint_refusal(self._inventory, node, allocation)
            or self._reach_refusal(node, allocation, of_service)
        )

    def standing_refusal(self, node: str, of_service: Iterable[L2Advertisement]) -> Reason | None:
        """Why a live node is no candidate for any Service with these advertisements."""
        labels = self._inventory.labels_of(node)
        if not any(any_matches(entry.node_selectors, labels) for entry in of_service):
            return Reason.NODE_NOT_SELECTED
        if self._inventory.presences[node].is_joining:
            return Reason.NODE_JOINING
        return node_refusal(self._inventory, self._options, node)

    def score(self, node: str, advertisements: Iterable[L2Advertisement]) -> int:
        labels = self._inventory.labels_of(node)
        return sum(
            preferred.weight
            for entry in advertisements
            if any_matches(entry.node_selectors, labels)
            for preferred in entry.preferred_nodes
            if preferred.preference.matches(labels)
        )

    def interfaces(self, owner: str, advertisements: Iterable[L2Advertisement]) -> frozenset[str] | None:
        """Where an owner announces; None: on every suitable interface."""
        labels = self._inventory.labels_of(owner)
        including = [
            entry.interfaces for entry in advertisements if any_matches(entry.node_selectors, labels)
        ]
        return frozenset(name for names in including for name in names) if all(including) else None

    def stranded_owner(self, allocation: Allocation) -> str | None:
        """The node that would own a Service if it had one of the interfaces that advertisements name.

        None: some node can announce the Service, or it is withheld for another reason.
        """
        of_service, _ = self.advertisements_of(allocation)
        judged = {node: self.refusal(node, allocation, of_service) for node in self._inventory.presences}
        if None in judged.values():
            return None
        stranded = [
            node
            for node, refusal in judged.items()
            if refusal is Reason.NO_INTERFACE and self.interfaces(node, of_service) is not None
        ]
        scores = {node: self.score(node, of_service) for node in stranded}
        return next(iter(succession(allocation.addresses[0], stranded, scores)), None)

    def _reach_refusal(
        self, node: str, allocation: Allocation, of_service: Iterable[L2Advertisement]
    ) -> Reason | None:
        reach = self._inventory.presences[node].reach(allocation.addresses, self.interfaces(node, of_service))
        if reach is Reach.NONE:
            return Reason.NO_INTERFACE
        is_too_far = reach is Reach.OFF_SUBNET and self._options.subnet_rule is SubnetRule.REQUIRE
        return Reason.NO_SUBNET if is_too_far else None

    def _hearing(self, candidates: set[str], refusals: Mapping[str, dict[str, Reason | None]]) -> set[str]:
        """Candidates that are not deaf; all of them where there is no other: a deaf owner still serves who knows it."""
        deaf = candidates & self._inventory.deaf.keys()
        if not deaf or deaf == candidates:
            return candidates
        for judged in refusals.values():
            for node in deaf:
                judged[node] = judged[node] or Reason.NODE_DEAF
        return candidates - deaf

    def _nearest(
        self, candidates: set[str], sharers: Sequence[Allocation], advertisements: tuple[L2Advertisement, ...]
    ) -> set[str]:
        """Candidates that have the subnets of all addresses; all of them where there is no such node."""
        if self._options.subnet_rule is not SubnetRule.PREFER:
            return candidates
        addresses = {address for allocation in sharers for address in allocation.addresses}
        near = {
            node
            for node in candidates
            if self._inventory.presences[node].reach(addresses, self.interfaces(node, advertisements))
            is Reach.ON_SUBNET
        }
        return near or candidates


def precedence(first_address: IpAddress, address: IpAddress) -> tuple[bool, int, int]:
    """Which group announces an address that several have: the least. The one it elects, else that of the first address
    that comes first."""
    return first_address != address, first_address.version, int(first_address)
