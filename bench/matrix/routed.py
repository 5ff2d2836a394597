"""Nodes behind a router by BGP: swimlb, FRR and ExaBGP on the node, each with the same timers on both sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path

from bench.bgp_lan import Detection, ExaBgpNode, FrrNode, Node, SwimlbNode, frr_router, manifests
from bench.matrix.cluster import PORT, Cluster, Scale
from swimlb.lab import topology
from swimlb.lab.processes import ProcessId
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import OUTSIDE, Host, walkthrough

MakeNode = Callable[[Sandbox, Host], Node]
_LOOKED_AT = 8
"""Routes that are asked for, of many."""


class Routed(Cluster):
    """The router is FRR; a client behind it is what the nodes serve."""

    client = OUTSIDE
    is_routed = True

    def __init__(
        self,
        sandbox: Sandbox,
        scale: Scale,
        detection: Detection,
        make: MakeNode,
        *,
        has_addresses: bool,
    ) -> None:
        super().__init__(sandbox, walkthrough(scale.nodes), scale.listed())
        self._has_bfd = detection.bfd is not None
        topology.build(sandbox, self.network)
        self._router = frr_router(sandbox, self.network.nodes, detection)
        self._router.start()
        self.start_workload(has_addresses=has_addresses)
        self._made = {host.name: make(sandbox, host) for host in self.network.nodes}
        for node in self._made.values():
            node.start()

    def start(self, node: str) -> None:
        self._made[node].start()

    def stop(self, node: str) -> None:
        self._made[node].stop()

    def family(self, node: str) -> tuple[ProcessId, ...]:
        return self._made[node].family()

    def is_well(self) -> bool:
        hosts = sorted((host.address for host in self.network.nodes), key=ip_address)
        return all(
            self._router.next_hops(f"{address}/32") == tuple(hosts)
            for address in some(self.addresses, _LOOKED_AT)
        ) and all(not self._has_bfd or self._router.detection_time(host) is not None for host in hosts)


def swimlb(sandbox: Sandbox, scale: Scale, scratch: Path, detection: Detection) -> Routed:
    directory = manifests(scratch, scale.span(), PORT, detection, scale.addresses)
    everyone = walkthrough(scale.nodes).nodes

    def make(sandbox: Sandbox, host: Host) -> Node:
        return SwimlbNode(sandbox, host, directory, everyone)

    return Routed(sandbox, scale, detection, make, has_addresses=False)


def frr(sandbox: Sandbox, scale: Scale, detection: Detection) -> Routed:
    def make(sandbox: Sandbox, host: Host) -> Node:
        return FrrNode(sandbox, host, _prefixes(scale), detection)

    return Routed(sandbox, scale, detection, make, has_addresses=True)


def exabgp(sandbox: Sandbox, scale: Scale, detection: Detection) -> Routed:
    def make(sandbox: Sandbox, host: Host) -> Node:
        return ExaBgpNode(sandbox, host, _prefixes(scale), detection)

    return Routed(sandbox, scale, detection, make, has_addresses=True)


def _prefixes(scale: Scale) -> list[str]:
    return [f"{address}/32" for address in scale.listed()]


def some(addresses: Sequence[str], count: int) -> tuple[str, ...]:
    """So many of them at most, the first and the last among them, evenly spread."""
    if len(addresses) <= count:
        return tuple(addresses)
    return tuple(addresses[round(number * (len(addresses) - 1) / (count - 1))] for number in range(count))
