"""From objects as the API server has them to the records of the model: the end of Kubernetes' JSON.

Decoded are only the fields that matter, and judged by the declarations in `swimlb/config/kinds`, which also read
manifests. What comes of an object is kept, and compared with what came before: so a Node's heartbeat is no news.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

import msgspec

from swimlb.config import Judged, Options, judge
from swimlb.config.declared import EndpointSlice
from swimlb.config.kinds.cluster import CALICO_ANNOTATIONS, SUBNETS_ANNOTATION
from swimlb.kube.objects import Metadata
from swimlb.kube.resources import ENDPOINT_SLICES, NODES, SECRETS, SERVICES, Resource
from swimlb.kube.services import addresses_of
from swimlb.model import Labels, Problem, Service, labels_of

_NODE_ANNOTATIONS = frozenset((SUBNETS_ANNOTATION, *CALICO_ANNOTATIONS))
_NODE_CONDITION = "NetworkUnavailable"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The whole object once more, which nobody reads here."""

_PASSWORD = "password"  # noqa: S105 (the key of a Secret)

INTERNED_MAX = 65_536
"""Values that are kept once, though many objects have them."""

V = TypeVar("V", bound=Hashable)


class ServiceObject(msgspec.Struct):
    metadata: Metadata
    spec: Any = None
    status: Any = None


class SliceObject(msgspec.Struct):
    metadata: Metadata
    endpoints: Any = None


class ConfigObject(msgspec.Struct):
    """A kind of metallb.io, or a Namespace: what its metadata and its spec say."""

    metadata: Metadata
    spec: Any = None


class SecretObject(msgspec.Struct):
    metadata: Metadata
    type: str = ""
    data: dict[str, str] | None = None


class Taint(msgspec.Struct, frozen=True):
    key: str = ""
    value: str = ""
    effect: str = ""


class NodeSpec(msgspec.Struct):
    unschedulable: bool = False
    taints: tuple[Taint, ...] | None = None


class NodeCondition(msgspec.Struct):
    type: str = ""
    status: str = ""


class NodeStatus(msgspec.Struct):
    conditions: tuple[NodeCondition, ...] | None = None
    addresses: list[dict[str, str]] | None = None


class NodeObject(msgspec.Struct):
    metadata: Metadata
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A Service that asks us for an address."""

    service: Service | None
    """Its last good version; None: it had none."""
    uid: str
    problems: tuple[Problem, ...] = ()
    """What is wrong with its newest version."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """The Node that this process runs on, with all that an operator may tell by it."""

    name: str
    uid: str
    labels: Labels
    annotations: Labels
    taints: tuple[Taint, ...]
    is_unschedulable: bool


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """A Node: what the configuration is resolved with, and, of the own one, the view."""

    content: Mapping[str, Any]
    view: NodeView | None


class Interned:
    """Gives the same value for equal ones: labels, names of namespaces and sets of nodes recur in thousands of objects."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Hashable] = {}

    def __call__(self, value: V) -> V:
        if len(self._known) >= INTERNED_MAX:
            self._known.clear()
        return cast("V", self._known.setdefault(value, value))

    def labels(self, labels: Labels) -> Labels:
        return self(tuple((self(key), self(value)) for key, value in labels))


def keep_all(service: Service) -> Service:
    return service


def _nothing(_key: str) -> Service | None:
    return None


