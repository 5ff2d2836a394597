"""MetalLB's scenario of NetworkPolicies (137): what the chart's policy lets through is what the controller needs.

The lab has no network plugin: a host's own packet filter stands for it, with the ports that the chart renders.
"""

from __future__ import annotations

import signal
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from swimlb.lab import namespaces
from swimlb.lab.http import get_from
from swimlb.lab.kubernetes.installation import NAMESPACE
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.kubernetes.plan import API_PORT, CONTROL
from swimlb.lab.topology import INSIDE, ROUTER
from swimlb.lab.waiting import wait_until
from tests.interop.test_chart import objects, render
from tests.kube.e2e.api import TIMEOUT, Api
from tests.kube.e2e.objects import pool, service, unique
from tests.kube.e2e.seen import wait_until_served

LABEL = "controller-confined"
HEALTH_PORT = 8181
"""The policy does not name it: probes come from the node, which no policy keeps out."""
STARTED_WITHIN = 60.0
UNREACHABLE_AFTER = 0.5
TABLE = "inet lab_policy"


@dataclass(frozen=True, slots=True)
class Policy:
    """TCP ports that are let in, by their names in the Pod, and out."""

    ingress: dict[str, int]
    egress: tuple[int, ...]

    @property
    def rules(self) -> str:
        def ports(numbers: Any) -> str:
            return ", ".join(map(str, numbers))

        usual = "ct state established,related accept; meta l4proto { icmp, ipv6-icmp } accept"
        return f"""
            table {TABLE} {{
                chain ingress {{
                    type filter hook input priority 0; policy drop;
                    iifname lo accept; {usual}; tcp dport {{ {ports(self.ingress.values())} }} accept
                }}
                chain egress {{
                    type filter hook output priority 0; policy drop;
                    oifname lo accept; {usual}; tcp dport {{ {ports(self.egress)} }} accept
                }}
            }}
        """


def rendered() -> Policy:
    values = f"networkpolicies.enabled=true,networkpolicies.apiPort={API_PORT}"
    everything = list(objects(render("--set", values)))
    (policy,) = [one["spec"] for one in everything if one["kind"] == "NetworkPolicy"]
    (deployment,) = [one for one in everything if one["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    numbers = {one["name"]: one["containerPort"] for one in container["ports"]}
    (egress,), (ingress,) = policy["egress"], policy["ingress"]
    return Policy(
        {one["port"]: numbers[one["port"]] for one in ingress["ports"]},
        tuple(one["port"] for one in egress["ports"]),
    )


@pytest.fixture
def confined(cluster: KubernetesLab) -> Iterator[Policy]:
    """The controller on a host of its own, which lets through what the policy does."""
    policy = rendered()
    sandbox, host = cluster.sandbox, cluster.sandbox.namespace(INSIDE.name)
    namespaces.run(namespaces.execute(host, "nft", "-f", "-"), stdin=policy.rules)
    try:
        sandbox.start_module(
            *(LABEL, "swimlb", "controller"),
            *("--kubeconfig", str(cluster.installation.controller_access()), "--namespace", NAMESPACE),
            *("--metrics-host", "0.0.0.0", "--metrics-port", str(policy.ingress["metrics"])),
            *("--webhook-host", "0.0.0.0", "--webhook-port", str(policy.ingress["webhook-server"])),
            *("--health-host", "0.0.0.0", "--health-port", str(HEALTH_PORT)),
            namespace=INSIDE.name,
            log=cluster.controller_log(LABEL),
        )
        yield policy
    finally:
        if sandbox.process(LABEL) is not None:
            sandbox.signal(LABEL, signal.SIGTERM, timeout=TIMEOUT)
        namespaces.run(namespaces.execute(host, "nft", "delete", "table", *TABLE.split()))


def test_the_controller_needs_no_more_than_the_policy_lets_through(
    cluster: KubernetesLab, api: Api, confined: Policy
) -> None:
    """It gives addresses, answers the API server and Prometheus, and nobody reaches anything else of it."""
    client, name = cluster.sandbox.namespace(ROUTER.name), unique("served")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE

    def answers(port: int, tls: ssl.SSLContext | None = None) -> bool:
        try:
            return get_from(client, INSIDE.address, port, "/metrics", UNREACHABLE_AFTER, tls).status < 500
        except OSError:
            return False

    api.apply(pool("a", "192.0.2.0/30"), service(name))
    wait_until_served(api, name)
    for port, how in ((confined.ingress["metrics"], None), (confined.ingress["webhook-server"], tls)):
        wait_until(lambda p=port, h=how: answers(p, h), timeout=STARTED_WITHIN, what=f"an answer at {port}")

    assert not answers(HEALTH_PORT)
    with pytest.raises(TimeoutError):
        get_from(
            cluster.sandbox.namespace(INSIDE.name), CONTROL.address, HEALTH_PORT, timeout=UNREACHABLE_AFTER
        )
    assert (
        get_from(cluster.sandbox.namespace(INSIDE.name), "127.0.0.1", HEALTH_PORT, "/healthz").status == 200
    )
