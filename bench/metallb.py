"""MetalLB's real speakers beside ours: how long a client is without its address when the owner's cable is cut, or its
speaker is stopped.

    python -m bench.metallb [--runs 9] [--only metallb|swimlb] [--resume] [--output DIRECTORY]
    python -m bench.metallb --redraw JSON

MetalLB needs an API server: it has one, real, on a machine of its own in the same network. Its address's traffic ends in
the same workload on the same nodes as ours, so nothing of Kubernetes is measured but MetalLB itself. One after the other,
because a control plane beside it would disturb ours. Needs `make metallb kube-tools`, and what `bench.layer2` needs.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from bench import layer2_report
from bench.contenders import ROOT
from bench.failover import ADDRESS, CONTENDERS, NODES, PORT, Cluster, Contender, Event
from bench.layer2 import Failover, Plan, fail_over
from bench.membership import ending_in_order, machine, say
from bench.ring import Interrupted, pause
from swimlb.lab import faults, namespaces
from swimlb.lab.kubernetes.lab import KubernetesLab, network
from swimlb.lab.kubernetes.metallb import NAMESPACE, MetalLB
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import INSIDE, SWITCH
from swimlb.lab.waiting import wait_until
from swimlb.speaker.election import succession

_DOCUMENT = ROOT / "docs" / "reference" / "benchmarks-metallb.md"
WINDOW = 15.0
"""Its suspicion of a dead member lasts four seconds at least."""

_QUESTIONS = 3
_ANSWER_WITHIN = 0.2
_REST_WITHIN = 90.0
_SERVICE_PORT = 9
"""Not the workload's: kube-proxy has no say in what is measured."""


