"""The lab's cluster does what users of Kubernetes take for granted, before anything of ours runs in it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from swimlb.lab import http
from swimlb.lab.errors import LabError
from swimlb.lab.kubernetes.detour import Detour
from swimlb.lab.kubernetes.detour_words import Faults
from swimlb.lab.kubernetes.installation import NAMESPACE, SPEAKER
from swimlb.lab.kubernetes.kubectl import Kubectl
from swimlb.lab.kubernetes.kubelet.objects import UNREADY_ANNOTATION
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.kubernetes.plan import CONTROL
from swimlb.lab.waiting import pause, wait_until
from tests.kube.conftest import WALKTHROUGH, clear
from tests.kube.workloads import FOLLOWED_WITHIN

ANSWER_TIMEOUT = FOLLOWED_WITHIN


@pytest.fixture
def kubernetes(cluster: KubernetesLab) -> Iterator[KubernetesLab]:
    try:
        yield cluster
    finally:
        clear(cluster)


def deploy(lab: KubernetesLab) -> list[Any]:
    """The walkthrough's workload, running; its Pods."""
    lab.kubectl.apply(WALKTHROUGH / "nginx.yaml")
    ready = lab.kubectl.wait_for(
        "pods", until=running_pods(3), timeout=ANSWER_TIMEOUT, description="three Pods to be ready"
    )
    return ready["items"]


def running_pods(count: int) -> Any:
    def judge(answer: Any) -> bool:
        return [is_ready(pod) for pod in answer["items"]] == [True] * count

    return judge


def is_ready(pod: Any) -> bool:
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", ())}
    return conditions.get("Ready") == "True"


def answers(lab: KubernetesLab, host: str, address: str, port: int, requests: int = 30) -> Counter[str]:
    """Who answers a host, by name, once the first one has."""

    def ask() -> str | None:
        try:
            return http.get_from(lab.sandbox.namespace(host), address, port).text
        except OSError:
            return None

    wait_until(ask, timeout=ANSWER_TIMEOUT, what=f"{address}:{port} to answer {host}")
    return Counter(http.get_from(lab.sandbox.namespace(host), address, port).text for _ in range(requests))


def test_pods_are_spread_and_answer_on_their_addresses(kubernetes: KubernetesLab) -> None:
    pods = deploy(kubernetes)

    nodes = {pod["spec"]["nodeName"] for pod in pods}
    addresses = {pod["metadata"]["name"]: [one["ip"] for one in pod["status"]["podIPs"]] for pod in pods}

    assert nodes == {node.name for node in kubernetes.network.nodes}
    for name, (address, address6) in addresses.items():
        for node in nodes:
            assert set(answers(kubernetes, node, address, 80, requests=1)) == {name}
            assert set(answers(kubernetes, node, address6, 80, requests=1)) == {name}


def test_a_cluster_address_reaches_every_pod_from_every_node(kubernetes: KubernetesLab) -> None:
    names = {pod["metadata"]["name"] for pod in deploy(kubernetes)}
    service = kubernetes.kubectl.json("get", "service", "nginx-svc")

    for node in kubernetes.network.nodes:
        wait_until(
            lambda node=node: (
                set(answers(kubernetes, node.name, service["spec"]["clusterIP"], 8080)) == names
            ),
            timeout=ANSWER_TIMEOUT,
            what=f"the kube-proxy of {node.name} to know all Pods",
        )


def test_a_pod_that_is_not_ready_gets_nothing(kubernetes: KubernetesLab) -> None:
    names = [pod["metadata"]["name"] for pod in deploy(kubernetes)]
    address = kubernetes.kubectl.json("get", "service", "nginx-svc")["spec"]["clusterIP"]
    answers(kubernetes, "master-01", address, 8080)

    kubernetes.kubectl("annotate", "pod", names[0], f"{UNREADY_ANNOTATION}=true")

    wait_until(
        lambda: set(answers(kubernetes, "master-01", address, 8080)) == set(names[1:]),
        timeout=ANSWER_TIMEOUT,
        what="the Pod to get no more requests",
    )


def test_a_pod_that_was_held_for_unready_is_ready_again(kubernetes: KubernetesLab) -> None:
    """The controller of Nodes does so when the API server was away for long enough, and leaves the rest to kubelets."""
    name = deploy(kubernetes)[0]["metadata"]["name"]
    held = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}

    kubernetes.kubectl("patch", "pod", name, "--subresource=status", "--patch", json.dumps(held))

    kubernetes.kubectl.wait_for("pod", name, until=is_ready, timeout=ANSWER_TIMEOUT, description="the Pod")


def test_pods_follow_the_scale_of_their_deployment(kubernetes: KubernetesLab) -> None:
    deploy(kubernetes)

    kubernetes.kubectl("scale", "deployment", "nginx-app", "--replicas", "1")

    left = kubernetes.kubectl.wait_for(
        "pods", until=running_pods(1), timeout=ANSWER_TIMEOUT, description="one Pod to be left"
    )
    address = left["items"][0]["status"]["podIP"]
    assert set(answers(kubernetes, "worker-01", address, 80)) == {left["items"][0]["metadata"]["name"]}


def test_a_node_without_heartbeat_is_not_ready_until_it_is_back(kubernetes: KubernetesLab) -> None:
    kubernetes.cluster.stop_kubelet("worker-02")
    try:
        kubernetes.kubectl.wait_for(
            *("node", "worker-02"), until=lambda node: not is_ready(node), timeout=30, description="the loss"
        )
    finally:
        kubernetes.cluster.start_kubelet("worker-02")

    kubernetes.cluster.wait_until_ready()


def test_a_service_account_may_do_what_its_roles_say_and_no_more(kubernetes: KubernetesLab) -> None:
    access = kubernetes.control_plane.account(NAMESPACE, SPEAKER)
    speaker = Kubectl(kubernetes.sandbox, CONTROL.name, access)

    assert speaker.json("get", "services")["items"]
    with pytest.raises(LabError, match="Forbidden"):
        speaker("create", "namespace", "forbidden")


def test_the_detour_delays_and_refuses(kubernetes: KubernetesLab) -> None:
    detour = Detour(kubernetes.sandbox, kubernetes.control_plane)
    detour.start()
    try:
        access = kubernetes.control_plane.account(NAMESPACE, SPEAKER, server=detour.server)
        speaker = Kubectl(kubernetes.sandbox, CONTROL.name, access)
        assert speaker.json("get", "services")["items"]

        detour.suffer(Faults(refused_percent=100))
        with pytest.raises(LabError):  # kubectl tries again until its time is up.
            speaker("get", "services", "--request-timeout=2s")

        detour.suffer(Faults())
        assert speaker.json("get", "services")["items"]
        tally = detour.tally()
        assert tally.requests["GET /api/v1/namespaces/*/services"] >= 3
        assert tally.refused >= 1
    finally:
        detour.stop()


def test_the_api_server_goes_and_comes_and_pods_do_not_mind(kubernetes: KubernetesLab) -> None:
    names = {pod["metadata"]["name"] for pod in deploy(kubernetes)}
    address = kubernetes.kubectl.json("get", "service", "nginx-svc")["spec"]["clusterIP"]
    answers(kubernetes, "master-01", address, 8080)

    kubernetes.control_plane.kill_api()
    try:
        pause(1.0)
        without = set(answers(kubernetes, "master-01", address, 8080))
    finally:
        kubernetes.control_plane.start_api()

    assert without == names
    kubernetes.cluster.wait_until_ready()
