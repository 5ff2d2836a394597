"""Manifests of what tests apply, as short as they can be said."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from swimlb.lab.kubernetes.installation import NAMESPACE
from tests.kube.e2e.api import Object

PORT = 8080
"""Of the Pods, and of Services that are not given another."""
APP = "echo"
_numbers = itertools.count(1)


def pool(name: str, *addresses: str, labels: Mapping[str, str] | None = None, **spec: Any) -> Object:
    return _ours("IPAddressPool", name, {"addresses": list(addresses), **spec}, labels)


def l2(name: str = "lan", **spec: Any) -> Object:
    """An L2Advertisement; of all pools by all nodes, if nothing else is said."""
    return _ours("L2Advertisement", name, spec)


def bgp(name: str = "bgp", **spec: Any) -> Object:
    """A BGPAdvertisement; of all pools to all peers, if nothing else is said."""
    return _ours("BGPAdvertisement", name, spec)


def peer(name: str, address: str, my_asn: int = 64512, peer_asn: int = 64513, **spec: Any) -> Object:
    said = {"myASN": my_asn, "peerASN": peer_asn, "peerAddress": address, **spec}
    return _ours("BGPPeer", name, said, version="v1beta2")


def bfd(name: str, **spec: Any) -> Object:
    return _ours("BFDProfile", name, spec)


def community(name: str, **aliases: str) -> Object:
    entries = [{"name": alias, "value": value} for alias, value in aliases.items()]
    return _ours("Community", name, {"communities": entries})


def service(
    name: str,
    *,
    namespace: str = "default",
    app: str = APP,
    ports: Sequence[tuple[int, str]] = ((PORT, "TCP"),),
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **spec: Any,
) -> Object:
    """A LoadBalancer Service, of one family unless it says otherwise; each port leads to the Pods' port."""
    listed = [
        {"name": f"{protocol.lower()}-{port}", "port": port, "protocol": protocol, "targetPort": PORT}
        for port, protocol in ports
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": dict(labels or {}),
            "annotations": {f"metallb.io/{key}": value for key, value in (annotations or {}).items()},
        },
        "spec": {"type": "LoadBalancer", "selector": {"app": app}, "ports": listed, **spec},
    }


def dual(policy: str, *families: str) -> dict[str, Any]:
    """What a Service says that wants addresses of both families, the first one first."""
    return {"ipFamilyPolicy": f"{policy}DualStack", "ipFamilies": list(families or ("IPv4", "IPv6"))}


def namespace(name: str, **labels: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def workload(name: str = APP, node: str | None = None) -> Object:
    """A Pod on every node, or on one, that answers HTTP with its name, and echoes datagrams."""
    container = {
        "name": name,
        "image": name,
        "ports": [{"containerPort": PORT, "protocol": protocol} for protocol in ("TCP", "UDP")],
    }
    labels = {"app": name}
    where = {} if node is None else {"nodeSelector": {"kubernetes.io/hostname": node}}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container], **where}},
        },
    }


def selector(**labels: str) -> dict[str, Any]:
    """A label selector. Labels that are no Python names: `{"matchLabels": …}` itself."""
    return {"matchLabels": labels}


def on_node(*names: str) -> list[dict[str, Any]]:
    """Node selectors for nodes by name."""
    return [{"matchLabels": {"kubernetes.io/hostname": name}} for name in names]


def unique(word: str) -> str:
    """A name that no other test has: what is left for a moment of an object of the same name belongs to nobody else."""
    return f"{word}-{next(_numbers)}"


def _ours(
    kind: str,
    name: str,
    spec: Mapping[str, Any],
    labels: Mapping[str, str] | None = None,
    version: str = "v1beta1",
) -> Object:
    return {
        "apiVersion": f"metallb.io/{version}",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": dict(labels or {})},
        "spec": dict(spec),
    }
