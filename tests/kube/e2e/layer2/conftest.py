"""The one system that all scenarios of layer 2 share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.observers import Referee
from tests.kube.conftest import JOIN_TIMEOUT
from tests.kube.e2e import metrics
from tests.kube.e2e.api import Api
from tests.kube.e2e.layer2.lan import NODES, POOL, RANGES, Lan
from tests.kube.e2e.objects import APP, pool, workload


@pytest.fixture(scope="package")
def system(cluster: KubernetesLab, admin: Api) -> Iterator[Lan]:
    """Controller, speakers and Pods. Addresses are another test's a minute later, at the earliest."""
    before = cluster.options, cluster.controller_options
    cluster.options, cluster.controller_options = metrics.OPTIONS, metrics.OPTIONS
    try:
        cluster.start_ours()
        admin.apply(workload())
        cluster.wait_until_joined(JOIN_TIMEOUT)
        pods = admin.wait("Pod", pods_of_all_nodes, "a Pod on every node", labels=f"app={APP}")
        with Referee(cluster.sandbox) as referee:
            yield Lan(cluster, admin, referee, pods)
    finally:
        cluster.options, cluster.controller_options = before
        cluster.end_ours()
        admin.delete("DaemonSet", APP)
        admin.wait("Pod", lambda left: not left, "all Pods to be gone", labels=f"app={APP}")


def pods_of_all_nodes(pods: list[Any]) -> Mapping[str, str] | None:
    """The Pod of each node, once all are ready."""
    found = {
        one["spec"].get("nodeName"): one["metadata"]["name"]
        for one in pods
        if any(c["type"] == "Ready" and c["status"] == "True" for c in one["status"].get("conditions", ()))
    }
    return found if set(found) == set(NODES) else None


@pytest.fixture
def lan(system: Lan, api: Api) -> Lan:
    """A pool with addresses of both families, and no advertisement yet."""
    api.apply(pool(POOL, *RANGES.values()))
    return system
