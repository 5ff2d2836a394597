"""The walkthrough on Kubernetes, as its reader types it: `kubectl apply -f` of the unchanged files, `kubectl get svc`, `curl`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from swimlb.lab.http import Response
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.observers import Referee
from swimlb.lab.topology import INSIDE, OUTSIDE, ROUTER, Host
from swimlb.lab.waiting import pause, wait_until
from tests.kube.conftest import WALKTHROUGH
from tests.kube.workloads import (
    FOLLOWED_WITHIN,
    TIMEOUT,
    deployment,
    explain,
    last_words,
    owner_of,
    wait_for_pods,
)

REQUESTS = 40
ANSWER_TIMEOUT = FOLLOWED_WITHIN

DNS = deployment("dns", 53)
SHARING = {"metallb.universe.tf/allow-shared-ip": "dns"}


def apply(lab: KubernetesLab, *names: str) -> None:
    lab.kubectl.apply(*(WALKTHROUGH / name for name in names))


def rows(lab: KubernetesLab) -> dict[str, dict[str, str]]:
    """`kubectl get svc` as its reader sees it, by NAME."""
    head, *lines = lab.kubectl("get", "svc").splitlines()
    columns = head.split()
    return {line.split()[0]: dict(zip(columns, line.split(), strict=True)) for line in lines}


def wait_for_address(lab: KubernetesLab, name: str, address: str) -> dict[str, str]:
    """The row of a Service, once it shows that EXTERNAL-IP."""
    return wait_until(
        lambda: row if (row := rows(lab).get(name, {})).get("EXTERNAL-IP") == address else None,
        timeout=TIMEOUT,
        what=f"{name} to get {address}",
        seen=lambda: f"{rows(lab)}; {lab.kubectl('describe', 'service', name)[-1500:]}",
        interval=0.2,
    )


def curl(
    lab: KubernetesLab, address: str, port: int, client: Host, pods: set[str] | None = None
) -> Counter[str]:
    """Who answers a client's requests, once all of them are answered, by all of these Pods if they are given.

    Each node's kube-proxy needs a moment of its own.
    """

    def answers() -> list[Response] | None:
        try:
            found = [lab.get(address, port, client=client) for _ in range(REQUESTS)]
        except OSError as error:
            rounds.append(str(error))
            return None
        who = {one.text for one in found}
        rounds.append(f"answered by {', '.join(sorted(who))}")
        return found if pods is None or who == pods else None

    rounds: list[str] = []
    all_of_them = wait_until(
        answers,
        timeout=ANSWER_TIMEOUT,
        what=f"{address} to answer {client.name}" + (f" by {', '.join(sorted(pods))}" if pods else ""),
        seen=lambda: f"{Counter(rounds)}; {paths(lab, address)}; {explain(lab)}",
        interval=0.2,
    )
    assert {answer.status for answer in all_of_them} == {200}
    return Counter(answer.text for answer in all_of_them)


def paths(lab: KubernetesLab, address: str) -> str:
    """What the router's kernel does with packets to the address, how each node would carry them on, and to which Pods."""
    router = lab.sandbox.run(ROUTER.name, "ip", "route", "show", address)
    neighbours = lab.sandbox.run(ROUTER.name, "ip", "neigh")
    pods = {one["status"].get("podIP"): one for one in lab.kubectl.json("get", "pods")["items"]}
    nodes: dict[str, list[str]] = {}
    for node in lab.network.nodes:
        rules = lab.sandbox.run(node.name, "nft", "list", "table", "ip", "kube-proxy").splitlines()
        nodes[node.name] = [
            *(line.strip() for line in rules if address in line or "dnat to" in line),
            *(lab.sandbox.run(node.name, "ip", "route", "get", pod).strip() for pod in pods if pod),
        ]
        nodes[node.name] += last_words(lab, "kube-proxy", node.name)
    told = {pod: (one["metadata"]["name"], one["spec"].get("nodeName")) for pod, one in pods.items()}
    slices = lab.kubectl("get", "endpointslices")
    return f"router: {router} {neighbours}; nodes: {nodes}; Pods: {told}; {slices}"


def events(lab: KubernetesLab, service: str) -> Sequence[tuple[str, str]]:
    """Reason and message of the Events about a Service."""
    listed = lab.kubectl.json("get", "events", "--field-selector", f"involvedObject.name={service}")
    return [(one["reason"], one["message"]) for one in listed["items"]]


def test_nginx_alone_is_pending(lab: KubernetesLab) -> None:
    apply(lab, "nginx.yaml")
    wait_for_pods(lab)

    row = rows(lab)["nginx-svc"]
    reason = wait_until(
        lambda: [message for kind, message in events(lab, "nginx-svc") if kind == "AllocationFailed"],
        timeout=TIMEOUT,
        what="an event that says why",
        seen=lambda: events(lab, "nginx-svc"),
    )

    assert (row["TYPE"], row["EXTERNAL-IP"]) == ("LoadBalancer", "<pending>")
    assert row["PORT(S)"].startswith("8080:")
    assert reason


