"""Which node a Pod goes to: the part of kube-scheduler's rules that the lab's manifests use, as a pure function.

A node fits when it is ready and not cordoned, has the labels of the Pod's nodeSelector, is the one that a DaemonSet's Pod
asks for by its node affinity, and has no taint that the Pod does not tolerate. Of those that fit, the one with the
fewest Pods of the same labels is taken: replicas spread over the nodes.
"""

from __future__ import annotations

from collections.abc import Iterable

from swimlb.lab.kubernetes.objects import Node, Pod, PodSpec, Taint


def place(pod: Pod, nodes: Iterable[Node], placed: Iterable[Pod]) -> str | None:
    """The name of the node for this Pod, given all Pods that have one; None: no node fits now."""
    load = {node.metadata.name: 0 for node in nodes if _fits(pod, node)}
    for other in placed:
        if other.spec.node_name in load and other.metadata.labels == pod.metadata.labels:
            load[other.spec.node_name] += 1
    return min(load, key=lambda name: (load[name], name), default=None)


def takes_pods(node: Node) -> bool:
    """Whether it takes Pods that ask for nothing."""
    return node.is_ready and not node.spec.unschedulable and not node.spec.taints


def _fits(pod: Pod, node: Node) -> bool:
    wanted = _affine_node(pod.spec)
    return (
        ((node.is_ready and not node.spec.unschedulable) or _is_of_daemon_set(pod))
        and all(node.metadata.labels.get(key) == value for key, value in pod.spec.node_selector.items())
        and wanted in (None, node.metadata.name)
        and all(_is_tolerated(taint, pod.spec) for taint in node.spec.taints)
    )


def _is_of_daemon_set(pod: Pod) -> bool:
    return any(one.kind == "DaemonSet" for one in pod.metadata.owner_references)


def _affine_node(spec: PodSpec) -> str | None:
    """The node's name in the affinity that the DaemonSet controller writes."""
    affinity = spec.affinity.node_affinity if spec.affinity is not None else None
    if affinity is None or affinity.required is None:
        return None
    for term in affinity.required.node_selector_terms:
        for field in term.match_fields:
            if field.key == "metadata.name" and field.operator == "In":
                return field.values[0]
    return None


def _is_tolerated(taint: Taint, spec: PodSpec) -> bool:
    return taint.effect == "PreferNoSchedule" or any(
        one.key in ("", taint.key)
        and one.effect in ("", taint.effect)
        and (one.operator == "Exists" or one.value == taint.value)
        for one in spec.tolerations
    )
