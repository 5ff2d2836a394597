"""The network of the BGP benchmarks: nodes of several kinds around one router, on one switch, and a client behind it."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from swimlb.lab import processes, speakers
from swimlb.lab.bird import Bird, bird_text
from swimlb.lab.exabgp import ExaBgp, exabgp_text
from swimlb.lab.frr import Frr
from swimlb.lab.frr_dialect import frr_text
from swimlb.lab.lab import STOP_TIMEOUT
from swimlb.lab.processes import ProcessId
from swimlb.lab.router import BfdTimers, Neighbour, RouterConfig
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import NODES_ASN, ROUTER, ROUTER_ASN, Host

HOLD_TIME_LONG = 90
"""Seconds, where BFD is to be the one that notices."""


@dataclass(frozen=True, slots=True)
class Detection:
    """How router and nodes notice that the other is gone, the same on both sides."""

    hold_time: int = HOLD_TIME_LONG
    bfd: BfdTimers | None = None

    @property
    def keepalive(self) -> int:
        return self.hold_time // 3


def frr_router(sandbox: Sandbox, nodes: Sequence[Host], detection: Detection) -> Frr:
    text = frr_text(_router_config(nodes, detection))
    return Frr(sandbox, ROUTER.name, bgpd_config=text, bfdd_config="")


def bird_router(
    sandbox: Sandbox, nodes: Sequence[Host], detection: Detection, kernel_table: int | None = None
) -> Bird:
    config = _router_config(nodes, detection, kernel_table)
    return Bird(sandbox, ROUTER.name, configuration=bird_text(config))


def _router_config(
    nodes: Sequence[Host], detection: Detection, kernel_table: int | None = None
) -> RouterConfig:
    return RouterConfig(
        asn=ROUTER_ASN,
        router_id=ROUTER.address,
        neighbours=[
            Neighbour(address=node.address, asn=NODES_ASN, families=("ipv4",), bfd=detection.bfd)
            for node in nodes
        ],
        keepalive=detection.keepalive,
        hold_time=detection.hold_time,
        kernel_table=kernel_table,
    )


class Node(Protocol):
    """What announces prefixes from a host."""

    def start(self) -> None: ...
    def stop(self) -> None:
        """SIGTERM; returns when it has ended."""
        ...

    def family(self) -> tuple[ProcessId, ...]:
        """All of its processes, in the order to kill them in."""
        ...


class SwimlbNode:
    """The whole speaker, on the manifests of a directory."""

    def __init__(self, sandbox: Sandbox, host: Host, manifests: Path, join: Sequence[Host] = ()) -> None:
        self._sandbox, self._host, self._manifests = sandbox, host, manifests
        self._join = join or (host,)

    def start(self) -> None:
        speakers.start(self._sandbox, self._host, speakers.reading(self._manifests), join=self._join)

    def stop(self) -> None:
        self._sandbox.signal(speakers.label(self._host.name), signal.SIGTERM, timeout=STOP_TIMEOUT)

    def family(self) -> tuple[ProcessId, ...]:
        return speakers.family(self._sandbox, self._host.name)


class FrrNode:
    """FRR's bgpd, zebra and bfdd on the node, as in MetalLB's FRR modes."""

    def __init__(self, sandbox: Sandbox, host: Host, prefixes: Sequence[str], detection: Detection) -> None:
        self._sandbox, self._host = sandbox, host
        # Else it calls again only after two minutes.
        soon = f"router bgp {NODES_ASN}\n neighbor {ROUTER.address} timers connect 1\n"
        text = frr_text(_node_config(host, prefixes, detection)) + soon
        self._frr = Frr(sandbox, host.name, bgpd_config=text, bfdd_config="")

    def start(self) -> None:
        self._frr.start()

    def stop(self) -> None:
        self._frr.stop()

    def family(self) -> tuple[ProcessId, ...]:
        found = (self._sandbox.process(f"{daemon}/{self._host.name}") for daemon in ("bgpd", "bfdd", "zebra"))
        return tuple(one for one in found if one is not None)


class BirdNode:
    def __init__(self, sandbox: Sandbox, host: Host, prefixes: Sequence[str], detection: Detection) -> None:
        self._sandbox, self._host = sandbox, host
        text = bird_text(_node_config(host, prefixes, detection))
        self._bird = Bird(sandbox, host.name, configuration=text)

    def start(self) -> None:
        self._bird.start()

    def stop(self) -> None:
        self._bird.stop()

    def family(self) -> tuple[ProcessId, ...]:
        one = self._sandbox.process(self._bird.label)
        return () if one is None else (one,)


class ExaBgpNode:
    """ExaBGP on the node, which has no BFD, and puts no address on the node."""

    def __init__(self, sandbox: Sandbox, host: Host, prefixes: Sequence[str], detection: Detection) -> None:
        self._sandbox = sandbox
        config = _node_config(host, prefixes, detection)
        text = exabgp_text(config, local_addresses=[host.address])
        self._exabgp = ExaBgp(sandbox, host.name, configuration=text)

    def start(self) -> None:
        self._exabgp.start()

    def stop(self) -> None:
        self._exabgp.stop()

    def family(self) -> tuple[ProcessId, ...]:
        one = self._sandbox.process(self._exabgp.label)
        return () if one is None else (one, *processes.descendants(one))


def _node_config(host: Host, prefixes: Sequence[str], detection: Detection) -> RouterConfig:
    router = Neighbour(
        address=ROUTER.address, asn=ROUTER_ASN, families=("ipv4",), is_passive=False, bfd=detection.bfd
    )
    return RouterConfig(
        asn=NODES_ASN,
        router_id=host.address,
        neighbours=[router],
        announces=prefixes,
        keepalive=detection.keepalive,
        hold_time=detection.hold_time,
    )


def manifests(directory: Path, pool: str, port: int, detection: Detection, services: int = 1) -> Path:
    """Services with addresses of a pool (`FIRST-LAST`, or a prefix), all announced to the router."""
    directory.mkdir(exist_ok=True)
    bfd = detection.bfd
    profile = (
        ""
        if bfd is None
        else f"""\
apiVersion: metallb.io/v1beta1
kind: BFDProfile
metadata: {{name: bench, namespace: metallb-system}}
spec:
  receiveInterval: {bfd.interval_ms}
  transmitInterval: {bfd.interval_ms}
  detectMultiplier: {bfd.detect_multiplier}
---
"""
    )
    (directory / "bgp.yaml").write_text(f"""\
{profile}apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {{name: router, namespace: metallb-system}}
spec:
  myASN: {NODES_ASN}
  peerASN: {ROUTER_ASN}
  peerAddress: {ROUTER.address}
  holdTime: {detection.hold_time}s
  keepaliveTime: {detection.keepalive}s
  connectTime: 1s
{"" if bfd is None else "  bfdProfile: bench"}
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {{name: bench, namespace: metallb-system}}
spec: {{addresses: ["{pool}"]}}
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {{name: bench, namespace: metallb-system}}
spec: {{ipAddressPools: [bench]}}
{services_text(services, port)}""")
    return directory


def services_text(count: int, port: int) -> str:
    """Documents of so many Services that ask for any address."""
    return "".join(
        f"""\
---
apiVersion: v1
kind: Service
metadata: {{name: bench-{number}, namespace: default}}
spec:
  type: LoadBalancer
  ports: [{{name: http, port: {port}}}]
"""
        for number in range(1, count + 1)
    )
