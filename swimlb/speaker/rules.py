"""Whether a node may serve a Service, and which pools an advertisement is about: the rules of layer 2 and BGP alike.

*May serve*: with EndpointSlices, a serving endpoint anywhere (externalTrafficPolicy Cluster) or on that node (Local);
without them, in standalone mode, the node's own word, since traffic ends on the node it arrives at.
"""

from __future__ import annotations

from dataclasses import dataclass

from swimlb.model import Allocation, LabelSelector, TrafficPolicy
from swimlb.speaker.inventory import Inventory
from swimlb.speaker.links import SubnetRule
from swimlb.speaker.plan import Reason

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleOptions:
    """What the operator chose for the whole speaker."""

    is_exclude_label_ignored: bool = False
    subnet_rule: SubnetRule = SubnetRule.PREFER


def selects_pool(
    inventory: Inventory, pool: str, names: tuple[str, ...], selectors: tuple[LabelSelector, ...]
) -> bool:
    """Whether an advertisement is about a pool: by name or by label; one that names neither is about all."""
    if not names and not selectors:
        return True
    if pool in names:
        return True
    known = inventory.pools.get(pool)
    labels = dict(known.labels) if known is not None else {}
    return any(selector.matches(labels) for selector in selectors)


def node_refusal(inventory: Inventory, options: RuleOptions, name: str) -> Reason | None:
    """Why a node may serve nothing at all; None: it may."""
    node, presence = inventory.nodes.get(name), inventory.presences.get(name)
    if presence is None or presence.is_leaving:
        return Reason.NODE_LEAVING
    if node is not None and node.is_network_unavailable:
        return Reason.NODE_NETWORK_UNAVAILABLE
    if not options.is_exclude_label_ignored and EXCLUDE_LABEL in inventory.labels_of(name):
        return Reason.NODE_EXCLUDED
    return None


def endpoint_refusal(inventory: Inventory, node: str, allocation: Allocation) -> Reason | None:
    """Why a live node may not serve this Service; None: it may."""
    service = allocation.service
    endpoints = inventory.endpoints.get(service.key)
    if endpoints is None:
        is_served = inventory.presences[node].is_ready_for(service.key)
    elif service.traffic_policy is TrafficPolicy.LOCAL:
        is_served = node in endpoints.nodes
    else:
        is_served = bool(endpoints.nodes)
    return None if is_served else Reason.NO_READY_ENDPOINT
