"""Events about Services, as this node's speaker publishes them."""

from __future__ import annotations

from collections.abc import Mapping

from swimlb.kube.client import Client
from swimlb.kube.complaints import Complaints
from swimlb.kube.errors import ApiError
from swimlb.kube.events import EventWriter, Happening, Subject
from swimlb.kube.resources import SERVICES
from swimlb.model import IpAddress


class ServiceEvents:
    """Best effort, as Events are: who wants to be sure reads the status objects. The words are MetalLB's."""

    def __init__(
        self, node: str, instance: str, client: Client, uids: Mapping[str, str], complaints: Complaints
    ) -> None:
        """`instance`: the Pod or host; `uids`: of Services, by key."""
        self._node = node
        self._uids = uids
        self._writer = EventWriter(client, "metallb-speaker", instance)
        self._complaints = complaints

    async def assigned(self, service: str, protocol: str) -> None:
        message = f'announcing from node "{self._node}" with protocol "{protocol}"'
        await self._publish(service, "Normal", "nodeAssigned", message)

    async def failed(self, service: str, address: IpAddress) -> None:
        message = (
            f'the interfaces specified by LB IP "{address}" doesn\'t exist in assigned node "{self._node}" '
            'with protocol "layer2"'
        )
        await self._publish(service, "Warning", "announceFailed", message)

    async def _publish(self, service: str, kind: str, reason: str, message: str) -> None:
        namespace, name = service.split("/", 1)
        uid = self._uids.get(service)
        if uid is None:
            return
        subject = Subject(SERVICES, namespace, name, uid)
        try:
            await self._writer.publish(Happening(subject=subject, type=kind, reason=reason, message=message))
        except ApiError as error:
            self._complaints.refused("events", error)
        else:
            self._complaints.done("events")
