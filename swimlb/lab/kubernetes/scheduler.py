"""The lab's scheduler: binds Pods that have no node, as `placement` says.

python -m swimlb.lab.kubernetes.scheduler --kubeconfig FILE
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from swimlb.kube.client import Client
from swimlb.kube.errors import AlreadyExists, Conflict, NotFound
from swimlb.kube.resources import NODES, PODS
from swimlb.lab.kubernetes.asking import FROM_CACHE, every, run
from swimlb.lab.kubernetes.objects import Node, Pod
from swimlb.lab.kubernetes.placement import place

LOOK_INTERVAL = 0.2


async def schedule(client: Client) -> None:
    """One look at all Pods without a node."""
    waiting = await client.list(PODS, field_selector="spec.nodeName=", resource_version=FROM_CACHE, into=Pod)
    if not waiting.items:
        return
    nodes: tuple[Node, ...] = (await client.list(NODES, resource_version=FROM_CACHE, into=Node)).items
    # Not from the cache: what has just been bound has to be counted.
    placed: list[Pod] = list((await client.list(PODS, field_selector="spec.nodeName!=", into=Pod)).items)
    for pod in waiting.items:
        await _bind(client, pod, nodes, placed)


async def _bind(client: Client, pod: Pod, nodes: Sequence[Node], placed: list[Pod]) -> None:
    node = place(pod, nodes, placed)
    if node is None or pod.metadata.deletion_timestamp is not None:
        return
    name, namespace = pod.metadata.name, pod.metadata.namespace
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    }
    with suppress(AlreadyExists, Conflict, NotFound):  # The cache was behind: it is bound, or gone.
        await client.create(PODS, binding, namespace=namespace, name=name, subresource="binding")
        pod.spec.node_name = node
        placed.append(pod)


async def _main(client: Client) -> None:
    await every(LOOK_INTERVAL, lambda: schedule(client))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m swimlb.lab.kubernetes.scheduler")
    parser.add_argument("--kubeconfig", required=True, type=Path)
    options = parser.parse_args()
    run(options.kubeconfig, _main)


if __name__ == "__main__":
    main()
