"""Short ways to write objects in tests."""

from __future__ import annotations

from swimlb.config import Document, Resolved, resolve
from swimlb.model import Problem


def document(content: object, line: int = 1, file: str = "test.yaml") -> Document:
    return Document(content, file, line)


def documents(*contents: object) -> list[Document]:
    """One file with the objects in it, ten lines each."""
    return [document(content, line=1 + 10 * index) for index, content in enumerate(contents)]


def resolved(*contents: object) -> Resolved:
    return resolve(documents(*contents))


def told(problems: tuple[Problem, ...]) -> list[tuple[str, str, str, str]]:
    """Severity, object, field and message of each."""
    return [(problem.severity.value, problem.object, problem.field, problem.message) for problem in problems]


def ours(
    kind: str, name: str, spec: object, *, version: str = "v1beta1", **metadata: object
) -> dict[str, object]:
    return {
        "apiVersion": f"metallb.io/{version}",
        "kind": kind,
        "metadata": {"name": name, "namespace": "metallb-system", **metadata},
        "spec": spec,
    }


def pool(name: str, *addresses: object, **spec: object) -> dict[str, object]:
    return ours("IPAddressPool", name, {"addresses": list(addresses), **spec})


def peer(name: str, **spec: object) -> dict[str, object]:
    required = {"myASN": 64496, "peerASN": 64497, "peerAddress": "192.0.2.254"}
    return ours("BGPPeer", name, {**required, **spec}, version="v1beta2")


def node(name: str, *addresses: str, labels: object = None, annotations: object = None) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
        "status": {"addresses": [{"type": "InternalIP", "address": address} for address in addresses]},
    }


def service(
    name: str,
    *,
    namespace: str = "default",
    annotations: object = None,
    status: object = None,
    **spec: object,
) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], **spec},
        "status": status,
    }
