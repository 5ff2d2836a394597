"""What the controller sees of Services, and what it wants to be written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from swimlb.model import IpAddress, Service

CONDITION = "swimlb.io/AddressAssigned"
"""The type of the condition on Services that says whether they have what they ask for, and why not."""


class Reason(StrEnum):
    """Of the condition."""

    ASSIGNED = "Assigned"
    KEPT_FORMER = "KeptFormerAddress"
    """It has an address, though not the one it asks for."""
    ALLOCATION_FAILED = "AllocationFailed"
    INVALID = "InvalidService"
    """What it says cannot be understood. It keeps what it has."""
    POOL_INVALID = "PoolInvalid"
    """Its address is in no pool, but a pool could not be read: it keeps what it has."""
    TAKEN_OVER = "TakenOver"
    """A new leader looks at it."""


@dataclass(frozen=True, slots=True)
class Condition:
    is_true: bool
    reason: str
    message: str
    since: str = ""
    """RFC 3339 text; empty: the moment at which it is written."""

    @property
    def essence(self) -> tuple[bool, str, str]:
        return self.is_true, self.reason, self.message


@dataclass(frozen=True, slots=True)
class IngressEntry:
    """One entry of `status.loadBalancer.ingress`."""

    address: IpAddress | None
    """None: a hostname, which is none of ours."""
    content: str = ""
    """The entry as it came, in the words of the API server: others may have written an ipMode or ports into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """One version of a Service that is ours: of type LoadBalancer and our class, or with traces of having been so."""

    key: str
    """`namespace/name`."""
    uid: str
    version: str
    service: Service | None = None
    """What it asks for; None: for nothing (any more)."""
    refusal: str = ""
    """Why it cannot be taken at its word; `service` is then what is left of it, if anything."""
    ingress: tuple[IngressEntry, ...] = ()
    pool: str | None = None
    """Annotation `metallb.io/ip-allocated-from-pool`."""
    condition: Condition | None = None
    deprecated: tuple[str, ...] = ()
    """Annotations of the former prefix."""

    @property
    def addresses(self) -> tuple[IpAddress, ...]:
        return tuple(dict.fromkeys(entry.address for entry in self.ingress if entry.address is not None))


class NoteType(StrEnum):
    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Note:
    """A Kubernetes Event about a Service, in MetalLB's words."""

    type: NoteType
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceWrite:
    """The status of a Service as it is to be, to be written only onto the version that it was decided for."""

    key: str
    uid: str
    version: str
    ingress: tuple[IngressEntry, ...] | None
    """None: stays as it is."""
    pool: str | None
    """The annotation; None: it goes."""
    condition: Condition | None
    """None: it goes."""
    notes: tuple[Note, ...] = ()
    """To be told once it is written."""

    @property
    def is_fence(self) -> bool:
        """It changes nothing but the version."""
        return self.condition is not None and self.condition.reason == Reason.TAKEN_OVER

    @property
    def essence(self) -> tuple[object, ...]:
        """What is to stand there, whatever the version."""
        ingress = None if self.ingress is None else tuple(entry.address for entry in self.ingress)
        condition = None if self.condition is None else self.condition.essence
        return ingress, self.pool, condition


@dataclass(frozen=True, slots=True)
class Look:
    """Read a Service: it has changed in a way that was not seen yet."""

    key: str
    uid: str


@dataclass(frozen=True, slots=True)
class State:
    """The verdict on the configuration, as the ConfigurationState object `controller` shows it."""

    is_valid: bool
    summary: str = ""
    """All that is wrong, a line each."""
