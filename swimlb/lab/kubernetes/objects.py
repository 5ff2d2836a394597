"""What the lab's stand-ins read of Pods and Nodes, as the API server writes it."""

from __future__ import annotations

import msgspec


class Owner(msgspec.Struct, rename="camel"):
    kind: str


class Metadata(msgspec.Struct, rename="camel"):
    name: str
    namespace: str = ""
    uid: str = ""
    annotations: dict[str, str] = {}
    labels: dict[str, str] = {}
    owner_references: list[Owner] = []
    deletion_timestamp: str | None = None


class FieldRequirement(msgspec.Struct, rename="camel"):
    key: str
    operator: str
    values: list[str] = []


class NodeSelectorTerm(msgspec.Struct, rename="camel"):
    match_fields: list[FieldRequirement] = []


class NodeSelector(msgspec.Struct, rename="camel"):
    node_selector_terms: list[NodeSelectorTerm] = []


class NodeAffinity(msgspec.Struct, rename="camel"):
    required: NodeSelector | None = msgspec.field(
        default=None, name="requiredDuringSchedulingIgnoredDuringExecution"
    )


class Affinity(msgspec.Struct, rename="camel"):
    node_affinity: NodeAffinity | None = None


class Toleration(msgspec.Struct, rename="camel"):
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


class ContainerPort(msgspec.Struct, rename="camel"):
    container_port: int
    protocol: str = "TCP"


class Container(msgspec.Struct, rename="camel"):
    name: str
    image: str = ""
    ports: list[ContainerPort] = []


class PodSpec(msgspec.Struct, rename="camel"):
    node_name: str = ""
    host_network: bool = False
    containers: list[Container] = []
    node_selector: dict[str, str] = {}
    affinity: Affinity | None = None
    tolerations: list[Toleration] = []


class Condition(msgspec.Struct, rename="camel"):
    type: str
    status: str


class Status(msgspec.Struct, rename="camel"):
    """Of a Pod or a Node."""

    conditions: list[Condition] = []

    @property
    def is_ready(self) -> bool | None:
        """None: it does not say."""
        return next((one.status == "True" for one in self.conditions if one.type == "Ready"), None)


class Pod(msgspec.Struct, rename="camel"):
    metadata: Metadata
    spec: PodSpec
    status: Status = msgspec.field(default_factory=Status)


class Taint(msgspec.Struct, rename="camel"):
    key: str
    effect: str
    value: str = ""


class NodeSpec(msgspec.Struct, rename="camel"):
    unschedulable: bool = False
    taints: list[Taint] = []


class Node(msgspec.Struct, rename="camel"):
    metadata: Metadata
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: Status = msgspec.field(default_factory=Status)

    @property
    def is_ready(self) -> bool:
        return self.status.is_ready is True
