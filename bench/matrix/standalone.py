"""Nodes without Kubernetes on one LAN: swimlb on manifests in a directory, and keepalived."""

from __future__ import annotations

from pathlib import Path

from bench.bgp_lan import services_text
from bench.matrix.cluster import PORT, LanCluster, Scale
from swimlb.lab import processes, speakers, topology
from swimlb.lab.keepalived import Keepalived, Vrrp
from swimlb.lab.lab import Lab
from swimlb.lab.processes import ProcessId
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import walkthrough

_PRIORITY = 200


class Swimlb(LanCluster):
    def __init__(self, sandbox: Sandbox, scale: Scale, scratch: Path, profile: str) -> None:
        (scratch / "layer2.yaml").write_text(_manifests(scale))
        self._lab = Lab(sandbox, walkthrough(scale.nodes), scratch, options=("--profile", profile))
        super().__init__(sandbox, self._lab.network, scale.listed())
        self._lab.build()
        self.connect()

    def start(self, node: str) -> None:
        self._lab.start(node)

    def stop(self, node: str) -> None:
        self._lab.stop(node)

    def family(self, node: str) -> tuple[ProcessId, ...]:
        return speakers.family(self.sandbox, node)

    def is_well(self) -> bool:
        return not self._lab.unsettled() and super().is_well()


class KeepalivedNodes(LanCluster):
    """With its defaults, but for the interval of its adverts; the first node has the highest priority."""

    def __init__(self, sandbox: Sandbox, scale: Scale, advert_interval: float, version: int) -> None:
        super().__init__(sandbox, walkthrough(scale.nodes), scale.listed())
        topology.build(sandbox, self.network)
        self.connect()
        self.start_workload(has_addresses=False)
        self._daemons = {
            node: Keepalived(sandbox, node, self._router(number, advert_interval, version))
            for number, node in enumerate(self.nodes)
        }
        for daemon in self._daemons.values():
            daemon.start()

    def _router(self, number: int, advert_interval: float, version: int) -> Vrrp:
        return Vrrp(
            addresses=self.addresses,
            priority=_PRIORITY - 10 * number,
            advert_interval=advert_interval,
            version=version,
        )

    def owner(self, address: str) -> str:
        return self.nodes[0]

    def start(self, node: str) -> None:
        self._daemons[node].start()

    def stop(self, node: str) -> None:
        self._daemons[node].stop()

    def family(self, node: str) -> tuple[ProcessId, ...]:
        main = self._daemons[node].process()
        return () if main is None else (main, *processes.descendants(main))


def _manifests(scale: Scale) -> str:
    return f"""\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {{name: bench, namespace: metallb-system}}
spec: {{addresses: ["{scale.span()}"]}}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {{name: bench, namespace: metallb-system}}
spec: {{ipAddressPools: [bench]}}
{services_text(scale.addresses, PORT)}"""
