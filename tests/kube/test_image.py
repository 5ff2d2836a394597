"""The image, as a kubelet would run it: with exactly the security context that the chart gives, on a real API server."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from swimlb.cli.manifests import delivered, new_gossip_secret
from swimlb.lab.http import get_from
from swimlb.lab.kubernetes.installation import CONTROLLER, NAMESPACE, SPEAKER
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.kubernetes.plan import CONTROL
from swimlb.lab.topology import INSIDE
from swimlb.lab.waiting import wait_until
from tests.kube.conftest import clear
from tests.kube.fleet import configuration
from tests.kube.runc import Runc
from tests.kube.workloads import FOLLOWED_WITHIN, address_of, deployment, service, wait_for_pods

ARCHIVE = Path(__file__).parents[2] / "dist/swimlb.oci.tar"
PORT = 8080
WITHIN = FOLLOWED_WITHIN
STOPPED_WITHIN = 25.0
"""Less than the grace period of the chart."""
COMPLAINTS = {
    *("precedence_refused", "realtime_refused", "listen_failed", "write_refused", "lease_refused"),
    *("webhook_certificate_missing", "credentials_readable"),
}
_CAPABILITIES = {"NET_BIND_SERVICE": 10, "NET_ADMIN": 12, "NET_RAW": 13, "SYS_NICE": 23}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Contained:
    """A Pod of the chart, and what stands for its volumes."""

    pod: Json
    host: str
    volumes: Mapping[str, Path]


@pytest.fixture(scope="module")
def runc(cluster: KubernetesLab) -> Iterator[Runc]:
    assert ARCHIVE.exists(), "build it with `make image`"
    with Runc(cluster.sandbox, cluster.control_plane, ARCHIVE) as runc:
        yield runc


@pytest.fixture(scope="module")
def pods(cluster: KubernetesLab) -> Iterator[Mapping[str, Contained]]:
    """The speaker of the first node, and a controller: as the API server has their Pods."""
    kubectl, node = cluster.kubectl, cluster.network.nodes[0].name
    workloads = [one for one in yaml.safe_load_all(delivered()) if one["kind"] in ("DaemonSet", "Deployment")]
    secret = new_gossip_secret(NAMESPACE)
    kubectl.apply_objects([secret, *workloads])
    try:
        speaker, controller = _pod(cluster, SPEAKER, node), _pod(cluster, CONTROLLER)
        # It has the network of the control plane's machine, where the lab has nothing else on its ports.
        controller["status"]["podIP"] = CONTROL.address
        home = cluster.sandbox.home / "volumes"
        volumes = {name: home / name for name in ("gossip-secret", "run", "state")}
        for directory in volumes.values():
            directory.mkdir(parents=True)
        data = kubectl.json("get", "secret", secret["metadata"]["name"], "-n", NAMESPACE)["data"]
        for name, value in data.items():
            file = volumes["gossip-secret"] / name
            file.touch(mode=0o400)
            file.write_bytes(base64.b64decode(value))
        yield {
            "speaker": Contained(speaker, node, volumes),
            "controller": Contained(controller, CONTROL.name, {}),
        }
    finally:
        kubectl(
            "-n", NAMESPACE, "delete", f"daemonset/{SPEAKER}", f"deployment/{CONTROLLER}", "secret/memberlist"
        )
        kubectl("-n", NAMESPACE, "delete", "pods", "--all", "--wait", "--timeout=30s")


def _pod(lab: KubernetesLab, owner: str, node: str | None = None) -> Json:
    """One on that node; None: on any. The kubelets of a DaemonSet's Pods are not equally fast."""

    def found(pod: Json) -> bool:
        is_owned = any(one["name"].startswith(owner) for one in pod["metadata"].get("ownerReferences", ()))
        is_there = node is None or pod["spec"].get("nodeName") == node
        return is_owned and is_there and bool(pod["status"].get("podIP"))

    answer = lab.kubectl.wait_for(
        *("pods", "-n", NAMESPACE),
        until=lambda answer: any(map(found, answer["items"])),
        timeout=WITHIN,
        description=f"a Pod of {owner}",
    )
    return next(pod for pod in answer["items"] if found(pod))


@pytest.mark.parametrize("component", ["controller", "speaker"])
def test_tells_what_it_can_do(runc: Runc, pods: Mapping[str, Contained], component: str) -> None:
    one = pods[component]

    told = runc.run(f"help-{component}", one.pod, one.host, one.volumes, component, "--help")

    assert f"Usage: swimlb {component}" in told


def test_serves_a_service_with_what_the_chart_allows_it_and_no_more(
    cluster: KubernetesLab, runc: Runc, pods: Mapping[str, Contained]
) -> None:
    """An address from the controller's container, announced by the speaker's, until it is told to stop."""
    cluster.kubectl.apply_objects([*configuration(), deployment("web", PORT), service("web", PORT)])
    try:
        for name, one in pods.items():
            runc.start(name, one.pod, one.host, one.volumes)
        wait_for_pods(cluster)
        address = address_of(cluster, "web", WITHIN)
        client = cluster.sandbox.namespace(INSIDE.name)

        def answers() -> bool:
            try:
                return get_from(client, address, PORT).status == 200
            except OSError:
                return False

        wait_until(answers, timeout=WITHIN, what="the Service to answer", interval=0.2)
        api = pods["speaker"].volumes["run"] / "api.sock"
        wait_until(api.exists, timeout=WITHIN, what="the speaker to be asked")
        # Who knows the address's last owner reaches the Service by it, too.
        wait_until(
            lambda: address in runc.execute("speaker", "/usr/local/bin/swimlb", "status"),
            timeout=WITHIN,
            what="the speaker to have the address",
            interval=0.5,
        )
        _check(
            runc,
            "speaker",
            bounded=("NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW", "SYS_NICE"),
            user=0,
            processes=3,
        )
        _check(runc, "controller", bounded=(), user=65534, processes=1)
        wait_until(
            lambda: os.SCHED_RR in map(os.sched_getscheduler, runc.processes("speaker")),
            timeout=WITHIN,
            what="a process of the speaker to be real-time",
            seen=lambda: _events(runc, "speaker"),
        )
        wait_until(
            lambda: "webhook_certificate_loaded" in _events(runc, "controller"),
            timeout=WITHIN,
            what="the webhooks to have a certificate",
            seen=lambda: _events(runc, "controller"),
        )
        for name in pods:
            runc.stop(name, STOPPED_WITHIN)
            assert _complaints(runc, name) == []
    finally:
        clear(cluster)


def _check(runc: Runc, name: str, *, bounded: tuple[str, ...], user: int, processes: int) -> None:
    """By the kernel's own word, of every process in the container."""
    bound = sum(1 << _CAPABILITIES[one] for one in bounded)
    pids = runc.processes(name)
    assert len(pids) == processes
    for pid in pids:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        status = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
        assert status["Uid"] == [str(user)] * 4
        assert int(status["CapBnd"][0], 16) | bound == bound
        assert status["NoNewPrivs"] == ["1"]
        assert status["Seccomp"] == ["2"]


def _lines(runc: Runc, name: str) -> list[Json]:
    return [json.loads(line) for line in runc.log(name).read_text().splitlines()]


def _events(runc: Runc, name: str) -> set[str]:
    return {line["event"] for line in _lines(runc, name)}


def _complaints(runc: Runc, name: str) -> list[Json]:
    """What the container has not got, or may not do. That the API server is busy for a moment is none of its."""
    return [line for line in _lines(runc, name) if line["event"] in COMPLAINTS]
