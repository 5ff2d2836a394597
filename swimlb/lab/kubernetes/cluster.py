"""A cluster in a sandbox: the control plane, and on each node a kubelet's stand-in and a real kube-proxy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from swimlb.lab import http, namespaces
from swimlb.lab.daemon import Daemon
from swimlb.lab.errors import LabError
from swimlb.lab.kubernetes import tools
from swimlb.lab.kubernetes.control_plane import ControlPlane
from swimlb.lab.kubernetes.objects import Node
from swimlb.lab.kubernetes.placement import takes_pods
from swimlb.lab.kubernetes.plan import CONTROL, POD_LINK_PREFIX, PodRange
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import Host

READY_TIMEOUT = 60.0
PROXY_HEALTH_PORT = 10256
PROXY_METRICS_PORT = 10249
_PACKAGE = "swimlb.lab.kubernetes"


class Cluster:
    """The hosts are there already, `CONTROL` and the nodes, all on the LAN; the sandbox ends everything."""

    def __init__(self, sandbox: Sandbox, nodes: Sequence[Host]) -> None:
        self._sandbox = sandbox
        self.nodes = tuple(nodes)
        self.control_plane = ControlPlane(sandbox)
        self.kubectl = self.control_plane.kubectl

    def begin(self) -> None:
        """Start everything, and return at once: what needs the API server asks until it is there."""
        self.control_plane.prepare([node.name for node in self.nodes])
        for host in (*self.nodes, CONTROL):
            self._route(host)
        self.control_plane.begin()
        self._start_module("scheduler", CONTROL.name, "--kubeconfig", self._kubeconfig("scheduler"))
        for node in self.nodes:
            self.start_node(node.name)

    def wait_for_api(self) -> None:
        self.control_plane.wait_until_ready()

    def start_node(self, name: str) -> None:
        """Start the node's kubelet and kube-proxy, on a host that has its routes."""
        self.start_kubelet(name)
        self.start_proxy(name)

    def start_kubelet(self, name: str) -> None:
        host, ranges = self._node(name)
        self._start_module(
            "kubelet",
            name,
            *("--node", name, "--index", str(ranges.index)),
            *("--address", host.address, "--address", host.address6),
            *("--kubeconfig", self._kubeconfig(f"node-{name}")),
        )

    def stop_kubelet(self, name: str) -> None:
        """The kubelet is gone, with its Pods: nobody tells the API server."""
        Daemon(self._sandbox, name, "kubelet").kill()

    def start_proxy(self, name: str) -> None:
        proxy = self._daemon("kube-proxy", name)
        configuration = proxy.home / "configuration.json"
        configuration.write_text(
            json.dumps(proxy_configuration(name, self._kubeconfig("kube-proxy")), indent=1)
        )
        proxy.begin([tools.find("kube-proxy"), "--config", str(configuration)])

    def restore(self, name: str) -> None:
        """A node whose host was destroyed and built anew: routes, kubelet and kube-proxy."""
        host, _ = self._node(name)
        self._route(host)
        self.start_node(name)

    def wait_until_ready(self, timeout: float = READY_TIMEOUT) -> None:
        """Until every Node is ready to take Pods, and its kube-proxy has written its rules."""
        everyone = {node.name for node in self.nodes}
        self.kubectl.wait_for(
            "nodes",
            until=lambda answer: everyone <= _ready(answer["items"]),
            timeout=timeout,
            description=f"the Nodes {', '.join(sorted(everyone))} to be ready",
        )
        for name in sorted(everyone):
            self._daemon("kube-proxy", name).wait_until_ready(partial(self._is_proxy_ready, name), timeout)

    def _is_proxy_ready(self, name: str) -> bool:
        try:
            answer = http.get_from(self._sandbox.namespace(name), "127.0.0.1", PROXY_HEALTH_PORT, "/healthz")
        except OSError:
            return False
        return answer.status == 200

    def _route(self, host: Host) -> None:
        """Other nodes' Pods are behind their nodes."""
        lines: list[str] = []
        for node in self.nodes:
            if node.name != host.name:
                prefix, prefix6 = self._node(node.name)[1].prefixes
                lines += [
                    f"route add {prefix} via {node.address}",
                    f"route add {prefix6} via {node.address6}",
                ]
        namespace = self._sandbox.namespace(host.name)
        if host != CONTROL:
            namespaces.set_sysctls(namespace, namespaces.KUBERNETES_NODE_SYSCTLS)
        if lines:
            namespaces.ip_batch(lines, namespace)

    def _node(self, name: str) -> tuple[Host, PodRange]:
        for index, node in enumerate(self.nodes, start=1):
            if node.name == name:
                return node, PodRange(index)
        raise LabError(f"there is no node `{name}`: the lab has {', '.join(one.name for one in self.nodes)}")

    def _kubeconfig(self, name: str) -> str:
        return str(self.control_plane.kubeconfig(name))

    def _daemon(self, program: str, host: str) -> Daemon:
        daemon = Daemon(self._sandbox, host, program)
        daemon.home.mkdir(exist_ok=True)
        return daemon

    def _start_module(self, program: str, host: str, *arguments: str) -> None:
        self._daemon(program, host).begin_module(f"{_PACKAGE}.{program}", *arguments)


def proxy_configuration(node: str, kubeconfig: str) -> dict[str, Any]:
    """How a node's kube-proxy is set up."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": node,
        "clientConnection": {"kubeconfig": kubeconfig},
        "healthzBindAddress": f"127.0.0.1:{PROXY_HEALTH_PORT}",
        "metricsBindAddress": f"127.0.0.1:{PROXY_METRICS_PORT}",
        "detectLocalMode": "InterfaceNamePrefix",
        "detectLocal": {"interfaceNamePrefix": POD_LINK_PREFIX},
        "nodePortAddresses": ["primary"],
        # Sooner than by default, once a second: tests wait for it.
        "nftables": {"minSyncPeriod": "100ms", "syncPeriod": "30s"},
        # These are the machine's, not a network namespace's: they stay as they are.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }


def _ready(items: list[Any]) -> set[str]:
    return {node.metadata.name for node in msgspec.convert(items, list[Node]) if takes_pods(node)}
