"""What a feed tells: that something which decisions are made of has changed."""

from __future__ import annotations

from dataclasses import dataclass

from swimlb.config import Resolved
from swimlb.kube.decode import NodeView
from swimlb.kube.in_force import Content
from swimlb.kube.reflector import Condition
from swimlb.model import Endpoints, Service


@dataclass(frozen=True, slots=True)
class ServiceChanged:
    """One Service that asks us for an address. None: there is no such Service (any more), or it never was right."""

    key: str
    """`namespace/name`."""
    service: Service | None
    uid: str = ""


@dataclass(frozen=True, slots=True)
class EndpointsChanged:
    """Where a Service of ours has endpoints, all its slices together. None: it has no slices."""

    key: str
    endpoints: Endpoints | None


@dataclass(frozen=True, slots=True)
class NodeChanged:
    """The Node that this process runs on. None: there is none."""

    node: NodeView | None


@dataclass(frozen=True, slots=True)
class Configured:
    """All else that is in force: pools, advertisements, peers, Nodes. Its `services` and `endpoints` are empty."""

    resolved: Resolved
    contents: tuple[Content, ...] = ()
    """The objects of it that were declared to us, in the versions that are in force."""


@dataclass(frozen=True, slots=True)
class ConditionChanged:
    """How it stands with the API server, or with one kind of object."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Synced:
    """All there is has been told, once. What has not been told does not exist."""


News = ServiceChanged | EndpointsChanged | NodeChanged | Configured | ConditionChanged | Synced