class Theirs:
    """MetalLB on three nodes, with its defaults."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        lab = KubernetesLab(sandbox, network(NODES))
        lab.build_cluster()
        self._metallb = MetalLB(sandbox, lab.control_plane)
        self._metallb.install()
        self._metallb.start_controller()
        lab.cluster.wait_until_ready()
        lab.kubectl.apply_objects(_objects())
        self._nodes = tuple(node.name for node in lab.network.nodes)
        for node in lab.network.nodes:
            options = ("--name", node.name, "--port", str(PORT))
            sandbox.start_module(f"backend/{node.name}", "swimlb.lab.backend", *options, namespace=node.name)
            sandbox.run(node.name, "ip", "address", "add", f"{ADDRESS}/32", "dev", "lo")
            self.start(node.name)
        self._switch = sandbox.namespace(SWITCH)

    def cut(self, node: str) -> None:
        faults.set_link(self._switch, node, is_up=False)

    def heal(self, node: str) -> None:
        faults.set_link(self._switch, node, is_up=True)

    def stop(self, node: str) -> None:
        self._metallb.speakers.stop(node)

    def start(self, node: str) -> None:
        self._metallb.speakers.start(node)

    def mac(self, host: str) -> str:
        return namespaces.mac_of(self.sandbox.namespace(host))

    def rest(self) -> None:
        """Until a client that asks anew hears the node that all three choose together: so all are in the ring again."""
        owner = self.mac(succession(ip_address(ADDRESS), self._nodes)[0])
        wait_until(
            lambda: all(self._heard() == owner for _ in range(_QUESTIONS)),
            timeout=_REST_WITHIN,
            what="MetalLB's speakers to be of one mind",
            seen=self._heard,
            interval=0.5,
        )

    def _heard(self) -> str | None:
        """Who says that it has the address."""
        client = self.sandbox.namespace(INSIDE.name)
        self.sandbox.run(INSIDE.name, "ip", "neigh", "flush", "all")
        with namespaces.entered(client), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.sendto(b"", (ADDRESS, _SERVICE_PORT))
        pause(_ANSWER_WITHIN)
        entries = namespaces.ip_json(client, "neigh", "show", ADDRESS)
        return next((entry["lladdr"] for entry in entries if "lladdr" in entry), None)


def _start(sandbox: Sandbox, _: Path) -> Cluster:
    return Theirs(sandbox)


def _objects() -> list[dict[str, Any]]:
    """A pool of the one address, and a Service with an endpoint, so that it is announced."""
    ours = {"apiVersion": "metallb.io/v1beta1", "metadata": {"name": "lan", "namespace": NAMESPACE}}
    port = {"port": _SERVICE_PORT, "protocol": "UDP"}
    return [
        {**ours, "kind": "IPAddressPool", "spec": {"addresses": [f"{ADDRESS}/32"]}},
        {**ours, "kind": "L2Advertisement", "spec": {"ipAddressPools": ["lan"]}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"type": "LoadBalancer", "ports": [port]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "web",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": "web"},
            },
            "addressType": "IPv4",
            "ports": [port],
            "endpoints": [{"addresses": ["10.244.9.9"], "conditions": {"ready": True}}],
        },
    ]


METALLB = Contender("MetalLB 0.15.2", "metallb", _start, WINDOW)
_CHOICES = {"metallb": (METALLB,), "swimlb": tuple(one for one in CONTENDERS if one.product == "swimlb")}


def page(found: dict[str, Any]) -> Iterable[str]:
    load, of = found["load"], found["machine"]
    yield "# MetalLB's speaker and ours, measured"
    yield ""
    yield "Written by `make bench-metallb`; do not edit. One after the other on one machine, in network namespaces:"
    yield f"{of['processor']}, {of['cores']} cores, Linux {of['kernel']}, Python {of['python']}; the load was {load['before']:.1f}"
    yield f"before and {load['after']:.1f} after, so trust ratios rather than figures."
    yield ""
    yield "MetalLB 0.15.2 (its Go module), speaker and controller, on three nodes with its defaults and a real API server; ours,"
    yield "where measured in the same run, from the same manifests in a directory. The client, the referee and the meaning of the"
    yield f"columns are those of [Layer 2, measured](benchmarks-layer2.md); MetalLB is watched for {WINDOW:g} s after each event."
    yield "Nothing is lost at SIGTERM because the node that clients still know goes on serving them, as with kube-proxy, until they"
    yield "hear another one."
    yield ""
    yield from layer2_report.table(
        (
            "",
            "cable cut, ms",
            "black holes in so many cuts",
            "SIGTERM, ms",
            "runs that lost nothing at SIGTERM",
            "disturbed",
        ),
        (
            (
                one["contender"],
                layer2_report.spread(one["cuts"]),
                layer2_report.black_holes(one["cuts"]),
                layer2_report.spread(one["stops"]),
                f"{sum(event['lost'] == 0 for event in one['stops'])} of {len(one['stops'])}",
                one["disturbed"],
            )
            for one in found["results"]
            if one["cuts"] or one["stops"]
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=9, help="cuts and stops of each")
    parser.add_argument("--only", choices=list(_CHOICES))
    parser.add_argument("--resume", action="store_true", help="go on with what was measured the last time")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results")
    parser.add_argument("--redraw", type=Path, help="measure nothing: the page from this metallb.json")
    options = parser.parse_args()
    if options.redraw is not None:
        _DOCUMENT.write_text("\n".join(page(json.loads(options.redraw.read_text()))) + "\n")
        return
    results: Path = options.output / "metallb.json"
    results.parent.mkdir(parents=True, exist_ok=True)
    before = os.getloadavg()[0]
    contenders = [*_CHOICES["metallb"], *_CHOICES["swimlb"]]
    found = _begun(contenders, results if options.resume else None)

    def keep() -> None:
        load = {"before": before, "after": os.getloadavg()[0]}
        whole = {"machine": machine(), "load": load, "results": [asdict(one) for one in found]}
        results.write_text(json.dumps(whole, indent=1) + "\n")

    with ending_in_order():
        for number, (contender, result) in enumerate(zip(contenders, found, strict=True)):
            if options.only in (None, contender.product):
                fail_over(contender, number, Plan(options.runs, options.runs, options.runs), result, keep)
    _DOCUMENT.write_text("\n".join(page(json.loads(results.read_text()))) + "\n")
    say(f"written to {_DOCUMENT}")


def _begun(contenders: Sequence[Contender], results: Path | None) -> list[Failover]:
    """What there is of each contender already."""
    text = results.read_text() if results is not None and results.exists() else '{"results": []}'
    known = {one["contender"]: one for one in json.loads(text)["results"]}
    empty = {"cuts": [], "stops": [], "disturbed": 0}
    return [
        Failover(
            one.name,
            one.product,
            *([Event(**event) for event in known.get(one.name, empty)[kind]] for kind in ("cuts", "stops")),
            known.get(one.name, empty)["disturbed"],
        )
        for one in contenders
    ]


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, Interrupted):
        sys.exit("interrupted; nobody is left, and --resume goes on with what was measured")