def test_layer2_is_resolved_to_one_node_and_reaches_every_pod(lab: KubernetesLab) -> None:
    apply(lab, "nginx.yaml", "layer2.yaml")
    names = wait_for_pods(lab)
    row = wait_for_address(lab, "nginx-svc", "192.168.3.170")

    answered = curl(lab, "192.168.3.170", 8080, INSIDE, names)
    owner = owner_of(lab, "192.168.3.170")
    with Referee(lab.sandbox) as referee:
        lab.get("192.168.3.170", 8080)
        pause(0.5)  # Whoever else wanted to answer has answered.
        macs = referee.claimants("192.168.3.170", 0.0)

    assert row["TYPE"] == "LoadBalancer"
    assert set(answered) == names
    assert set(macs) <= {lab.mac(owner)}
    assert lab.resolve("192.168.3.170") == lab.mac(owner)


def test_layer2_moves_when_its_owner_dies(lab: KubernetesLab) -> None:
    apply(lab, "nginx.yaml", "layer2.yaml")
    wait_for_pods(lab)
    wait_for_address(lab, "nginx-svc", "192.168.3.170")
    curl(lab, "192.168.3.170", 8080, INSIDE)
    owner = owner_of(lab, "192.168.3.170")

    lab.kill(owner)
    try:
        survivor = next(node.name for node in lab.network.nodes if node.name != owner)
        successor = wait_until(
            lambda: (
                one
                if (one := lab.require_status(survivor).owner_of("192.168.3.170")) not in (None, owner)
                else None
            ),
            timeout=TIMEOUT,
            what="another node to own the address",
        )
        answered = curl(lab, "192.168.3.170", 8080, INSIDE)
        mac = lab.resolve("192.168.3.170")
    finally:
        lab.start(owner)
        lab.wait_until_joined()

    assert answered
    assert successor is not None
    assert mac == lab.mac(successor)


def test_bgp_has_a_next_hop_a_node_and_reaches_every_pod(lab: KubernetesLab) -> None:
    apply(lab, "nginx.yaml", "bgp.yaml")
    names = wait_for_pods(lab)
    wait_for_address(lab, "nginx-svc", "192.168.0.10")

    addresses = tuple(node.address for node in lab.network.nodes)
    wait_until(
        lambda: lab.router.next_hops("192.168.0.10/32") == addresses,
        timeout=TIMEOUT,
        what="the router to have a next hop for each node",
        seen=lambda: (lab.router.next_hops("192.168.0.10/32"), explain(lab)),
    )
    sessions = lab.router.sessions()

    assert {
        address: (one.is_established, one.remote_asn) for address, one in sessions.items()
    } == dict.fromkeys(addresses, (True, 65001))
    assert set(curl(lab, "192.168.0.10", 8080, OUTSIDE, names)) == names


def test_no_nodeport_gets_the_address_it_asks_for_and_no_node_port(lab: KubernetesLab) -> None:
    apply(lab, "nginx.yaml", "no-nodeport.yaml", "bgp.yaml")
    names = wait_for_pods(lab)

    row = wait_for_address(lab, "nginx-svc", "192.168.0.20")

    assert set(curl(lab, "192.168.0.20", 8080, OUTSIDE, names)) == names
    assert row["EXTERNAL-IP"] == "192.168.0.20"


def test_no_nodeport_shows_its_port_alone(lab: KubernetesLab) -> None:
    """Where nothing was before: a Service that has had a node port keeps it, says the API server."""
    apply(lab, "no-nodeport.yaml", "bgp.yaml")

    assert wait_for_address(lab, "nginx-svc", "192.168.0.20")["PORT(S)"] == "8080/TCP"


def test_shared_ip_gives_both_services_one_address(lab: KubernetesLab) -> None:
    lab.kubectl.apply_objects([DNS])
    apply(lab, "shared-ip.yaml", "bgp.yaml")
    names = wait_for_pods(lab)

    wait_for_address(lab, "dns-tcp", "192.168.0.53")
    wait_for_address(lab, "dns-udp", "192.168.0.53")

    assert set(curl(lab, "192.168.0.53", 53, OUTSIDE, names)) == names


@pytest.mark.parametrize(
    ("annotations", "port"), [({}, 5353), (SHARING, 53)], ids=["without the key", "with a clashing port"]
)
def test_shared_ip_leaves_a_third_pending_with_an_event(
    lab: KubernetesLab, annotations: dict[str, str], port: int
) -> None:
    apply(lab, "shared-ip.yaml", "bgp.yaml")
    wait_for_address(lab, "dns-tcp", "192.168.0.53")
    wait_for_address(lab, "dns-udp", "192.168.0.53")

    lab.kubectl.apply_objects(
        [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "third", "annotations": annotations},
                "spec": {
                    "type": "LoadBalancer",
                    "loadBalancerIP": "192.168.0.53",
                    "selector": {"app": "dns"},
                    "ports": [{"name": "dns", "port": port, "protocol": "TCP"}],
                },
            }
        ]
    )
    why = wait_until(
        lambda: [message for reason, message in events(lab, "third") if reason == "AllocationFailed"],
        timeout=TIMEOUT,
        what="an event that says why",
        seen=lambda: events(lab, "third"),
    )

    assert "192.168.0.53" in why[0]
    assert {name: row["EXTERNAL-IP"] for name, row in rows(lab).items() if name != "kubernetes"} == {
        "dns-tcp": "192.168.0.53",
        "dns-udp": "192.168.0.53",
        "third": "<pending>",
    }
