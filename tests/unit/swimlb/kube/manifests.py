"""Objects as an API server has them, with what nobody reads here."""

from __future__ import annotations

from typing import Any

MANAGED = [{"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {}}}]


def service(name: str = "web", *, status: str | None = None, annotations: Any = None, **spec: Any) -> Any:
    ingress = [{"ip": status, "ipMode": "VIP"}] if status else []
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name}",
            "managedFields": MANAGED,
            "creationTimestamp": "2026-01-05T10:00:00Z",
            "annotations": annotations or {},
        },
        "spec": {
            "type": "LoadBalancer",
            "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080, "protocol": "TCP"}],
            "clusterIP": "198.51.100.1",
            "clusterIPs": ["198.51.100.1"],
            "ipFamilyPolicy": "SingleStack",
            **spec,
        },
        "status": {"loadBalancer": {"ingress": ingress}},
    }


def endpoint_slice(name: str, service: str, *nodes: str) -> Any:
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": ["198.51.100.9"], "nodeName": node, "conditions": {"ready": True}} for node in nodes
        ],
    }


def node(name: str, *, heartbeat: str = "1", taints: Any = None, **labels: str) -> Any:
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "labels": labels,
            "annotations": {"volumes.kubernetes.io/x": "1"},
        },
        "spec": {"taints": taints},
        "status": {
            "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": heartbeat}],
            "addresses": [{"type": "InternalIP", "address": "192.0.2.200"}],
        },
    }


def pool(name: str, *addresses: str) -> Any:
    return {
        "metadata": {"name": name, "namespace": "metallb-system", "managedFields": MANAGED},
        "spec": {"addresses": list(addresses)},
    }
