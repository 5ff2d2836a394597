"""Namespace, Node, Secret and EndpointSlice: as much of them as matters here."""

from __future__ import annotations

import base64
import binascii
from ipaddress import ip_network

from swimlb.config.declared import DeclaredNode, EndpointSlice, Namespace, Secret
from swimlb.config.kinds.common import Kind, Metadata, Object, Scope
from swimlb.config.ranges import parse_address
from swimlb.config.report import Mistake, Place
from swimlb.config.schema import at, record, shorten
from swimlb.config.types import Boolean, LabelMap, ListOf, Nested, SecretText, Text, positions
from swimlb.model import IpAddress, IpNetwork, Labels, Node

BASIC_AUTH = "kubernetes.io/basic-auth"
SUBNETS_ANNOTATION = "swimlb.io/subnets"
CALICO_ANNOTATIONS = ("projectcalico.org/IPv4Address", "projectcalico.org/IPv6Address")
_INTERNAL, _EXTERNAL = "InternalIP", "ExternalIP"
_SERVICE_NAME_LABEL = "kubernetes.io/service-name"


def decode_namespace(source: Object) -> Namespace:
    return Namespace(source.ref.name, source.metadata.labels)


@record(is_open=True)
class ConditionSpec:
    type: str = at("type", Text(), default="")
    status: str = at("status", Text(), default="")


@record(is_open=True)
class NodeAddressSpec:
    type: str = at("type", Text(), default="")
    address: str = at("address", Text(), default="")


@record(is_open=True)
class NodeStatus:
    conditions: tuple[ConditionSpec, ...] = at("conditions", ListOf(Nested(ConditionSpec)), default=())
    addresses: tuple[NodeAddressSpec, ...] = at("addresses", ListOf(Nested(NodeAddressSpec)), default=())


def decode_node(source: Object) -> DeclaredNode:
    status = source.read("status", NodeStatus)
    own = _own_addresses(status, source.place.at("status", "addresses"))
    node = Node(
        name=source.ref.name,
        labels=source.metadata.labels,
        is_network_unavailable=any(
            condition.type == "NetworkUnavailable" and condition.status == "True"
            for condition in status.conditions
        ),
    )
    subnets = _told_subnets(source.metadata, source.place.at("metadata", "annotations"))
    inside = [address for kind, address in own if kind == _INTERNAL]
    return DeclaredNode(
        node,
        tuple(dict.fromkeys((*inside, *(address for _, address in own)))),
        subnets or tuple(dict.fromkeys(map(_likely_subnet, inside))),
    )


def _own_addresses(status: NodeStatus, place: Place) -> list[tuple[str, IpAddress]]:
    """With their type; names of the host are passed over."""
    found: list[tuple[str, IpAddress]] = []
    for index, entry in positions(status.addresses):
        if entry.type not in (_INTERNAL, _EXTERNAL):
            continue
        try:
            found.append((entry.type, parse_address(entry.address)))
        except Mistake as mistake:
            place.at(index, "address").warning(mistake.message, mistake.hint)
    return found


def _told_subnets(metadata: Metadata, annotations: Place) -> tuple[IpNetwork, ...]:
    """Ours goes before Calico's, which tell the address with the length of its subnet."""
    for keys in ((SUBNETS_ANNOTATION,), CALICO_ANNOTATIONS):
        found: list[IpNetwork] = []
        for key in keys:
            for text in (metadata.annotation(key) or "").split(","):
                if not text.strip():
                    continue
                try:
                    found.append(ip_network(text.strip(), strict=False))
                except ValueError:
                    annotations.at(key).warning(
                        f"{shorten(text)!r} is no subnet, and not looked at",
                        "Write 192.0.2.0/24,2001:db8::/64.",
                    )
        if found:
            return tuple(dict.fromkeys(found))
    return ()


def _likely_subnet(address: IpAddress) -> IpNetwork:
    return ip_network(f"{address}/{24 if address.version == 4 else 64}", strict=False)


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
    addresses: tuple[str, ...] | None = at("addresses", ListOf(Text()), default=None)
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
            if endpoint.addresses != () and endpoint.conditions.is_serving
        ),
    )


KINDS = (
    Kind("v1", "Namespace", Scope.CLUSTER, decode_namespace),
    Kind("v1", "Node", Scope.CLUSTER, decode_node),
    Kind("v1", "Secret", Scope.NAMESPACED, decode_secret),
    Kind("discovery.k8s.io/v1", "EndpointSlice", Scope.NAMESPACED, decode_endpoint_slice),
)
