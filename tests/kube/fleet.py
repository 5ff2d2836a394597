"""MetalLB's real controller and speakers and ours in one cluster, and the way from the one to the other, node by node.

On every node a Pod answers, and every Service sends its traffic to the Pod of the node that has its address
(externalTrafficPolicy Local): so whoever answers a client tells which node that is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self

import yaml

from swimlb.cli.manifests import delivered
from swimlb.lab.kubernetes.daemon_pods import DaemonPods
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.kubernetes.metallb import NAMESPACE, MetalLB
from swimlb.lab.measure import longest_outage
from swimlb.lab.observers import ProbeRun, Referee
from swimlb.lab.topology import INSIDE
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock
from swimlb.speaker.election import succession

Product = Literal["metallb", "swimlb"]

ROOT = Path(__file__).parents[2]
LABEL = "example.com/load-balancer"
"""On a Node: whose speaker it has. Without it: MetalLB's."""
PORT = 7
ADDRESSES = tuple(f"192.168.3.{170 + number}" for number in range(6))
SPARE = "192.168.3.176"
"""In the pool, and nobody's."""
SETTLE_TIMEOUT = 40.0
STEADY = 0.5
STARTED_WITHIN = 60.0
"""For processes on a machine with other work."""


@dataclass(frozen=True, slots=True)
class Move:
    """What clients saw while the speaker of a node was replaced by the other product's."""

    node: str
    to: Product
    outages: Mapping[str, float]
    """Seconds without an answer, by address; 0: nothing was lost."""
    moved: frozenset[str]
    """Addresses that were the node's before."""


class Fleet:
    """Builds everything; the lab's sandbox ends it."""

    def __init__(self, lab: KubernetesLab) -> None:
        self.lab = lab
        self.theirs = MetalLB(lab.sandbox, lab.control_plane)
        self.ours = our_speakers(lab)
        self.nodes = tuple(node.name for node in lab.network.nodes)

    def begin_with_metallb(self) -> None:
        """A cluster that MetalLB serves."""
        self.lab.build_cluster()
        # From the beginning: a change of it would replace all of MetalLB's Pods.
        self.theirs.install(_only_unlabelled())
        self.theirs.start_controller()
        self.lab.cluster.wait_until_ready()
        for node in self.nodes:
            self.theirs.speakers.start(node)
        self.lab.kubectl.apply_objects([*workload(), *configuration(), *services()])

    def install_ours(self) -> None:
        """Our manifests as they are delivered, beside MetalLB's; our DaemonSet has the nodes that are labelled to be its."""
        self.lab.kubectl.apply_objects(
            [_for_labelled(one) for one in yaml.safe_load_all(delivered()) if one["kind"] != "Deployment"],
            *("--server-side", "--force-conflicts"),
        )

    def hand_over_controller(self, to: Product) -> None:
        """One ends, then the other begins: two that give addresses would be one too many."""
        if to == "swimlb":
            self.theirs.stop_controller()
            self.lab.start_controller()
        else:
            self.lab.stop_controller()
            self.theirs.start_controller()

    @contextmanager
    def another_service(self) -> Generator[list[str]]:
        """A Service that asks for nothing: the addresses that it gets. It is gone afterwards."""
        kubectl = self.lab.kubectl
        kubectl.apply_objects([{**services()[0], "metadata": {"name": "another", "namespace": "default"}}])
        try:
            service = kubectl.wait_for(
                *("service", "another"),
                until=lambda answer: answer["status"]["loadBalancer"].get("ingress"),
                timeout=SETTLE_TIMEOUT,
                description="another Service to get an address",
            )
            yield [one["ip"] for one in service["status"]["loadBalancer"]["ingress"]]
        finally:
            kubectl("delete", "service", "another")

    def hand_over(self, node: str, to: Product) -> None:
        """Replace the node's speaker: its Pod is deleted and ends, then the other's is made and starts."""
        before, after = (
            (self.theirs.speakers, self.ours) if to == "swimlb" else (self.ours, self.theirs.speakers)
        )
        label = f"{LABEL}=swimlb" if to == "swimlb" else f"{LABEL}-"
        self.lab.kubectl("label", "node", node, label)
        wait_until(
            lambda: node not in before.names(),
            timeout=SETTLE_TIMEOUT,
            what=f"the Pod of {node} to be deleted",
        )
        before.stop(node)
        after.start(node, *(run_options(self.lab, node) if to == "swimlb" else ()))

    def expected(self) -> dict[str, str]:
        """The node that both must choose for each address while all nodes have a speaker."""
        return {one: succession(ip_address(one), self.nodes)[0] for one in ADDRESSES}

    def assigned(self) -> dict[str, Any]:
        """Address and pool of each Service, as the API server has them."""
        found = self.lab.kubectl.json("get", "services", "-l", "app=echo")["items"]
        return {
            one["metadata"]["name"]: (
                [entry["ip"] for entry in one["status"]["loadBalancer"].get("ingress", ())],
                one["metadata"].get("annotations", {}).get("metallb.io/ip-allocated-from-pool"),
            )
            for one in found
        }


