"""The plan: who is to answer for which address, what goes to which router, and what this node withholds, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from announce.bgp.routes import Route
from swimlb.model import IpAddress


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
    NODE_DEAF = "NodeDeaf"
    """Others get no answer from it on the LAN."""
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
class Ownership:
    """A duty without those who wait for it."""

    owner: str | None
    interfaces: frozenset[str] | None


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
