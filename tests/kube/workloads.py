"""Objects that tests apply, and what they wait for."""

from __future__ import annotations

from typing import Any

from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.kubernetes.plan import CONTROL
from swimlb.lab.waiting import wait_until

TIMEOUT = 30.0
FOLLOWED_WITHIN = 120.0
"""Of Kubernetes' own programs, which look at an API server again up to 60 s after they have found it away (client-go's reflector:
30 s, and as much again by chance). A test before may have taken it away."""
LAST_WORDS = 10
"""Lines of a log."""


def deployment(name: str, port: int, replicas: int = 2) -> dict[str, Any]:
    """Pods that answer HTTP and echo datagrams on the port, labelled with the name."""
    container = {
        "name": name,
        "image": name,
        "ports": [{"containerPort": port, "protocol": protocol} for protocol in ("UDP", "TCP")],
    }
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def service(
    name: str, port: int, *, app: str = "", annotations: dict[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    """A LoadBalancer Service with the port by TCP and UDP, for the Pods of that app (default: of its own name)."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "annotations": annotations or {}},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": app or name},
            "ports": [
                {"name": protocol.lower(), "port": port, "protocol": protocol} for protocol in ("UDP", "TCP")
            ],
            **spec,
        },
    }


def wait_for_pods(lab: KubernetesLab) -> set[str]:
    """The names of all Pods, once they are as many as the workloads ask for, and all are ready.

    They come one by one: the first may be ready before the second is there. And one that a test before has left may be about to go.
    """

    def are_there(answer: Any) -> bool:
        workloads, pods = _parted(answer)
        return len(pods) == sum(map(_wanted, workloads)) > 0 and all(map(_is_ready, pods))

    def waited_for(answer: Any) -> object:
        if isinstance(answer, str):
            return answer
        workloads, pods = _parted(answer)
        nodes = {pod["spec"].get("nodeName") for pod in pods if not _is_ready(pod)}
        return (
            {pod["metadata"]["name"]: (pod["spec"].get("nodeName"), pod["status"]) for pod in pods},
            {one["metadata"]["name"]: _wanted(one) for one in workloads},
            {node: last_words(lab, "kubelet", node) for node in nodes if node},
            last_words(lab, "scheduler", CONTROL.name),
        )

    answer = lab.kubectl.wait_for(
        "deployments,daemonsets,pods",
        until=are_there,
        timeout=FOLLOWED_WITHIN,
        description="Pods to be ready",
        seen=waited_for,
    )
    return {pod["metadata"]["name"] for pod in _parted(answer)[1]}


def _parted(answer: Any) -> tuple[list[Any], list[Any]]:
    """Workloads and Pods."""
    workloads = [one for one in answer["items"] if one["kind"] != "Pod"]
    return workloads, [one for one in answer["items"] if one["kind"] == "Pod"]


def _wanted(workload: Any) -> int:
    """How many Pods a Deployment asks for, or a DaemonSet, once the cluster has followed it."""
    if workload["kind"] == "Deployment":
        return workload["spec"]["replicas"]
    return workload["status"]["desiredNumberScheduled"]


def _is_ready(pod: Any) -> bool:
    conditions = pod["status"].get("conditions", ())
    return "deletionTimestamp" not in pod["metadata"] and any(
        one["type"] == "Ready" and one["status"] == "True" for one in conditions
    )


def last_words(lab: KubernetesLab, program: str, host: str) -> list[str]:
    """The end of the log of one of the cluster's programs."""
    return (lab.sandbox.home / f"{program}-{host}" / "log").read_text().splitlines()[-LAST_WORDS:]


def wait_for_proxies(lab: KubernetesLab, address: str) -> None:
    """Until the kube-proxy of every node carries packets to the address on to Pods."""

    def carries(node: str) -> bool:
        rules = lab.sandbox.run(node, "nft", "list", "table", "ip", "kube-proxy").splitlines()
        return any(address in rule and "reject" not in rule for rule in rules)

    for node in lab.network.nodes:
        wait_until(
            lambda node=node: carries(node.name),
            timeout=FOLLOWED_WITHIN,
            what=f"the kube-proxy of {node.name} to know {address}",
            interval=0.2,
        )


def address_of(lab: KubernetesLab, name: str, timeout: float = TIMEOUT) -> str:
    """The first address of a Service, once it has one."""
    answer = lab.kubectl.wait_for(
        *("service", name),
        until=lambda one: one["status"]["loadBalancer"].get("ingress"),
        timeout=timeout,
        description=f"an address of {name}",
    )
    return answer["status"]["loadBalancer"]["ingress"][0]["ip"]


def owner_of(lab: KubernetesLab, address: str, timeout: float = TIMEOUT) -> str:
    """The node that all speakers hold for the owner, once they agree that there is one."""

    def agreed() -> str | None:
        owners = {one.owner_of(address) if one is not None else None for one in lab.statuses().values()}
        return owners.pop() if len(owners) == 1 else None

    return wait_until(
        agreed, timeout=timeout, what=f"an owner of {address}", seen=lambda: explain(lab), interval=0.1
    )


def explain(lab: KubernetesLab) -> str:
    """What each speaker says of the Services."""
    return "; ".join(
        f"{name}: {one and (one.source, [(svc.name, svc.state, svc.reason) for svc in one.services], one.l2)}"
        for name, one in lab.statuses().items()
    )
