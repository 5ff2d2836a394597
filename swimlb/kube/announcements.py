"""ServiceL2Status and ServiceBGPStatus as the API server has them: to and from what `swimlb.reporting` knows of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from swimlb.kube.client import Client
from swimlb.kube.errors import NotFound
from swimlb.kube.objects import Metadata
from swimlb.kube.resources import SERVICE_BGP_STATUSES, SERVICE_L2_STATUSES, Resource
from swimlb.reporting.statuses import Content, Create, Delete, SetContent, StatusObject

NODE_LABEL = "metallb.io/node"
_NAME_LABEL = "metallb.io/service-name"
_NAMESPACE_LABEL = "metallb.io/service-namespace"
_PREFIXES = {SERVICE_L2_STATUSES: "l2-", SERVICE_BGP_STATUSES: "bgp-"}


class _OwnerReference(msgspec.Struct):
    kind: str = ""
    uid: str = ""


class _OwnedMetadata(Metadata):
    owner_references: tuple[_OwnerReference, ...] | None = None


class _Interface(msgspec.Struct):
    name: str = ""


class _Status(msgspec.Struct, rename="camel"):
    node: str = ""
    interfaces: tuple[_Interface, ...] | None = None
    peers: tuple[str, ...] | None = None


class AnnouncementObject(msgspec.Struct):
    """An object of either kind, as far as it matters."""

    metadata: _OwnedMetadata
    status: _Status | None = None


def read_announcement(content: AnnouncementObject) -> StatusObject | None:
    """None: it is about no Service, and not ours to judge."""
    labels = content.metadata.labels or {}
    namespace, name = labels.get(_NAMESPACE_LABEL), labels.get(_NAME_LABEL)
    if not namespace or not name:
        return None
    owners = content.metadata.owner_references or ()
    return StatusObject(
        name=content.metadata.name,
        service=f"{namespace}/{name}",
        node=labels.get(NODE_LABEL, ""),
        owner=next((owner.uid for owner in owners if owner.kind == "Pod"), ""),
        content=_content(content.status),
    )


def _content(status: _Status | None) -> Content | None:
    if status is None or not status.node:
        return None
    return (*sorted(one.name for one in status.interfaces or ()), *sorted(status.peers or ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """This speaker's Pod: what it made goes with it."""

    name: str
    uid: str

    def reference(self) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Pod", "name": self.name, "uid": self.uid}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncementWriter:
    """Writes the objects of one kind. Raises ApiError."""

    client: Client
    resource: Resource
    namespace: str
    """The system namespace: Services of all namespaces are told of there."""
    node: str
    owner: Owner | None
    """None: this speaker runs in no Pod, and cleans up after itself."""

    async def perform(self, order: Create | SetContent | Delete) -> StatusObject | None:
        """Gives what a Create has made."""
        match order:
            case Create(service):
                return await self._create(service)
            case SetContent(service, name, content):
                await self._set_content(service, name, content)
            case Delete(_, name):
                try:
                    await self.client.delete(self.resource, name, namespace=self.namespace)
                except NotFound as error:
                    if error.is_kind_missing:
                        raise
        return None

    async def _create(self, service: str) -> StatusObject:
        namespace, name = service.split("/", 1)
        metadata: dict[str, Any] = {
            "generateName": _PREFIXES[self.resource],
            "namespace": self.namespace,
            "labels": {NODE_LABEL: self.node, _NAME_LABEL: name, _NAMESPACE_LABEL: namespace},
        }
        if self.owner is not None:
            metadata["ownerReferences"] = [self.owner.reference()]
        made = await self.client.create(self.resource, {"metadata": metadata, "spec": {}})
        return StatusObject(
            name=made["metadata"]["name"],
            service=service,
            node=self.node,
            owner="" if self.owner is None else self.owner.uid,
        )

    async def _set_content(self, service: str, name: str, content: Content) -> None:
        namespace, service_name = service.split("/", 1)
        # In a merge patch null stands for nothing there: advertisements that name no interfaces mean all of them.
        of_kind: dict[str, Any] = (
            {"interfaces": [{"name": one} for one in content] or None}
            if self.resource is SERVICE_L2_STATUSES
            else {"peers": list(content) or None}
        )
        status = {"node": self.node, "serviceName": service_name, "serviceNamespace": namespace, **of_kind}
        await self.client.patch(
            self.resource, name, {"status": status}, namespace=self.namespace, subresource="status"
        )
