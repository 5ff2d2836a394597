"""Objects as they were declared: well-formed by themselves, their references to others not yet followed.

Kinds that refer to nothing are read straight into records of `swimlb.model`.
"""

from __future__ import annotations

from dataclasses import dataclass

from swimlb.model import (
    BgpAdvertisement,
    BgpPeer,
    Community,
    HealthCheck,
    IpAddress,
    IpNetwork,
    Labels,
    LabelSelector,
    Node,
    Pool,
    Service,
)


@dataclass(frozen=True, slots=True)
class DeclaredPool:
    pool: Pool
    namespace_selectors: tuple[LabelSelector, ...] = ()
    """Of serviceAllocation: which namespaces they select depends on the Namespaces there are."""


@dataclass(frozen=True, slots=True)
class DeclaredBgpAdvertisement:
    advertisement: BgpAdvertisement
    """Without its communities."""
    communities: tuple[Community | str, ...] = ()
    """Literal ones, and names of ones that a Community object defines."""


@dataclass(frozen=True, slots=True)
class DeclaredPeer:
    peer: BgpPeer
    password_secret: str | None = None
    bfd_profile: str | None = None


@dataclass(frozen=True, slots=True)
class CommunityAliases:
    """A Community object: names for communities."""

    aliases: tuple[tuple[str, Community], ...] = ()


@dataclass(frozen=True, slots=True)
class DeclaredNode:
    node: Node
    addresses: tuple[IpAddress, ...] = ()
    """Its own, those within the cluster first: no Service may get one."""
    subnets: tuple[IpNetwork, ...] = ()
    """Those it is in, as far as anybody told; else what is likely."""


@dataclass(frozen=True, slots=True)
class Namespace:
    name: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class Secret:
    type: str
    password: str | None


@dataclass(frozen=True, slots=True)
class Workload:
    """A Pod, or what makes Pods: of interest only for how its Pods' readiness is found out."""

    namespace: str
    pod_labels: Labels
    health_check: HealthCheck | None


@dataclass(frozen=True, slots=True)
class DeclaredService:
    service: Service
    """Without a health check when none is annotated: a workload's readinessProbe may give it one."""


@dataclass(frozen=True, slots=True)
class IgnoredService:
    """A Service that is none of our business."""

    reason: str


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    service: str
    """Key `namespace/name`; empty: of no Service."""
    nodes: frozenset[str]
    """Those with a serving endpoint; "" stands for endpoints that do not tell their node."""
