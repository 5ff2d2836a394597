"""The answer: allocation first, then for each Service what the nodes would announce, and why others would not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from announce.bgp.routes import Route
from swimlb.allocator import AllocationResult, allocate
from swimlb.allocator.counts import count_pools
from swimlb.config import Resolved
from swimlb.model import (
    Allocation,
    Configuration,
    IpAddress,
    IpNetwork,
    Node,
    Problem,
    Severity,
    TrafficPolicy,
)
from swimlb.planning.fleet import Fleet, Rules, Verdicts
from swimlb.planning.records import (
    NODE_DOWN,
    BgpEntry,
    L2Entry,
    Move,
    Outlook,
    ServiceOutlook,
    ServiceState,
    WithheldEntry,
)
from swimlb.planning.what_if import WhatIf
from swimlb.speaker.plan import Reason

_WHATEVER_NODE = (
    Reason.NO_MATCHING_ADVERTISEMENT,
    Reason.SHARED_ADDRESS_WITH_SERVICE_SELECTORS,
    Reason.NO_PEER,
)
"""Where all nodes give one of these, it says nothing of any of them."""


Owners: TypeAlias = Mapping[tuple[IpAddress, str], str | None]
"""By address and key of the Service."""


def look_ahead(
    resolved: Resolved,
    what_if: WhatIf | None = None,
    rules: Rules | None = None,
    *,
    enlarged: Resolved | None = None,
) -> Outlook:
    """The whole plan for the configuration in force. Raises InvalidWhatIf.

    `enlarged` is the configuration with the added nodes among the objects: no Service may have an address of theirs.
    """
    what_if, rules = what_if or WhatIf(), rules or Rules()
    then = enlarged or resolved
    nodes = what_if.nodes(resolved.configuration.nodes)
    before = after = _Situation.of(resolved.configuration, resolved.configuration.nodes, WhatIf(), rules)
    if what_if.is_asked:
        after = _Situation.of(then.configuration, nodes, what_if, rules)
    services = [
        _allocated(one, after.verdicts[key], _DownNodes(what_if.down, before.verdicts.get(key)))
        for one in after.result.allocations
        for key in [one.service.key]
    ]
    services += _without_address(then, after.result)
    return Outlook(
        tuple(sorted(services, key=lambda service: (service.namespace, service.name))),
        count_pools(then.configuration.pools, after.result.allocations),
        tuple(_moves(before.owners, after.owners)) if what_if.is_asked else None,
    )


@dataclass(frozen=True, slots=True)
class _Situation:
    result: AllocationResult
    verdicts: Mapping[str, Verdicts]
    """By key of the Service."""

    @classmethod
    def of(
        cls, configuration: Configuration, nodes: tuple[Node, ...], what_if: WhatIf, rules: Rules
    ) -> _Situation:
        result = allocate(configuration)
        return cls(result, Fleet(configuration, result.allocations, nodes, what_if, rules).verdicts())

    @property
    def owners(self) -> Owners:
        """Who announces each address of each Service on the LAN."""
        return {
            (address, one.service.key): self.verdicts[one.service.key].owner
            for one in self.result.allocations
            for address in one.addresses
        }


@dataclass(frozen=True, slots=True)
class _DownNodes:
    """Nodes that are taken to be down, and what would be of a Service were they not."""

    names: frozenset[str]
    as_is: Verdicts | None
    """None: it had no address."""

    def reasons(self, by: str) -> Iterator[WithheldEntry]:
        """That they are down is the reason only where there is no other."""
        if self.as_is is None:
            return
        for name in sorted(self.names):
            if (other := self.as_is.reasons.get((by, name))) is not None:
                yield WithheldEntry(by, name, str(other))
            elif self.as_is.is_announced(by):
                yield WithheldEntry(by, name, NODE_DOWN)


def _allocated(allocation: Allocation, verdicts: Verdicts, down: _DownNodes) -> ServiceOutlook:
    service = allocation.service
    return ServiceOutlook(
        namespace=service.namespace,
        name=service.name,
        state=ServiceState.ALLOCATED,
        reason=allocation.reason or None,
        addresses=allocation.addresses,
        pool=allocation.pool,
        l2=tuple(_l2(allocation, verdicts)),
        bgp=tuple(_bgp(verdicts)),
        withheld=tuple(_withheld(allocation, verdicts, down)),
    )


def _l2(allocation: Allocation, verdicts: Verdicts) -> Iterator[L2Entry]:
    duty = verdicts.election.duty
    if duty is not None and duty.candidates:
        names = None if duty.interfaces is None else tuple(sorted(duty.interfaces))
        for address in allocation.addresses:
            yield L2Entry(address, tuple(duty.candidates), names)


def _bgp(verdicts: Verdicts) -> Iterator[BgpEntry]:
    nodes: dict[tuple[str, Route], list[str]] = {}
    for node, routes in verdicts.routes.items():
        for peer, route in routes:
            nodes.setdefault((peer, route), []).append(node)
    ordered = sorted(nodes.items(), key=lambda one: (_order(one[0][1].prefix), one[0][0], sorted(one[1])))
    for (peer, route), of_route in ordered:
        attributes = route.attributes
        yield BgpEntry(
            route.prefix,
            peer,
            tuple(sorted(of_route)),
            attributes.local_pref,
            tuple(":".join(map(str, community)) for community in attributes.communities),
            tuple(":".join(map(str, community)) for community in attributes.large_communities),
        )


def _order(prefix: IpNetwork) -> tuple[int, int, int]:
    return prefix.version, int(prefix.network_address), prefix.prefixlen


def _withheld(allocation: Allocation, verdicts: Verdicts, down: _DownNodes) -> Iterator[WithheldEntry]:
    if not verdicts.is_advertised:
        yield from (WithheldEntry(by, None, str(Reason.NO_MATCHING_ADVERTISEMENT)) for by in ("l2", "bgp"))
        return
    for by in ("l2", "bgp"):
        reasons = {node: reason for (way, node), reason in verdicts.reasons.items() if way == by}
        told = list(_told(by, allocation, reasons, len(verdicts.routes)))
        yield from told
        if not any(entry.node is None for entry in told):
            yield from down.reasons(by)


def _told(
    by: str, allocation: Allocation, reasons: dict[str, Reason], node_count: int
) -> Iterator[WithheldEntry]:
    """One entry for all nodes where the reason has nothing to do with which node it is."""
    is_of_all = len(reasons) == node_count and len(set(reasons.values())) == 1
    reason = next(iter(reasons.values()), None)
    is_cluster_wide = (
        reason is Reason.NO_READY_ENDPOINT and allocation.service.traffic_policy is TrafficPolicy.CLUSTER
    )
    if reason is not None and is_of_all and (reason in _WHATEVER_NODE or is_cluster_wide):
        yield WithheldEntry(by, None, str(reason))
        return
    yield from (WithheldEntry(by, node, str(reasons[node])) for node in sorted(reasons))


def _without_address(resolved: Resolved, result: AllocationResult) -> Iterator[ServiceOutlook]:
    for pending in result.pending:
        service = pending.service
        yield ServiceOutlook(
            namespace=service.namespace,
            name=service.name,
            state=ServiceState.PENDING,
            reason=pending.reason,
        )
    for key, reason in resolved.ignored:
        namespace, name = key.split("/", 1)
        yield ServiceOutlook(namespace=namespace, name=name, state=ServiceState.IGNORED, reason=reason)
    known = {pending.service.key for pending in result.pending} | {key for key, _ in resolved.ignored}
    known |= {allocation.service.key for allocation in result.allocations}
    for key, problem in _refused_services(resolved.problems).items():
        if key not in known:
            namespace, name = key.split("/", 1)
            yield ServiceOutlook(
                namespace=namespace,
                name=name,
                state=ServiceState.PENDING,
                reason=f"it is refused: {problem.field}: {problem.message}",
            )


def _refused_services(problems: Iterable[Problem]) -> dict[str, Problem]:
    """Services that are in error, by key, each with what is wrong first."""
    found: dict[str, Problem] = {}
    for problem in problems:
        kind, _, key = problem.object.partition("/")
        if kind == "Service" and key.count("/") == 1 and problem.severity is Severity.ERROR:
            found.setdefault(key, problem)
    return found


def _moves(before: Owners, after: Owners) -> Iterator[Move]:
    """An address may go to another Service, too; then it is the one that has it afterwards."""
    owners = {address: owner for (address, _), owner in before.items()}
    for (address, key), target in after.items():
        source = before.get((address, key), owners.get(address))
        if source != target:
            yield Move(address, source, target, key)
    left = {address for address, _ in after}
    for (address, key), source in before.items():
        if address not in left and source is not None:
            yield Move(address, source, None, key)
