"""Events about Services, as this node's speaker publishes them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

from swimlb.kube.client import Client
from swimlb.kube.complaints import Complaints
from swimlb.kube.event_queue import EventQueue
from swimlb.kube.events import EventWriter, Happening, Subject
from swimlb.kube.resources import SERVICES
from swimlb.model import IpAddress


class ServiceEvents:
    """Best effort, as Events are: who wants to be sure reads the status objects. The words are MetalLB's."""

    def __init__(
        self,
        node: str,
        instance: str,
        client: Client,
        uids: Mapping[str, str],
        complaints: Complaints,
        tasks: asyncio.TaskGroup,
    ) -> None:
        """`instance`: the Pod or host; `uids`: of Services, by key; `tasks`: where calls run."""
        self._node = node
        self._uids = uids
        writer = EventWriter(client, "metallb-speaker", instance)
        self._queue = EventQueue(writer, tasks.create_task, complaints, random.Random())

    def assigned(self, service: str, protocol: str) -> None:
        message = f'announcing from node "{self._node}" with protocol "{protocol}"'
        self._publish(service, "Normal", "nodeAssigned", message)

    def failed(self, service: str, address: IpAddress) -> None:
        message = (
            f'the interfaces specified by LB IP "{address}" doesn\'t exist in assigned node "{self._node}" '
            'with protocol "layer2"'
        )
        self._publish(service, "Warning", "announceFailed", message)

    def _publish(self, service: str, kind: str, reason: str, message: str) -> None:
        namespace, name = service.split("/", 1)
        uid = self._uids.get(service)
        if uid is None:
            return
        subject = Subject(SERVICES, namespace, name, uid)
        self._queue.tell(Happening(subject=subject, type=kind, reason=reason, message=message))

    def close(self) -> None:
        """Nothing more is begun."""
        self._queue.close()