class Traffic:
    """A client of each address, and a referee who writes down every claim, for as long as it is open."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._stack = ExitStack()
        self.probes: dict[str, ProbeRun] = {}

    def __enter__(self) -> Self:
        sandbox = self._fleet.lab.sandbox
        self.referee = self._stack.enter_context(Referee(sandbox))
        for address in ADDRESSES:
            self.probes[address] = self._stack.enter_context(ProbeRun(sandbox, address, PORT, interval=0.02))
        self._nodes_of_pods = {
            pod["metadata"]["name"]: pod["spec"]["nodeName"]
            for pod in self._fleet.lab.kubectl.json("get", "pods", "-l", "app=echo")["items"]
        }
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def owners(self) -> dict[str, str | None]:
        """Whose Pod answers now; None: nobody's alone."""
        return {
            address: self._nodes_of_pods.get(run.answering(STEADY) or "")
            for address, run in self.probes.items()
        }

    def wait_for(self, owners: Mapping[str, str]) -> None:
        wait_until(
            lambda: self.owners() == owners,
            timeout=SETTLE_TIMEOUT,
            what=f"the owners to be {owners}",
            seen=self.owners,
            interval=0.1,
        )

    def outages(self, begun: float = 0.0) -> dict[str, float]:
        """The longest time without an answer of each address since then; 0: nothing was lost."""
        return {address: self._outage(address, begun) for address in ADDRESSES}

    def moved(self, node: str, to: Product) -> Move:
        """Replace the node's speaker, wait until everything is as it was, and tell what clients saw of it."""
        begun, expected = clock.monotonic(), self._fleet.expected()
        self._fleet.hand_over(node, to)
        self.wait_for_speaker(node, to)
        self.wait_for(expected)
        self._ask_anew(expected)
        return Move(
            node,
            to,
            self.outages(begun),
            frozenset(address for address, owner in expected.items() if owner == node),
        )

    def _ask_anew(self, expected: Mapping[str, str]) -> None:
        """A client that has forgotten everything asks for all addresses: nobody but the expected owners says a word."""
        lab, begun = self._fleet.lab, clock.monotonic()
        lab.sandbox.run(INSIDE.name, "ip", "neigh", "flush", "all")
        wanted = {address: (lab.mac(node),) for address, node in expected.items()}
        wait_until(
            lambda: all(self.referee.claimants(address, begun) for address in ADDRESSES),
            timeout=SETTLE_TIMEOUT,
            what="an answer for each address",
        )
        assert {address: self.referee.claimants(address, begun) for address in ADDRESSES} == wanted

    def wait_for_speaker(self, node: str, to: Product) -> None:
        """Until it announces: from its own words, since the others' answers may still be what they were."""
        if not any(owner == node for owner in self._fleet.expected().values()):
            return
        mac = self._fleet.lab.mac(node)
        begun = clock.monotonic()
        wait_until(
            lambda: any(
                claim.mac == mac and claim.address in ADDRESSES for claim in self._claims_since(begun)
            ),
            timeout=STARTED_WITHIN,
            what=f"the {to} speaker of {node} to announce",
            interval=0.1,
        )

    def _claims_since(self, moment: float) -> Iterator[Any]:
        return (claim for claim in self.referee.claims() if claim.time >= moment)

    def _outage(self, address: str, begun: float) -> float:
        longest = longest_outage(self.probes[address].since(begun).probes)
        return 0.0 if longest is None or longest.is_stray else longest.duration


def our_speakers(lab: KubernetesLab) -> DaemonPods:
    """The Pods of our delivered DaemonSet, from this checkout."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    program, environment = [sys.executable, "-m", "swimlb"], {"PYTHONPATH": path}
    return DaemonPods(lab.sandbox, lab.control_plane, NAMESPACE, "swimlb-speaker", program, environment)


def run_options(lab: KubernetesLab, node: str) -> tuple[str, ...]:
    """What a container of ours has by its file system: where its socket lies, and who it is."""
    run_dir = lab.sandbox.home / node
    run_dir.mkdir(exist_ok=True)
    return ("--run-dir", str(run_dir), "--kubeconfig", str(lab.installation.speaker_access()))


def workload() -> list[dict[str, Any]]:
    """A Pod on every node that echoes datagrams, and says its name with them."""
    container = {
        "name": "echo",
        "image": "echo",
        "ports": [{"containerPort": PORT, "protocol": "UDP"}],
    }
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "echo", "namespace": "default"},
            "spec": {
                "selector": {"matchLabels": {"app": "echo"}},
                "template": {"metadata": {"labels": {"app": "echo"}}, "spec": {"containers": [container]}},
            },
        }
    ]


def configuration() -> list[dict[str, Any]]:
    head = {"apiVersion": "metallb.io/v1beta1", "metadata": {"name": "lan", "namespace": NAMESPACE}}
    return [
        {**head, "kind": "IPAddressPool", "spec": {"addresses": [f"{ADDRESSES[0]}-{SPARE}"]}},
        {**head, "kind": "L2Advertisement", "spec": {"ipAddressPools": ["lan"]}},
    ]


def services() -> list[dict[str, Any]]:
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": f"echo-{number}",
                "namespace": "default",
                "labels": {"app": "echo"},
                "annotations": {"metallb.io/loadBalancerIPs": address},
            },
            "spec": {
                "type": "LoadBalancer",
                "externalTrafficPolicy": "Local",
                "selector": {"app": "echo"},
                "ports": [{"port": PORT, "protocol": "UDP"}],
            },
        }
        for number, address in enumerate(ADDRESSES)
    ]


def _only_unlabelled() -> dict[str, Any]:
    term = {"matchExpressions": [{"key": LABEL, "operator": "DoesNotExist"}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


def _for_labelled(one: Mapping[str, Any]) -> Mapping[str, Any]:
    if one["kind"] != "DaemonSet":
        return one
    spec = one["spec"]
    pod = spec["template"]["spec"]
    selected = {**pod, "nodeSelector": {**pod["nodeSelector"], LABEL: "swimlb"}}
    return {**one, "spec": {**spec, "template": {**spec["template"], "spec": selected}}}
