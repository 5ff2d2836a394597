"""The lab on Kubernetes: the walkthrough's network, with a real cluster in it, our controller and our speakers.

Everything of ours runs as a ServiceAccount, with the roles that the chart gives it and no others.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from swimlb.lab import processes, speakers, topology
from swimlb.lab.errors import LabError
from swimlb.lab.kubernetes import tools
from swimlb.lab.kubernetes.cluster import Cluster
from swimlb.lab.kubernetes.detour import Detour
from swimlb.lab.kubernetes.installation import NAMESPACE, Installation
from swimlb.lab.kubernetes.plan import CONTROL, KIND
from swimlb.lab.lab import STOP_TIMEOUT, Lab, check_machine
from swimlb.lab.sandbox import BASE, Sandbox
from swimlb.lab.topology import Topology

CONTROLLER = "controller"
"""The first replica; others have names of their own."""


def network(nodes: int = 3) -> Topology:
    """The walkthrough's network, and the control plane's machine on it."""
    return topology.walkthrough(nodes, others=(CONTROL,))


class KubernetesLab(Lab):
    """Like `Lab`, but what nodes announce is what the API server says. Build it, then `kubectl` away."""

    def __init__(
        self,
        sandbox: Sandbox,
        network: Topology,
        options: Sequence[str] = (),
        controller_options: Sequence[str] = (),
    ) -> None:
        """The options are added to the command lines of speakers and controllers."""
        super().__init__(sandbox, network, sandbox.home, options)
        self.controller_options = tuple(controller_options)
        self.cluster = Cluster(sandbox, network.nodes)
        self.control_plane = self.cluster.control_plane
        self.kubectl = self.cluster.kubectl
        self.installation = Installation(self.control_plane)

    @classmethod
    def attach(cls, name: str, base: Path = BASE) -> Self:
        sandbox = Sandbox.attach(name, base)
        settings = sandbox.ledger.settings
        if settings.get("kind") != KIND:
            raise LabError(f"the lab `{name}` has no Kubernetes: start one with `swimlb lab up --kubernetes`")
        return cls(sandbox, network(settings["nodes"]), settings["options"], settings["controller_options"])

    def build(self) -> None:
        """The cluster, with our roles and kinds installed, and everything of ours started."""
        self.build_cluster()
        self.installation.apply()
        self.start_ours()
        self.cluster.wait_until_ready()

    def build_cluster(self) -> None:
        """The network and Kubernetes alone; returns when the API server is ready, before the nodes are."""
        check_machine()
        tools.require_all()
        self.sandbox.ledger.note_settings(
            kind=KIND,
            nodes=len(self.network.nodes),
            options=self.options,
            controller_options=self.controller_options,
            loss={},
            partition=[],
        )
        topology.build(self.sandbox, self.network)
        self.cluster.begin()
        self.router.start()
        self.cluster.wait_for_api()

    def start_ours(self) -> None:
        """Our controller, and a speaker on each node."""
        self.start_controller()
        for node in self.network.nodes:
            self.start(node.name)

    def end_ours(self) -> None:
        """Whatever of it runs ends at once, and says nothing any more."""
        for label, process in self.sandbox.ledger.processes.items():
            if label.startswith((CONTROLLER, speakers.label(""))):
                processes.kill([process, *processes.descendants(process)])
        if self.control_plane.is_api_running:
            self.installation.vacate_lease()

    # The nodes' daemons and the controller.

    def start_backend(self, node: str) -> None:
        """Pods are the workload here."""
        raise LabError("on Kubernetes the workload is Pods: scale them with kubectl")

    def source_options(self) -> Sequence[str]:
        access = self.installation.speaker_access()
        # What is sent to a node for a Service is kube-proxy's: the node has no address of it.
        return ("--kubernetes", "--kubeconfig", str(access), "--data-path", "forward")

    def has_services(self) -> bool:
        services = self.kubectl.json("get", "services", "--all-namespaces")["items"]
        return any(one["spec"]["type"] == "LoadBalancer" for one in services)

    def start_controller(self, name: str = CONTROLLER, *options: str) -> None:
        """Start a replica of the controller; it leads when no other one does."""
        if self.sandbox.process(name) is not None:
            raise LabError(f"the controller `{name}` is already running")
        self.sandbox.start_module(
            name,
            "swimlb",
            "controller",
            *("--kubeconfig", str(self.installation.controller_access()), "--namespace", NAMESPACE),
            *self.controller_options,
            *options,
            namespace=CONTROL.name,
            log=self.controller_log(name),
        )

    def stop_controller(self, name: str = CONTROLLER) -> None:
        """SIGTERM: it gives its Lease back."""
        self.sandbox.signal(name, signal.SIGTERM, timeout=STOP_TIMEOUT)

    def kill_controller(self, name: str = CONTROLLER) -> None:
        self.sandbox.signal(name, signal.SIGKILL, timeout=STOP_TIMEOUT)

    def controller_log(self, name: str = CONTROLLER) -> Path:
        return self.sandbox.home / f"{name}.log"

    def rebuild(self, node: str) -> None:
        """A host like the one that was destroyed, with its kubelet, kube-proxy and speaker."""
        self.rebuild_host(node)
        self.cluster.restore(node)
        self.start(node)

    # The way to the API server.

    def open_detour(self) -> Detour:
        """Put a proxy before the API server; what is started from then on goes by it."""
        detour = Detour(self.sandbox, self.control_plane)
        detour.start()
        self.installation.server = detour.server
        return detour
