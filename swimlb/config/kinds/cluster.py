"""Namespace, Node, Secret and EndpointSlice: as much of them as matters here."""

from __future__ import annotations

import base64
import binascii

from swimlb.config.declared import EndpointSlice, Namespace, Secret
from swimlb.config.kinds.common import Kind, Object, Scope
from swimlb.config.report import Place
from swimlb.config.schema import at, record
from swimlb.config.types import Boolean, LabelMap, ListOf, Nested, SecretText, Text
from swimlb.model import Labels, Node

BASIC_AUTH = "kubernetes.io/basic-auth"
_SERVICE_NAME_LABEL = "kubernetes.io/service-name"


def decode_namespace(source: Object) -> Namespace:
    return Namespace(source.ref.name, source.metadata.labels)


@record(is_open=True)
class ConditionSpec:
    type: str = at("type", Text(), default="")
    status: str = at("status", Text(), default="")


@record(is_open=True)
class NodeStatus:
    conditions: tuple[ConditionSpec, ...] = at("conditions", ListOf(Nested(ConditionSpec)), default=())


def decode_node(source: Object) -> Node:
    status = source.read("status", NodeStatus)
    return Node(
        name=source.ref.name,
        labels=source.metadata.labels,
        is_network_unavailable=any(
            condition.type == "NetworkUnavailable" and condition.status == "True"
            for condition in status.conditions
        ),
    )


@record(is_open=True)
class SecretContent:
    """Secrets have no spec; these stand at the root."""

    type: str = at("type", Text(), default="Opaque")
    data: Labels = at("data", LabelMap(SecretText()), default=())
    string_data: Labels = at("stringData", LabelMap(SecretText()), default=())


def decode_secret(source: Object) -> Secret:
    content = source.read_root(SecretContent)
    plain = dict(content.string_data).get("password")
    encoded = dict(content.data).get("password")
    if plain is None and encoded is not None:
        plain = _decode_base64(encoded, source.place.at("data", "password"))
    return Secret(content.type, plain)


def _decode_base64(text: str, place: Place) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        # The value is a secret: it is not repeated here.
        place.error("is not base64 of UTF-8 text", "Encode the password with base64, or use stringData.")
        return None


@record(is_open=True)
class EndpointConditions:
    ready: bool | None = at("ready", Boolean(), default=None)
    serving: bool | None = at("serving", Boolean(), default=None)

    @property
    def is_serving(self) -> bool:
        """An absent `ready` counts as true; one that is not ready may still be serving while it terminates."""
        return self.ready is not False or self.serving is True


@record(is_open=True)
class EndpointSpec:
    node: str = at("nodeName", Text(), default="")
    conditions: EndpointConditions = at(
        "conditions", Nested(EndpointConditions), default=EndpointConditions()
    )


@record(is_open=True)
class SliceContent:
    endpoints: tuple[EndpointSpec, ...] = at("endpoints", ListOf(Nested(EndpointSpec)), default=())


def decode_endpoint_slice(source: Object) -> EndpointSlice:
    content = source.read_root(SliceContent)
    service = dict(source.metadata.labels).get(_SERVICE_NAME_LABEL)
    return EndpointSlice(
        service=f"{source.ref.namespace}/{service}" if service else "",
        nodes=frozenset(
            endpoint.node
            for endpoint in content.endpoints
            if endpoint.node and endpoint.conditions.is_serving
        ),
    )


KINDS = (
    Kind("v1", "Namespace", Scope.CLUSTER, decode_namespace),
    Kind("v1", "Node", Scope.CLUSTER, decode_node),
    Kind("v1", "Secret", Scope.NAMESPACED, decode_secret),
    Kind("discovery.k8s.io/v1", "EndpointSlice", Scope.NAMESPACED, decode_endpoint_slice),
)
