"""What the plan is made of: who is to answer for which address, and what this node withholds, and why.

Nothing of BGP is known here: *watch* reads the same words, and has no use for what BGP takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why this node does not announce. The names are an interface: the status API, metrics and `swimlb status` show them."""

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
