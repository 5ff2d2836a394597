"""The addresses of the cluster: Services, Pods, and the API server among them. Dual-stack, IPv4 first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import Host

KIND = "kubernetes"
"""What a lab with Kubernetes is called in its ledger."""

API_PORT = 6443
DETOUR_PORT = 6444
"""Where the faulty way to the API server is, see `detour`."""

CONTROL = Host("control", "192.168.3.100")
"""The control plane's machine, on the LAN with the nodes."""

SERVICE_RANGES = ("10.96.0.0/16", "fd00:10:96::/112")
POD_RANGES = ("10.244.0.0/16", "fd00:10:244::/48")
KUBERNETES_SERVICE = "10.96.0.1"
"""The first address of the Services' range: the API server as Pods see it."""

POD_LINK_PREFIX = "pod"
"""Begins the name of each Pod's link, on its node: so kube-proxy knows what comes from Pods."""


@dataclass(frozen=True, slots=True)
class PodRange:
    """The addresses of one node's Pods: /24 and /64, the first of each is the node's own, their gateway."""

    index: int
    """1-based, in the order of the nodes."""

    @property
    def prefixes(self) -> tuple[str, str]:
        return f"10.244.{self.index}.0/24", f"fd00:10:244:{self.index:x}::/64"

    @property
    def gateways(self) -> tuple[str, str]:
        return self.addresses(1)

    def addresses(self, number: int) -> tuple[str, str]:
        """Those of one Pod; numbers go from 2 to `NUMBER_MAX`."""
        return f"10.244.{self.index}.{number}", f"fd00:10:244:{self.index:x}::{number:x}"


NUMBER_MAX = 254


def is_kubernetes_lab(name: str, base: Path) -> bool:
    """Whether the lab of that name has Kubernetes. `LabError` when there is none."""
    return Sandbox.attach(name, base).ledger.settings.get("kind") == KIND