@dataclass(slots=True)
class Services:
    """Reduces Services. `known` are those it has reduced before, by key: a bad version leaves the last good one in force."""

    options: Options
    keep: Callable[[Service], Service] = keep_all
    """Makes a Service without what nobody asks for: that is not kept, and a change of it is no news."""
    known: Mapping[str, ServiceView] = field(default_factory=dict[str, ServiceView])
    recall: Callable[[str], Service | None] = _nothing
    """What was in force in an earlier life of this process, by key."""
    _interned: Interned = field(default_factory=Interned)

    def __call__(self, content: ServiceObject) -> ServiceView | None:
        """None: it is none of our business."""
        spec: object = content.spec
        # Most Services of a cluster are no load balancers: not worth a whole reading.
        if not isinstance(spec, dict) or cast("dict[str, Any]", spec).get("type") != "LoadBalancer":
            return None
        judged = judge(_content(SERVICES, content.metadata, spec=spec, status=content.status), self.options)
        if judged.ignored is not None:
            return None
        return ServiceView(self._in_force(judged, content.status), content.metadata.uid, judged.problems)

    def _in_force(self, judged: Judged, status: object) -> Service | None:
        if judged.service is not None:
            return self._slim(self.keep(judged.service))
        if judged.ref is None:
            return None
        key = f"{judged.ref.namespace}/{judged.ref.name}"
        if (before := self.known.get(key)) is not None:
            return before.service
        recalled = self.recall(key)
        # It may be another Service by now, whose predecessor's addresses are somebody else's.
        is_same = recalled is not None and set(recalled.held_addresses) == set(addresses_of(status))
        return recalled if is_same else None

    def _slim(self, service: Service) -> Service:
        interned = self._interned
        return replace(
            service,
            namespace=interned(service.namespace),
            labels=interned.labels(service.labels),
            selector=interned.labels(service.selector),
            ports=interned(service.ports),
            families=interned(service.families),
        )


@dataclass(slots=True)
class Slices:
    """Reduces EndpointSlices."""

    options: Options
    _interned: Interned = field(default_factory=Interned)

    def __call__(self, content: SliceObject) -> EndpointSlice | None:
        """None: of no Service, or nonsense."""
        judged = judge(_content(ENDPOINT_SLICES, content.metadata, endpoints=content.endpoints), self.options)
        found = judged.record
        if not isinstance(found, EndpointSlice) or not found.service:
            return None
        # The key of its Service is that Service's own, if there is one.
        return EndpointSlice(sys.intern(found.service), self._interned(found.nodes))


@dataclass(frozen=True, slots=True)
class Nodes:
    """Reduces Nodes to what may change a decision."""

    own: str | None
    """The name of the Node that this process runs on."""

    def __call__(self, content: NodeObject) -> NodeEntry:
        metadata, status = content.metadata, content.status
        annotations = metadata.annotations or {}
        kept = Metadata(
            name=metadata.name,
            labels=metadata.labels,
            annotations={key: annotations[key] for key in sorted(annotations.keys() & _NODE_ANNOTATIONS)},
        )
        conditions = [
            {"type": one.type, "status": one.status}
            for one in status.conditions or ()
            if one.type == _NODE_CONDITION
        ]
        return NodeEntry(
            _content(NODES, kept, status={"conditions": conditions, "addresses": status.addresses or []}),
            self._view(content) if metadata.name == self.own else None,
        )

    def _view(self, content: NodeObject) -> NodeView:
        return NodeView(
            name=content.metadata.name,
            uid=content.metadata.uid,
            labels=labels_of(content.metadata.labels or {}),
            annotations=labels_of(content.metadata.annotations or {}),
            taints=content.spec.taints or (),
            is_unschedulable=content.spec.unschedulable,
        )


@dataclass(frozen=True, slots=True)
class Declarations:
    """Reduces objects that say what is to be done to documents for `resolve`."""

    resource: Resource

    def __call__(self, content: ConfigObject) -> Mapping[str, Any]:
        return _content(self.resource, content.metadata, spec=content.spec)


def reduce_secret(content: SecretObject) -> Mapping[str, Any]:
    """Of its data only the password of a peer is kept: nobody can lose what nobody has."""
    data = content.data or {}
    kept = {_PASSWORD: data[_PASSWORD]} if _PASSWORD in data else {}
    return _content(SECRETS, Metadata(name=content.metadata.name, namespace=content.metadata.namespace)) | {
        "type": content.type,
        "data": kept,
    }


def _content(resource: Resource, metadata: Metadata, **sections: Any) -> dict[str, Any]:
    """The object as a manifest has it; items of lists do not say what they are."""
    annotations = metadata.annotations or {}
    if _LAST_APPLIED in annotations:
        annotations = {key: value for key, value in annotations.items() if key != _LAST_APPLIED}
    told = {
        "name": metadata.name,
        "namespace": metadata.namespace,
        "labels": metadata.labels,
        "annotations": annotations,
        "creationTimestamp": metadata.creation_timestamp,
    }
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {key: value for key, value in told.items() if value},
        **{key: value for key, value in sections.items() if value is not None},
    }
