"""What tests on a real Kubernetes share: one cluster for all of them, ours running in it or not, and a clean table.

The programs come from `make kube-tools`; where they are missing, tests fail and say so.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swimlb.lab.kubernetes.installation import NAMESPACE
from swimlb.lab.kubernetes.lab import KubernetesLab, network
from swimlb.lab.sandbox import Sandbox
from tests.kube.workloads import FOLLOWED_WITHIN

BASE = Path("/run/swimlb-lab-tests")
WALKTHROUGH = Path(__file__).parents[2] / "examples" / "walkthrough"

JOIN_TIMEOUT = 90.0
"""A whole cluster starts beside the speakers."""

OUR_KINDS = (
    *("ipaddresspools", "l2advertisements", "bgpadvertisements", "bgppeers", "bfdprofiles", "communities"),
    *("servicel2statuses", "servicebgpstatuses", "configurationstates"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    # For minutes after it has made and removed hundreds of Services, kube-proxies are slow to follow what others make.
    items.sort(key=lambda item: item.name.startswith(("test_fifty_kills", "test_requests_grow")))
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.netns)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="builds network namespaces, which only root may"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[KubernetesLab]:
    """Three Nodes, our kinds and roles installed, and nothing of ours running. A test that breaks something mends it."""
    with Sandbox.create(f"kube-{secrets.token_hex(3)}", BASE) as sandbox:
        lab = KubernetesLab(sandbox, network())
        lab.build_cluster()
        lab.installation.apply()
        lab.cluster.wait_until_ready()
        yield lab


@pytest.fixture(scope="module")
def running(cluster: KubernetesLab) -> Iterator[KubernetesLab]:
    """The cluster with our controller and a speaker on each node, for the module's tests; ended after them."""
    cluster.start_ours()
    try:
        cluster.wait_until_joined(JOIN_TIMEOUT)
        yield cluster
    finally:
        cluster.end_ours()
        clear(cluster)


@pytest.fixture
def lab(running: KubernetesLab) -> Iterator[KubernetesLab]:
    """Everything runs, and nothing is configured; what the test applies is removed after it."""
    try:
        yield running
    finally:
        clear(running)


@pytest.fixture
def namespace(cluster: KubernetesLab) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", name)
    try:
        yield name
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")


def clear(lab: KubernetesLab) -> None:
    """Remove what tests apply: workloads and Services of the default namespace, and our configuration.

    What follows from these too, which Kubernetes collects by itself: for a minute after it has found the API server away it does
    not, and the next test's Service, of the same name, would be served by Pods that are about to go.
    """
    _scale_down(lab)
    quietly = ("--wait", "--timeout=30s", "--ignore-not-found")
    lab.kubectl("delete", "deployments,daemonsets,statefulsets,replicasets", "--all", *quietly)
    lab.kubectl("delete", "pods", "--all", *quietly)
    for kind in ("services", "endpointslices"):
        lab.kubectl("delete", kind, "--field-selector", "metadata.name!=kubernetes", *quietly)
    lab.kubectl("-n", NAMESPACE, "delete", ",".join(OUR_KINDS), "--all", *quietly)


def _scale_down(lab: KubernetesLab) -> None:
    """Have Deployments ask for no Pods, until what follows them has seen that.

    Who sees a ReplicaSet deleted before its Deployment makes it anew, with Pods that would serve the next test beside its own.
    """

    def is_followed(deployment: Any) -> bool:
        status = deployment["status"]
        is_seen = status.get("observedGeneration") == deployment["metadata"]["generation"]
        return is_seen and not status.get("replicas")

    if not lab.kubectl.json("get", "deployments")["items"]:
        return
    lab.kubectl("scale", "deployments", "--all", "--replicas=0")
    lab.kubectl.wait_for(
        "deployments",
        until=lambda answer: all(map(is_followed, answer["items"])),
        timeout=FOLLOWED_WITHIN,
        description="Deployments to ask for nothing",
    )
