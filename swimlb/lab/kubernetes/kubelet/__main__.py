"""The stand-in for a kubelet, inside its node's namespace.

python -m swimlb.lab.kubernetes.kubelet --node worker-01 --index 2 --address 192.168.3.104 --kubeconfig FILE
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_never

from swimlb.kube.client import Client, PatchType
from swimlb.kube.errors import ApiError, NotFound
from swimlb.kube.resources import LEASES, NODES, PODS
from swimlb.lab.errors import LabError
from swimlb.lab.kubernetes.asking import FROM_CACHE, every, log, run
from swimlb.lab.kubernetes.kubelet import objects
from swimlb.lab.kubernetes.kubelet.core import (
    Delete,
    Effect,
    Event,
    Kubelet,
    PodEnded,
    PodGone,
    PodRuns,
    PodSeen,
    Report,
    Start,
    Stop,
)
from swimlb.lab.kubernetes.kubelet.pods import Pods
from swimlb.lab.kubernetes.objects import Node, Pod
from swimlb.lab.kubernetes.plan import PodRange
from swimlb.runtime import clock

LOOK_INTERVAL = 0.2
LEASE_INTERVAL = 2.0
STATUS_INTERVAL = 10.0
"""A Node that is held for not ready is put right at the next renewal of the Lease."""


class Shell:
    """Does what the core says, one thing after another."""

    def __init__(self, client: Client, node: str, addresses: tuple[str, ...], ranges: PodRange) -> None:
        self._client = client
        self._node = node
        self._addresses = addresses
        self._ranges = ranges
        self._core = Kubelet()
        self._pods = Pods(ranges, addresses)
        self._known: frozenset[str] = frozenset()
        self._since = _now()
        self._told_status = float("-inf")

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(every(LEASE_INTERVAL, self.beat))
            group.create_task(every(LOOK_INTERVAL, self.look))

    async def look(self) -> None:
        """Compare the Pods bound to this node with those before."""
        page = await self._client.list(
            PODS, field_selector=f"spec.nodeName={self._node}", resource_version=FROM_CACHE, into=Pod
        )
        pods = [objects.pod_of(item) for item in page.items]
        uids = frozenset(pod.uid for pod in pods)
        events: list[Event] = [*(PodGone(uid) for uid in self._known - uids), *(PodSeen(pod) for pod in pods)]
        self._known = uids
        for event in events:
            await self._play(event)

    async def _play(self, event: Event) -> None:
        for effect in self._core.step(event):
            try:
                answer = await self._perform(effect)
            except (ApiError, LabError, OSError) as error:
                # One Pod that cannot be started, for a full node say, must not take the others along.
                log.warning("%s %s: %s", type(effect).__name__, effect.pod.name, error)
                answer = None
            if answer is not None:
                await self._play(answer)

    async def _perform(self, effect: Effect) -> Event | None:
        pod = effect.pod
        match effect:
            case Start():
                return PodRuns(pod.uid, await self._pods.start(pod))
            case Stop():
                await self._pods.stop(pod.uid)
                return PodEnded(pod.uid)
            case Report(_, addresses):
                status = objects.pod_status(pod, addresses, self._addresses, _now())
                await self._patch_status(PODS, pod.name, status, namespace=pod.namespace)
                return None
            case Delete():
                with suppress(NotFound):
                    await self._client.delete(
                        PODS, pod.name, namespace=pod.namespace, uid=pod.uid, grace_period=0
                    )
                return None
            case _:
                assert_never(effect)

    async def beat(self) -> None:
        """Renew the Lease, and from time to time the Node's status."""
        lease = objects.lease(self._node, _now())
        try:
            await self._client.patch(LEASES, self._node, lease, namespace=objects.LEASE_NAMESPACE)
        except NotFound:
            await self._client.create(LEASES, lease)
        try:
            is_ready = (await self._client.get(NODES, self._node, into=Node)).is_ready
        except NotFound:
            await self._client.create(NODES, objects.node(self._node, self._ranges))
            is_ready = False
        if not is_ready:
            self._since = _now()
        if not is_ready or clock.monotonic() - self._told_status >= STATUS_INTERVAL:
            status = objects.node_status(self._node, self._addresses, _now(), self._since)
            await self._patch_status(NODES, self._node, status)
            self._told_status = clock.monotonic()

    async def _patch_status(self, resource: Any, name: str, status: objects.Json, **where: Any) -> None:
        await self._client.patch(
            resource, name, {"status": status}, patch_type=PatchType.STRATEGIC, subresource="status", **where
        )


def _now() -> datetime:
    return datetime.fromtimestamp(clock.wall(), UTC)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m swimlb.lab.kubernetes.kubelet")
    parser.add_argument("--node", required=True)
    parser.add_argument("--index", required=True, type=int)
    parser.add_argument("--address", required=True, action="append")
    parser.add_argument("--kubeconfig", required=True, type=Path)
    options = parser.parse_args()

    async def with_client(client: Client) -> None:
        await Shell(client, options.node, tuple(options.address), PodRange(options.index)).run()

    run(options.kubeconfig, with_client)


if __name__ == "__main__":
    main()
