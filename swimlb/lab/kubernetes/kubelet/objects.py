"""The objects that a kubelet reads and writes, between JSON and the core's words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from swimlb.lab.kubernetes.kubelet.core import Addresses, Pod
from swimlb.lab.kubernetes.objects import Pod as Item
from swimlb.lab.kubernetes.plan import PodRange

Json = dict[str, Any]

LEASE_NAMESPACE = "kube-node-lease"
LEASE_DURATION_S = 8
UNREADY_ANNOTATION = "lab.swimlb.io/unready"
"""`"true"` on a Pod: its readiness probe fails from then on."""


def pod_of(item: Item) -> Pod:
    """The core's Pod from the API server's."""
    containers = item.spec.containers
    return Pod(
        namespace=item.metadata.namespace,
        name=item.metadata.name,
        uid=item.metadata.uid,
        containers=tuple((one.name, one.image) for one in containers),
        ports=tuple((port.container_port, port.protocol) for one in containers for port in one.ports),
        is_ready=item.metadata.annotations.get(UNREADY_ANNOTATION) != "true",
        is_held_ready=item.status.is_ready,
        is_leaving=item.metadata.deletion_timestamp is not None,
        is_on_host_network=item.spec.host_network,
    )


def pod_status(pod: Pod, addresses: Addresses, host: Addresses, now: datetime) -> Json:
    """The status of a Pod that runs, as a patch."""
    time = timestamp(now)
    ready = "True" if pod.is_ready else "False"
    # A Pod has one address of each family, at most; the host's network may have more.
    states = {"Initialized": "True", "PodScheduled": "True", "ContainersReady": ready, "Ready": ready}
    return {
        "phase": "Running",
        "startTime": time,
        "hostIP": host[0],
        "hostIPs": [{"ip": address} for address in host],
        "podIP": addresses[0],
        "podIPs": [{"ip": address} for address in addresses],
        "conditions": [
            {"type": kind, "status": status, "lastTransitionTime": time} for kind, status in states.items()
        ],
        "containerStatuses": [
            {
                "name": name,
                "image": image,
                "imageID": "",
                "containerID": f"lab://{pod.uid}/{name}",
                "ready": pod.is_ready,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": time}},
            }
            for name, image in pod.containers
        ],
    }


def node(name: str, ranges: PodRange) -> Json:
    """A Node as it is registered, without its status."""
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"podCIDR": ranges.prefixes[0], "podCIDRs": list(ranges.prefixes)},
    }


def node_status(name: str, addresses: Addresses, now: datetime, since: datetime) -> Json:
    """The status of a Node that has been well `since`, as a patch."""
    capacity = {"cpu": "2", "memory": "4Gi", "pods": "250"}
    conditions = {
        **{
            kind: ("False", f"KubeletHasNo{kind}")
            for kind in ("MemoryPressure", "DiskPressure", "PIDPressure")
        },
        "Ready": ("True", "KubeletReady"),
    }
    return {
        "addresses": [
            # A strategic merge would match addresses by their type, of which two are equal.
            {"$patch": "replace"},
            *({"type": "InternalIP", "address": address} for address in addresses),
            {"type": "Hostname", "address": name},
        ],
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": [
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": "",
                "lastHeartbeatTime": timestamp(now),
                "lastTransitionTime": timestamp(since),
            }
            for kind, (status, reason) in conditions.items()
        ],
        "nodeInfo": {
            "kubeletVersion": "v1.34.4-lab",
            **dict.fromkeys(("machineID", "systemUUID", "bootID", "kernelVersion", "osImage"), "lab"),
            **dict.fromkeys(("containerRuntimeVersion", "kubeProxyVersion"), "lab"),
            "operatingSystem": "linux",
            "architecture": "amd64",
        },
    }


def lease(name: str, now: datetime) -> Json:
    """The Node's Lease, its heartbeat proper."""
    return {
        "metadata": {"name": name, "namespace": LEASE_NAMESPACE},
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": LEASE_DURATION_S,
            "renewTime": now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        },
    }


def timestamp(now: datetime) -> str:
    """As Kubernetes writes times: RFC 3339, UTC, whole seconds."""
    return now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
