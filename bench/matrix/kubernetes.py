"""Nodes of a real Kubernetes on one LAN: swimlb, and MetalLB's own controller and speakers.

An address's traffic ends in the same workload on the same nodes as without Kubernetes, which have the address already; the
Services are on a port of their own. So nothing of Kubernetes is measured but who announces what.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from bench.matrix.cluster import LanCluster, Scale
from swimlb.lab import processes, speakers
from swimlb.lab.kubernetes.lab import KubernetesLab, network
from swimlb.lab.kubernetes.metallb import CURRENT, NAMESPACE, MetalLB
from swimlb.lab.processes import ProcessId
from swimlb.lab.sandbox import Sandbox

_SERVICE_PORT = {"port": 9, "protocol": "UDP"}


class _OnKubernetes(LanCluster):
    def __init__(self, sandbox: Sandbox, scale: Scale, lab: KubernetesLab) -> None:
        super().__init__(sandbox, lab.network, scale.listed())
        self._lab = lab
        self._install()
        lab.kubectl.apply_objects(objects(scale))
        self.connect()
        self.start_workload(has_addresses=True)

    @abstractmethod
    def _install(self) -> None:
        """The cluster and the product; returns when objects of its kinds may be made."""

    def take_api_away(self) -> None:
        self._lab.control_plane.go_away()

    def bring_api_back(self) -> None:
        self._lab.control_plane.come_back()


class SwimlbOnKubernetes(_OnKubernetes):
    def __init__(self, sandbox: Sandbox, scale: Scale, profile: str) -> None:
        lab = KubernetesLab(sandbox, network(scale.nodes), options=("--profile", profile))
        super().__init__(sandbox, scale, lab)

    def _install(self) -> None:
        self._lab.build()

    def start(self, node: str) -> None:
        self._lab.start(node)

    def stop(self, node: str) -> None:
        self._lab.stop(node)

    def family(self, node: str) -> tuple[ProcessId, ...]:
        return speakers.family(self.sandbox, node)

    def is_well(self) -> bool:
        return not self._lab.unsettled() and super().is_well()


class MetalLBNodes(_OnKubernetes):
    """By its own manifest, with its defaults, or with memberlist's that many times faster."""

    def __init__(self, sandbox: Sandbox, scale: Scale, faster: float | None = None) -> None:
        lab = KubernetesLab(sandbox, network(scale.nodes))
        timing = None if faster is None else memberlist_file(faster)
        self._metallb = MetalLB(sandbox, lab.control_plane, CURRENT, timing)
        super().__init__(sandbox, scale, lab)

    def _install(self) -> None:
        self._lab.build_cluster()
        self._metallb.install()
        self._metallb.start_controller()
        self._lab.cluster.wait_until_ready()
        for node in self.nodes:
            self.start(node)

    def start(self, node: str) -> None:
        self._metallb.speakers.start(node)

    def stop(self, node: str) -> None:
        self._metallb.speakers.stop(node)

    def family(self, node: str) -> tuple[ProcessId, ...]:
        speaker = self.sandbox.process(self._metallb.speakers.label(node))
        return () if speaker is None else (speaker, *processes.descendants(speaker))


def memberlist_file(faster: float) -> dict[str, object]:
    """memberlist's DefaultLANConfig, all of it, with what decides how soon a death is found that many times faster."""
    return {
        "TCPTimeout": "10s",
        "IndirectChecks": 3,
        "RetransmitMult": 4,
        "SuspicionMult": 4,
        "SuspicionMaxTimeoutMult": 6,
        "PushPullInterval": "30s",
        "ProbeTimeout": f"{500 / faster:g}ms",
        "ProbeInterval": f"{1000 / faster:g}ms",
        "DisableTcpPings": False,
        "AwarenessMaxMultiplier": 8,
        "GossipNodes": 3,
        "GossipInterval": f"{200 / faster:g}ms",
        "GossipToTheDeadTime": "30s",
        "GossipVerifyIncoming": True,
        "GossipVerifyOutgoing": True,
        "EnableCompression": True,
        "HandoffQueueDepth": 1024,
        "UDPBufferSize": 1400,
        "QueueCheckInterval": "30s",
    }


def objects(scale: Scale) -> list[dict[str, Any]]:
    """A pool of exactly these addresses, and as many Services, each with an endpoint, so that it is announced."""
    ours = {"apiVersion": "metallb.io/v1beta1", "metadata": {"name": "bench", "namespace": NAMESPACE}}
    made: list[dict[str, Any]] = [
        {**ours, "kind": "IPAddressPool", "spec": {"addresses": [scale.span()]}},
        {**ours, "kind": "L2Advertisement", "spec": {"ipAddressPools": ["bench"]}},
    ]
    for number in range(1, scale.addresses + 1):
        made += _service(f"bench-{number}")
    return made


def _service(name: str) -> list[dict[str, Any]]:
    label = {"kubernetes.io/service-name": name}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"type": "LoadBalancer", "ports": [_SERVICE_PORT]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "namespace": "default", "labels": label},
            "addressType": "IPv4",
            "ports": [_SERVICE_PORT],
            "endpoints": [{"addresses": ["10.244.9.9"], "conditions": {"ready": True}}],
        },
    ]
