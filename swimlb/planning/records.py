"""The answer, as records: every Service and pool, who announces what, and what is withheld for which reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from swimlb.allocator.counts import PoolCounts
from swimlb.model import IpAddress, IpNetwork

NODE_DOWN = "NodeDown"
"""A reason that only a question can give: the node is taken to be down."""


class ServiceState(StrEnum):
    ALLOCATED = "allocated"
    PENDING = "pending"
    """It has no address; the reason tells."""
    IGNORED = "ignored"
    """It is none of our business: another class, not a load balancer."""


@dataclass(frozen=True, slots=True)
class L2Entry:
    """An address that is announced on the LAN, by its owner."""

    address: IpAddress
    candidates: tuple[str, ...]
    """All eligible nodes in the order of succession. Not empty."""
    interfaces: tuple[str, ...] | None
    """Where the owner announces it, sorted; None: everywhere."""

    @property
    def node(self) -> str:
        return self.candidates[0]


@dataclass(frozen=True, slots=True, order=True)
class BgpEntry:
    """A prefix that some nodes advertise to a peer alike."""

    prefix: IpNetwork
    peer: str
    nodes: tuple[str, ...]
    local_pref: int | None
    communities: tuple[str, ...]
    large_communities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WithheldEntry:
    by: str
    """`l2` or `bgp`."""
    node: str | None
    """None: the reason holds whatever the node."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOutlook:
    namespace: str
    name: str
    state: ServiceState
    reason: str | None = None
    """Why it is not as asked for; None: it is."""
    addresses: tuple[IpAddress, ...] = ()
    pool: str | None = None
    l2: tuple[L2Entry, ...] = ()
    bgp: tuple[BgpEntry, ...] = ()
    withheld: tuple[WithheldEntry, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Move:
    """An address that another node would announce on the LAN than does without the question."""

    address: IpAddress
    source: str | None
    """None: nobody announced it."""
    target: str | None
    """None: nobody would."""
    service: str


@dataclass(frozen=True, slots=True)
class Outlook:
    services: tuple[ServiceOutlook, ...]
    """Every Service of the input, by namespace and name."""
    pools: tuple[PoolCounts, ...]
    moves: tuple[Move, ...] | None = None
    """None: no question was asked."""
