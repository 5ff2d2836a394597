"""The walkthrough's manifests, unchanged, each as its reader would try it: in a fresh lab, through real kernels."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from swimlb.lab import topology
from swimlb.lab.bird import Bird, bird_text
from swimlb.lab.lab import Lab
from swimlb.lab.observers import ProbeRun, Referee
from swimlb.lab.router import Neighbour, RouterConfig
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.status import Service
from swimlb.lab.topology import OUTSIDE, ROUTER
from swimlb.lab.waiting import pause, wait_until
from tests.netns.conftest import copy_manifests, start_lab

NODES = ("master-01", "worker-01", "worker-02")
MakeLab = Callable[..., Lab]


@pytest.fixture
def lab_with(base: Path, tmp_path: Path) -> Iterator[MakeLab]:
    """Make a lab on some of the walkthrough's manifests, and on others given as text."""
    with ExitStack() as stack:

        def make(*names: str, router: str = "frr", **texts: str) -> Lab:
            copy_manifests(tmp_path, *names)
            for name, text in texts.items():
                (tmp_path / f"{name}.yaml").write_text(text)
            sandbox = stack.enter_context(Sandbox.create(f"test-{secrets.token_hex(3)}", base))
            return start_lab(sandbox, tmp_path, gateway=None if router == "frr" else bird(sandbox))

        yield make


def bird(sandbox: Sandbox) -> Bird:
    """BIRD in FRR's place, with the walkthrough's AS numbers and neighbours."""
    nodes = Neighbour(address=topology.LAN, asn=topology.NODES_ASN, families=("ipv4",))
    config = RouterConfig(asn=topology.ROUTER_ASN, router_id=ROUTER.address, neighbours=(nodes,))
    return Bird(sandbox, ROUTER.name, configuration=bird_text(config))


def services(lab: Lab) -> dict[str, Service]:
    """The Services by name, on which all speakers have to agree."""
    said = [status.services for status in lab.statuses().values() if status is not None]
    assert len(said) == len(NODES)
    assert all(one == said[0] for one in said)
    return {service.name: service for service in said[0]}


def test_nginx_alone_waits_for_a_pool(lab_with: MakeLab) -> None:
    lab = lab_with("nginx.yaml")

    service = services(lab)["nginx-svc"]

    assert (service.state, service.addresses) == ("pending", ())
    assert service.reason


def test_layer2_is_resolved_to_one_node_that_answers(lab_with: MakeLab) -> None:
    lab = lab_with("nginx.yaml", "layer2.yaml")
    assert services(lab)["nginx-svc"].addresses == ("192.168.3.170",)
    owner = lab.require_status("worker-01").owner_of("192.168.3.170")
    assert owner is not None

    with Referee(lab.sandbox) as referee:
        response = lab.get("192.168.3.170", 8080)
        pause(0.5)  # Whoever else wanted to answer has answered.
        macs = referee.claimants("192.168.3.170", 0.0)

    assert (response.status, response.text) == (200, owner)
    assert macs == (lab.mac(owner),)
    assert lab.resolve("192.168.3.170") == lab.mac(owner)


@pytest.mark.parametrize("death", ["its link is cut", "its speaker is killed"])
def test_layer2_moves_when_the_node_dies(lab_with: MakeLab, death: str) -> None:
    lab = lab_with("nginx.yaml", "layer2.yaml")
    owner = lab.require_status("worker-01").owner_of("192.168.3.170")
    assert owner is not None

    with ProbeRun(lab.sandbox, "192.168.3.170", 8080) as probes:
        if death == "its link is cut":
            lab.cut(owner)
        else:
            lab.kill(owner)
        successor = wait_until(
            lambda: one if (one := probes.answering()) not in (None, owner) else None,
            timeout=10,
            what="another node to answer",
            seen=probes.answering,
        )

    response = lab.get("192.168.3.170", 8080)
    assert (response.status, response.text) == (200, successor)
    assert lab.resolve("192.168.3.170") == lab.mac(successor)


@pytest.mark.parametrize("router", ["frr", "bird"])
def test_bgp_spreads_clients_over_all_nodes(lab_with: MakeLab, router: str) -> None:
    lab = lab_with("nginx.yaml", "bgp.yaml", router=router)
    assert services(lab)["nginx-svc"].addresses == ("192.168.0.10",)

    paths = lab.gateway.table()["192.168.0.10/32"]
    next_hops = lab.gateway.next_hops("192.168.0.10/32")
    answers = Counter(lab.get("192.168.0.10", 8080, client=OUTSIDE).text for _ in range(60))

    addresses = tuple(node.address for node in lab.network.nodes)
    assert {path.neighbour: path.as_path for path in paths} == dict.fromkeys(addresses, (65001,))
    assert next_hops == addresses
    assert set(answers) == set(NODES)


@pytest.mark.parametrize("router", ["frr", "bird"])
def test_bgp_loses_a_next_hop_with_its_node(lab_with: MakeLab, router: str) -> None:
    lab = lab_with("nginx.yaml", "bgp.yaml", router=router)

    lab.kill("worker-01")

    survivors = ("192.168.3.103", "192.168.3.105")
    wait_until(
        lambda: lab.gateway.next_hops("192.168.0.10/32") == survivors,
        timeout=10,
        what="the router to lose the next hop",
        seen=lambda: lab.gateway.next_hops("192.168.0.10/32"),
    )
    answers = Counter(lab.get("192.168.0.10", 8080, client=OUTSIDE).text for _ in range(30))
    assert set(answers) == {"master-01", "worker-02"}


def test_no_nodeport_gets_the_address_it_asks_for(lab_with: MakeLab) -> None:
    lab = lab_with("no-nodeport.yaml", "bgp.yaml")

    response = lab.get("192.168.0.20", 8080, client=OUTSIDE)

    assert services(lab)["nginx-svc"].addresses == ("192.168.0.20",)
    assert response.status == 200


THIRD = """
apiVersion: v1
kind: Service
metadata:
  name: third
  creationTimestamp: "2030-01-01T00:00:00Z"
  annotations: {annotations}
spec:
  type: LoadBalancer
  loadBalancerIP: 192.168.0.53
  selector: {{app: dns}}
  ports: [{{name: dns, port: {port}, protocol: TCP}}]
"""
SHARING = "{metallb.universe.tf/allow-shared-ip: dns}"


def test_shared_ip_gives_both_services_one_address(lab_with: MakeLab) -> None:
    lab = lab_with("shared-ip.yaml", "bgp.yaml")

    response = lab.get("192.168.0.53", 53, client=OUTSIDE)

    assert {name: one.addresses for name, one in services(lab).items()} == {
        "dns-tcp": ("192.168.0.53",),
        "dns-udp": ("192.168.0.53",),
    }
    assert response.status == 200


@pytest.mark.parametrize(
    ("annotations", "port"), [("{}", 5353), (SHARING, 53)], ids=["without the key", "with a clashing port"]
)
def test_shared_ip_leaves_a_third_pending_with_a_reason(
    lab_with: MakeLab, annotations: str, port: int
) -> None:
    lab = lab_with("shared-ip.yaml", "bgp.yaml", third=THIRD.format(annotations=annotations, port=port))

    found = services(lab)

    assert found["dns-tcp"].addresses == found["dns-udp"].addresses == ("192.168.0.53",)
    assert (found["third"].state, found["third"].addresses) == ("pending", ())
    assert "192.168.0.53" in (found["third"].reason or "")
