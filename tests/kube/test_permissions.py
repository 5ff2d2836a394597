"""The chart's roles are what our controller and speakers ask a real API server for: nothing is refused, nothing is unused."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from swimlb.cli.manifests import delivered, new_gossip_secret
from swimlb.lab.kubernetes import audit
from swimlb.lab.kubernetes.audit import Asked
from swimlb.lab.kubernetes.lab import CONTROLLER, KubernetesLab, network
from swimlb.lab.kubernetes.metallb import NAMESPACE
from swimlb.lab.kubernetes.plan import CONTROL
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import pause, wait_until
from tests.kube.fleet import ADDRESSES, configuration, our_speakers, run_options, services, workload

BASE = Path("/run/swimlb-lab-tests")
WITHIN = 60.0
PEERING = "beyond"

ONLY_SOMETIMES = {
    (
        "controller",
        "create",
        "configurationstates",
    ): "server-side apply asks for it beside patch, in one request",
    ("controller", "patch", "configurationstates"): "as above, where the object is made with it",
    ("controller", "get", "services"): "when it is not known whether a write was done",
    ("controller", "patch", "events"): "when something happens again",
    ("speaker", "patch", "events"): "when something happens again",
    ("controller", "patch", "secrets"): "when the certificate is renewed",
    ("controller", "get", "leases"): "when a write of it was refused",
}
"""What a story of a minute does not come to. Lists, too: an API server that streams them is not asked for any."""


@pytest.fixture(scope="module")
def lab() -> Iterator[KubernetesLab]:
    """A cluster of its own, with our delivered manifests; its audit log holds what this module does, and nothing else."""
    with Sandbox.create(f"allowed-{secrets.token_hex(3)}", BASE) as sandbox:
        lab = KubernetesLab(sandbox, network(2))
        lab.build_cluster()
        lab.kubectl.apply_objects(manifests(), "--server-side")
        lab.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        lab.kubectl.apply_objects([new_gossip_secret(NAMESPACE), controller_pod(lab.network.nodes[0].name)])
        lab.cluster.wait_until_ready()
        yield lab


def manifests() -> list[dict[str, Any]]:
    """All but the Deployment, whose Pods the lab has no processes for."""
    return [one for one in yaml.safe_load_all(delivered()) if one and one["kind"] != "Deployment"]


def controller_pod(node: str) -> dict[str, Any]:
    """Stands for the Pod of the controller: what it writes is owned by it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": CONTROLLER, "namespace": NAMESPACE},
        "spec": {
            "nodeName": node,
            "hostNetwork": True,
            "containers": [{"name": "controller", "image": "none"}],
        },
    }


def peering() -> list[dict[str, Any]]:
    """A router that nobody answers at, by a password in a Secret, and an advertisement to it."""
    head = {"metadata": {"name": PEERING, "namespace": NAMESPACE}}
    peer = {"myASN": 64500, "peerASN": 64501, "peerAddress": "192.168.3.99"}
    secret = {"type": "kubernetes.io/basic-auth", "stringData": {"username": "", "password": "open"}}
    return [
        {**head, **secret, "apiVersion": "v1", "kind": "Secret"},
        {
            **head,
            "apiVersion": "metallb.io/v1beta2",
            "kind": "BGPPeer",
            "spec": {**peer, "passwordSecret": {"name": PEERING}},
        },
        {**head, "apiVersion": "metallb.io/v1beta1", "kind": "BGPAdvertisement"},
    ]


def test_nothing_is_refused_and_nothing_is_unused(lab: KubernetesLab) -> None:
    """From the first start to the last stop: configuration, Services, webhooks, an owner that dies, objects that go."""
    speakers, kubectl = our_speakers(lab), lab.kubectl
    first, second = (node.name for node in lab.network.nodes)
    lab.start_controller(
        CONTROLLER,
        *("--pod-name", CONTROLLER, "--webhook-port", "9443", "--webhook-host", CONTROL.address),
    )
    for node in (first, second):
        speakers.start(node, *run_options(lab, node))
    kubectl.apply_objects([*workload(), *configuration(), *peering(), *services()])
    statuses(lab, "servicel2statuses", len(ADDRESSES))
    statuses(lab, "servicebgpstatuses", 2 * len(ADDRESSES))
    speakers.kill(first)
    wait_until(
        lambda: nodes_of(lab, "servicel2statuses") == {second}, timeout=WITHIN, what="the other to take over"
    )
    speakers.start(first, *run_options(lab, first))
    wait_until(
        lambda: nodes_of(lab, "servicel2statuses") == {first, second},
        timeout=WITHIN,
        what="the first to be back",
    )
    kubectl("-n", NAMESPACE, "delete", "bgpadvertisement", PEERING)
    statuses(lab, "servicebgpstatuses", 0)
    kubectl("-n", NAMESPACE, "delete", "configurationstates", "--all")
    statuses(lab, "configurationstates", 3)
    kubectl("delete", "service", "echo-0")
    statuses(lab, "servicel2statuses", len(ADDRESSES) - 1)
    for node in (first, second):
        speakers.stop(node)
    lab.stop_controller()
    pause(1.0)  # The API server writes its log a moment later.

    asked = list(audit.read(lab.control_plane.audit_log.read_text().splitlines(keepends=True)))
    allowed = audit.allowed(manifests())
    assert sorted(str(one.asked) for one in asked if one.is_refused) == []
    unused = allowed - {one.asked for one in asked}
    assert sorted(str(one) for one in unused if not is_excused(one, allowed)) == []


def is_excused(one: Asked, allowed: frozenset[Asked]) -> bool:
    watched = Asked(one.account, "watch", one.group, one.resource)
    component = one.account.rpartition("-")[2]
    return (one.verb == "list" and watched in allowed) or (
        component,
        one.verb,
        one.resource,
    ) in ONLY_SOMETIMES


def statuses(lab: KubernetesLab, kind: str, count: int) -> None:
    lab.kubectl.wait_for(
        *(kind, "--all-namespaces"),
        until=lambda answer: len(answer["items"]) == count,
        timeout=WITHIN,
        description=f"{count} {kind}",
    )


def nodes_of(lab: KubernetesLab, kind: str) -> set[str]:
    items = lab.kubectl.json("get", kind, "--all-namespaces")["items"]
    return {one.get("status", {}).get("node", "") for one in items}
