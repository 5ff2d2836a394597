"""One running system for all BGP scenarios, with sessions to four routers that stand all the time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from swimlb.lab.kubernetes.lab import KubernetesLab
from tests.kube import conftest as kube
from tests.kube.e2e import metrics
from tests.kube.e2e.api import Api
from tests.kube.e2e.bgp.routers import Routers
from tests.kube.e2e.bgp.scene import PAIR, Scene
from tests.kube.e2e.objects import PORT, workload
from tests.kube.workloads import deployment, wait_for_pods


@pytest.fixture(scope="package")
def system(cluster: KubernetesLab) -> Iterator[KubernetesLab]:
    """Addresses are given back without a quarantine: the next test has them again."""
    before = cluster.options, cluster.controller_options
    cluster.options, cluster.controller_options = metrics.OPTIONS, ("--quarantine", "0", *metrics.OPTIONS)
    try:
        cluster.start_ours()
        cluster.wait_until_joined(kube.JOIN_TIMEOUT)
        yield cluster
    finally:
        cluster.options, cluster.controller_options = before
        cluster.end_ours()
        kube.clear(cluster)


@pytest.fixture(scope="package")
def scene(system: KubernetesLab, admin: Api) -> Iterator[Scene]:
    routers = Routers(system)
    routers.build()
    try:
        admin.apply(workload(), deployment(PAIR, PORT))
        scene = Scene(system, admin, routers)
        scene.stand()
        wait_for_pods(system)
        yield scene
    finally:
        routers.close()


@pytest.fixture
def bgp(scene: Scene) -> Iterator[Scene]:
    """The peers that stand, and nothing else; what the test applies is gone after it."""
    try:
        yield scene
    finally:
        scene.clear()
