"""Small worlds of manifests, and what `look_ahead` makes of them."""

from __future__ import annotations

from typing import Any

from swimlb.config import Options, resolve
from swimlb.planning import Outlook, WhatIf, document, look_ahead
from swimlb.planning.fleet import Rules
from swimlb.planning.records import ServiceOutlook
from swimlb.sources import read_text

POOL = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: pool, namespace: metallb-system, labels: {site: here}}
spec: {addresses: [192.0.2.10-192.0.2.19]}
"""
LAN = """
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: lan, namespace: metallb-system}
"""
PEER = """
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: router, namespace: metallb-system}
spec: {myASN: 64500, peerASN: 64501, peerAddress: 198.51.100.1}
"""
ROUTES = """
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: routes, namespace: metallb-system}
"""


def node(name: str, *labels: str, condition: str = "") -> str:
    """Labels as `key: value`."""
    listed = ", ".join((f"kubernetes.io/hostname: {name}", *labels))
    conditions = f"[{{type: {condition}, status: 'True'}}]" if condition else "[]"
    return f"""
apiVersion: v1
kind: Node
metadata: {{name: {name}, labels: {{{listed}}}}}
status: {{conditions: {conditions}}}
"""


NODES = "---".join(node(name) for name in ("node-a", "node-b", "node-c"))


def service(
    name: str = "web",
    spec: str = "",
    *,
    annotations: str = "",
    held: str = "",
    labels: str = "",
    created: str = "2026-01-01T00:00:00Z",
) -> str:
    """`spec`, `annotations` and `labels` are the insides of a flow mapping, `held` a list of addresses."""
    ingress = ", ".join(f"{{ip: '{address}'}}" for address in held.split())
    return f"""
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: default
  creationTimestamp: {created}
  annotations: {{{annotations}}}
  labels: {{{labels}}}
spec: {{type: LoadBalancer, ports: [{{port: 80}}]{", " + spec if spec else ""}}}
status: {{loadBalancer: {{ingress: [{ingress}]}}}}
"""


def endpoints(of_service: str, *nodes: str) -> str:
    listed = ", ".join(f"{{addresses: [203.0.113.1], nodeName: {name}}}" for name in nodes)
    return f"""
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {of_service}-1, namespace: default, labels: {{kubernetes.io/service-name: {of_service}}}}}
addressType: IPv4
endpoints: [{listed}]
"""


def ahead(*manifests: str, what_if: WhatIf | None = None, rules: Rules | None = None) -> Outlook:
    read = read_text("\n---\n".join(manifests), "world.yaml")
    return look_ahead(
        resolve(read.documents, source_problems=read.problems, options=Options()), what_if, rules
    )


def told(outlook: Outlook) -> dict[str, Any]:
    return document(outlook, ())


def only(outlook: Outlook) -> ServiceOutlook:
    (service,) = outlook.services
    return service


def withheld(service: ServiceOutlook) -> set[tuple[str, str | None, str]]:
    return {(entry.by, entry.node, entry.reason) for entry in service.withheld}
