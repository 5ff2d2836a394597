"""Pods go where kube-scheduler would put them, as far as the lab's manifests can tell the difference."""

from __future__ import annotations

from typing import Any

import msgspec

from swimlb.lab.kubernetes.objects import Node, Pod
from swimlb.lab.kubernetes.placement import place, takes_pods

TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}


def node(name: str, *, ready: str = "True", **spec: Any) -> Node:
    item = {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": spec,
        "status": {
            "conditions": [{"type": "DiskPressure", "status": "False"}, {"type": "Ready", "status": ready}]
        },
    }
    return msgspec.convert(item, Node)


def pod(node_name: str = "", app: str = "web", **spec: Any) -> Pod:
    item = {"metadata": {"name": "pod", "labels": {"app": app}}, "spec": {"nodeName": node_name, **spec}}
    return msgspec.convert(item, Pod)


def of_daemon_set(node_name: str) -> Pod:
    """As the DaemonSet controller makes it."""
    field = {"key": "metadata.name", "operator": "In", "values": [node_name]}
    required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    item = {
        "metadata": {"name": "pod", "ownerReferences": [{"kind": "DaemonSet"}]},
        "spec": {
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}},
            "tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}],
        },
    }
    return msgspec.convert(item, Pod)


def test_spreads_replicas() -> None:
    nodes = [node("node-a"), node("node-b"), node("node-c")]
    placed = [pod("node-a"), pod("node-c"), pod("node-b", app="dns")]

    assert place(pod(), nodes, placed) == "node-b"


def test_waits_for_a_node_that_is_ready() -> None:
    assert place(pod(), [node("node-a", ready="Unknown")], []) is None


def test_avoids_a_cordoned_node() -> None:
    assert place(pod(), [node("node-a", unschedulable=True), node("node-b")], []) == "node-b"


def test_goes_to_the_node_that_has_the_labels() -> None:
    wish = pod(nodeSelector={"kubernetes.io/hostname": "node-b"})

    assert place(wish, [node("node-a"), node("node-b")], []) == "node-b"


def test_a_daemon_sets_pod_goes_to_its_node_though_it_is_cordoned() -> None:
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    nodes = [node("node-a"), node("node-b", unschedulable=True, taints=[cordon])]

    assert place(of_daemon_set("node-b"), nodes, []) == "node-b"


def test_minds_taints_unless_they_are_tolerated() -> None:
    nodes = [node("node-a", taints=[TAINT])]
    tolerant = pod(tolerations=[{"key": TAINT["key"], "operator": "Exists", "effect": "NoSchedule"}])

    assert place(pod(), nodes, []) is None
    assert place(tolerant, nodes, []) == "node-a"
    assert place(pod(tolerations=[{"operator": "Exists"}]), nodes, []) == "node-a"


def test_a_node_that_takes_any_pod() -> None:
    assert takes_pods(node("node-a"))
    assert not takes_pods(node("node-a", ready="False"))
    assert not takes_pods(node("node-a", taints=[TAINT]))
