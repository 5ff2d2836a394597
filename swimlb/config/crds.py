"""The CustomResourceDefinitions of our kinds, made from the declarations by which objects are read.

Group, names, versions, columns and status are MetalLB's: they are what other programs know the kinds by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from swimlb.config.kinds import peer, pool, status
from swimlb.config.openapi import Schema, record_schema

GROUP = "metallb.io"


@dataclass(frozen=True, slots=True)
class Column:
    """What `kubectl get` shows; with a priority above 0 only with `-o wide`."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0

    def as_json(self) -> Schema:
        shown: Schema = {"name": self.name, "type": self.type, "jsonPath": self.path}
        return {**shown, "priority": self.priority} if self.priority else shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a kind: the records of its sections."""

    name: str = "v1beta1"
    spec: type[object] | None
    """None: the kind has no spec."""
    status: type[object] = status.NoFields
    is_spec_required: bool = False
    deprecation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    kind: str
    plural: str
    about: str
    versions: tuple[Version, ...]
    """The last one is how objects are stored."""
    columns: tuple[Column, ...] = ()

    @property
    def stored(self) -> Version:
        return self.versions[-1]


_POOL_COLUMNS = (
    Column("IPAddressPools", ".spec.ipAddressPools"),
    Column("IPAddressPool Selectors", ".spec.ipAddressPoolSelectors"),
)
_NODE_COLUMN = Column("Node Selectors", ".spec.nodeSelectors", priority=10)
_SERVICE_COLUMNS = (
    Column("Service Name", ".status.serviceName"),
    Column("Service Namespace", ".status.serviceNamespace"),
)

DEFINITIONS = (
    Definition(
        kind="IPAddressPool",
        plural="ipaddresspools",
        about="Addresses that may be given to Services of type LoadBalancer.",
        versions=(Version(spec=pool.PoolSpec, status=status.PoolStatus, is_spec_required=True),),
        columns=(
            Column("Auto Assign", ".spec.autoAssign", "boolean"),
            Column("Avoid Buggy IPs", ".spec.avoidBuggyIPs", "boolean"),
            Column("Addresses", ".spec.addresses"),
        ),
    ),
    Definition(
        kind="L2Advertisement",
        plural="l2advertisements",
        about="Announces addresses of pools on the LAN, by ARP and NDP, each from one node.",
        versions=(Version(spec=pool.L2Spec),),
        columns=(*_POOL_COLUMNS, Column("Interfaces", ".spec.interfaces"), _NODE_COLUMN),
    ),
    Definition(
        kind="BGPAdvertisement",
        plural="bgpadvertisements",
        about="Advertises addresses of pools to routers, by BGP.",
        versions=(Version(spec=pool.BgpSpec),),
        columns=(*_POOL_COLUMNS, Column("Peers", ".spec.peers"), _NODE_COLUMN),
    ),
    Definition(
        kind="BGPPeer",
        plural="bgppeers",
        about="A router that nodes hold BGP sessions with.",
        versions=(
            Version(
                name="v1beta1",
                spec=peer.PeerV1Beta1Spec,
                deprecation="v1beta1 is deprecated, please use v1beta2",
            ),
            Version(name="v1beta2", spec=peer.PeerSpec),
        ),
        columns=(
            Column("Address", ".spec.peerAddress"),
            Column("ASN", ".spec.peerASN"),
            Column("BFD Profile", ".spec.bfdProfile"),
            Column("Multi Hops", ".spec.ebgpMultiHop"),
        ),
    ),
    Definition(
        kind="BFDProfile",
        plural="bfdprofiles",
        about="Timers by which BFD (RFC 5880) finds out that a router is gone.",
        versions=(Version(spec=peer.BfdSpec),),
        columns=(
            Column("Passive Mode", ".spec.passiveMode", "boolean"),
            Column("Transmit Interval", ".spec.transmitInterval", "integer"),
            Column("Receive Interval", ".spec.receiveInterval", "integer"),
            Column("Multiplier", ".spec.detectMultiplier", "integer"),
        ),
    ),
    Definition(
        kind="Community",
        plural="communities",
        about="Names for BGP communities.",
        versions=(Version(spec=peer.CommunitySpec),),
    ),
    Definition(
        kind="ServiceL2Status",
        plural="servicel2statuses",
        about="Tells which node announces a Service on the LAN. Speakers write it.",
        versions=(Version(spec=status.NoFields, status=status.L2Status),),
        columns=(Column("Allocated Node", ".status.node"), *_SERVICE_COLUMNS),
    ),
    Definition(
        kind="ServiceBGPStatus",
        plural="servicebgpstatuses",
        about="Tells to which routers a node advertises a Service. Speakers write it.",
        versions=(Version(spec=status.NoFields, status=status.BgpStatus),),
        columns=(Column("Node", ".status.node"), *_SERVICE_COLUMNS),
    ),
    Definition(
        kind="ConfigurationState",
        plural="configurationstates",
        about="Tells whether a component has all configuration in force. The controller and speakers write it.",
        versions=(Version(spec=None, status=status.StateStatus),),
        columns=(
            Column("Result", ".status.result"),
            Column("ErrorSummary", ".status.errorSummary"),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ),
    ),
)

_CONVERSION: Schema = {
    "strategy": "Webhook",
    "webhook": {
        "conversionReviewVersions": ["v1beta1", "v1beta2"],
        "clientConfig": {
            "service": {
                "name": "metallb-webhook-service",
                "namespace": "metallb-system",
                "path": "/convert",
            }
        },
    },
}
"""The controller converts; it puts its certificate here, and its namespace when that is another."""


def crd(definition: Definition) -> Schema:
    """The CustomResourceDefinition as an object of the API."""
    spec: Schema = {
        "group": GROUP,
        "names": {
            "kind": definition.kind,
            "listKind": f"{definition.kind}List",
            "plural": definition.plural,
            "singular": definition.kind.lower(),
        },
        "scope": "Namespaced",
        "versions": [_version(definition, version) for version in definition.versions],
    }
    if len(definition.versions) > 1:
        spec["conversion"] = _CONVERSION
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{definition.plural}.{GROUP}"},
        "spec": spec,
    }


def _version(definition: Definition, version: Version) -> Schema:
    result: Schema = {
        "name": version.name,
        "served": True,
        "storage": version is definition.stored,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": _object_schema(definition, version)},
    }
    if definition.columns:
        result["additionalPrinterColumns"] = [column.as_json() for column in definition.columns]
    if version.deprecation:
        result["deprecated"] = True
        result["deprecationWarning"] = version.deprecation
    return result


def _object_schema(definition: Definition, version: Version) -> Schema:
    properties: dict[str, Mapping[str, object]] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
    }
    if version.spec is not None:
        properties["spec"] = record_schema(version.spec)
    properties["status"] = record_schema(version.status)
    schema: Schema = {"type": "object", "description": definition.about, "properties": properties}
    return {**schema, "required": ["spec"]} if version.is_spec_required else schema
