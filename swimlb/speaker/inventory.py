"""What a speaker knows: the records of the configuration, and who is present.

Two ways in, records from *watch* and members from gossip; one way out, the planner reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any, TypeAlias, assert_never

from swimlb.model import (
    Allocation,
    BgpAdvertisement,
    BgpPeer,
    Endpoints,
    Intent,
    L2Advertisement,
    Labels,
    Node,
    Pool,
    Readiness,
)
from swimlb.speaker.presence import Presence

Record: TypeAlias = (
    Allocation | Pool | L2Advertisement | BgpAdvertisement | BgpPeer | Node | Endpoints | Readiness | Intent
)


_TABLES = {
    "Allocation": "allocations",
    "Pool": "pools",
    "L2Advertisement": "l2_advertisements",
    "BgpAdvertisement": "bgp_advertisements",
    "BgpPeer": "bgp_peers",
    "Node": "nodes",
    "Endpoints": "endpoints",
    "Readiness": "readiness",
    "Intent": "intents",
}
"""The field of the inventory for each kind of record."""


def key_of(record: Record) -> str:
    """`Kind/name`: under which key a record is replaced and removed."""
    return f"{type(record).__name__}/{_name_of(record)}"


def _name_of(record: Record) -> str:
    match record:
        case Allocation(service=service):
            return service.key
        case Endpoints(service=service) | Readiness(service=service):
            return service
        case Pool(name=name) | L2Advertisement(name=name) | BgpAdvertisement(name=name):
            return name
        case BgpPeer(name=name) | Node(name=name):
            return name
        case Intent():
            return "own"
        case _:
            assert_never(record)


@dataclass(slots=True)
class Inventory:
    """The tables. Only the speaker's core writes here."""

    this_node: str
    allocations: dict[str, Allocation] = field(default_factory=dict[str, Allocation])
    pools: dict[str, Pool] = field(default_factory=dict[str, Pool])
    l2_advertisements: dict[str, L2Advertisement] = field(default_factory=dict[str, L2Advertisement])
    bgp_advertisements: dict[str, BgpAdvertisement] = field(default_factory=dict[str, BgpAdvertisement])
    bgp_peers: dict[str, BgpPeer] = field(default_factory=dict[str, BgpPeer])
    nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    endpoints: dict[str, Endpoints] = field(default_factory=dict[str, Endpoints])
    """Absent for a Service: nobody lists its endpoints, each node tells by gossip whether it is ready."""
    readiness: dict[str, Readiness] = field(default_factory=dict[str, Readiness])
    """This node's own health checks."""
    intents: dict[str, Intent] = field(default_factory=dict[str, Intent])
    """What is wanted of this node."""
    presences: dict[str, Presence] = field(default_factory=dict[str, Presence])
    """Live members by node name, this node included."""
    deaf: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Members that do not answer on the LAN by the verdict of others, each with who found it (`swimlb.speaker.deafness`)."""
    _unready: set[str] = field(default_factory=set[str])

    def put(self, record: Record) -> Record | None:
        """Gives the record that this one replaces."""
        name = _name_of(record)
        table = self._table(type(record).__name__)
        before: Record | None = table.get(name)
        table[name] = record
        self._note_readiness(record, name)
        return before

    def remove(self, key: str) -> Record | None:
        """Gives what was there."""
        kind, name = key.split("/", 1)
        before: Record | None = self._table(kind).pop(name, None)
        if before is not None:
            self._note_readiness(before, name)
        return before

    def labels_of(self, node: str) -> Mapping[str, str]:
        """A node without a Node object (standalone mode) can still be selected by its hostname."""
        known = self.nodes.get(node)
        return dict(known.labels if known is not None else _hostname_label(node))

    @property
    def drained_by(self) -> str | None:
        """Why this node is to serve nothing; None: it is to serve."""
        return next((intent.drained_by for intent in self.intents.values()), None)

    def unready_services(self) -> Set[str]:
        """Services with a health check of this node that has not succeeded, or not yet been made."""
        return self._unready

    def _note_readiness(self, record: Record, service: str) -> None:
        if not isinstance(record, Allocation | Readiness):
            return
        allocation, found = self.allocations.get(service), self.readiness.get(service)
        is_checked = allocation is not None and allocation.service.health_check is not None
        if is_checked and (found is None or not found.is_ready):
            self._unready.add(service)
        else:
            self._unready.discard(service)

    def _table(self, kind: str) -> dict[str, Any]:
        table: dict[str, Any] = getattr(self, _TABLES[kind])
        return table


def _hostname_label(node: str) -> Labels:
    return (("kubernetes.io/hostname", node),)
