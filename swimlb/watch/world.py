"""What *watch* knows of what is to be served, from wherever it knows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from swimlb.config import Resolved
from swimlb.model import Allocation, HealthCheck, Pending
from swimlb.runtime import records
from swimlb.speaker.inventory import key_of


@dataclass(frozen=True, slots=True)
class World:
    """One reading of a directory or of a cluster, understood."""

    resolved: Resolved = field(default_factory=Resolved)
    allocations: tuple[Allocation, ...] = ()
    pending: tuple[Pending, ...] = ()

    def records(self) -> dict[str, bytes]:
        """What *wire* is to know, by key."""
        configuration = self.resolved.configuration
        everything = (
            *self.allocations,
            *configuration.pools,
            *configuration.l2_advertisements,
            *configuration.bgp_advertisements,
            *configuration.bgp_peers,
            *configuration.nodes,
            *configuration.endpoints,
        )
        return {key_of(record): records.encode(record) for record in everything}

    def health_checks(self) -> dict[str, HealthCheck]:
        """What this node has to check for itself, by Service. EndpointSlices make it unnecessary."""
        listed = {endpoints.service for endpoints in self.resolved.configuration.endpoints}
        return {
            allocation.service.key: allocation.service.health_check
            for allocation in self.allocations
            if allocation.service.health_check is not None and allocation.service.key not in listed
        }
