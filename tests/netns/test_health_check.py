"""A node whose own workload does not answer stays out: without Kubernetes, the speaker looks for itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from swimlb.lab.lab import Lab
from swimlb.lab.topology import OUTSIDE
from swimlb.lab.waiting import wait_until
from tests.netns.conftest import copy_manifests

LAN_ADDRESS = "192.168.3.170"
ROUTED_ADDRESS = "192.168.0.10"
PORT = 8080
TIMEOUT = 10.0
SERVICE = """
apiVersion: v1
kind: Service
metadata:
  name: {name}
  annotations:
    swimlb.io/health-check: http://:8080/healthz
    swimlb.io/health-check-interval: 200ms
    metallb.io/address-pool: {pool}
spec:
  type: LoadBalancer
  ports: [{{name: http, port: 8080}}]
"""


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One Service on the LAN and one behind the router, both with a health check."""
    directory = copy_manifests(tmp_path_factory.mktemp("manifests"), "layer2.yaml", "bgp.yaml")
    (directory / "services.yaml").write_text(
        SERVICE.format(name="lan", pool="layer2-pool")
        + "---"
        + SERVICE.format(name="routed", pool="first-pool")
    )
    return directory


@pytest.fixture
def owner(lab: Lab) -> Iterator[str]:
    """The owner of the LAN address while all workloads answer; those that a test stops are started again."""
    name = lab.require_status("worker-01").owner_of(LAN_ADDRESS)
    assert name is not None
    yield name
    for node in lab.network.nodes:
        if not lab.is_backend_running(node.name):
            lab.start_backend(node.name)
    wait_until(lambda: owner_of(lab) == name, timeout=TIMEOUT, what="the address to be back at its owner")
    # Each Service has a health check of its own: what is back on the LAN need not be back at the router.
    everybody = tuple(node.address for node in lab.network.nodes)
    wait_for_next_hops(lab, everybody)
    lab.wait_until_settled()


def owner_of(lab: Lab) -> str | None:
    """The owner on which all speakers agree."""
    said = {None if one is None else one.owner_of(LAN_ADDRESS) for one in lab.statuses().values()}
    return said.pop() if len(said) == 1 else None


def wait_for_next_hops(lab: Lab, addresses: tuple[str, ...]) -> None:
    """Until the router's kernel forwards to these nodes and no other."""
    wait_until(
        lambda: lab.router.next_hops(f"{ROUTED_ADDRESS}/32") == addresses,
        timeout=TIMEOUT,
        what=f"the router to have the next hops {addresses}",
        seen=lambda: lab.router.next_hops(f"{ROUTED_ADDRESS}/32"),
    )


def test_another_node_takes_over_when_the_owners_workload_stops(lab: Lab, owner: str) -> None:
    lab.stop_backend(owner)

    successor = wait_until(
        lambda: one if (one := owner_of(lab)) not in (None, owner) else None,
        timeout=TIMEOUT,
        what="another node to own the address",
        seen=lab.unsettled,
    )

    lab.sandbox.run("inside", "ip", "neigh", "flush", "all")
    response = lab.get(LAN_ADDRESS, PORT)
    assert (response.status, response.text) == (200, successor)


def test_the_router_loses_the_next_hop_whose_workload_stops(lab: Lab, owner: str) -> None:
    others = tuple(node.address for node in lab.network.nodes if node.name != owner)

    lab.stop_backend(owner)

    wait_for_next_hops(lab, others)
    answers = {lab.get(ROUTED_ADDRESS, PORT, client=OUTSIDE).text for _ in range(30)}
    assert answers == {node.name for node in lab.network.nodes} - {owner}


def test_with_no_workload_anywhere_nobody_announces_and_the_status_says_why(lab: Lab, owner: str) -> None:
    for node in lab.network.nodes:
        lab.stop_backend(node.name)

    def all_withhold() -> bool:
        statuses = [status for status in lab.statuses().values() if status is not None]
        return all(
            {(one.service, one.by) for one in status.withheld}
            >= {("default/lan", "l2"), ("default/routed", "bgp")}
            for status in statuses
        )

    wait_until(
        all_withhold, timeout=TIMEOUT, what="all speakers to withhold both Services", seen=lab.statuses
    )

    status = lab.require_status(owner)
    assert all(one.reason for one in status.withheld)
    assert not any(one.is_announced_here for one in status.l2)
    wait_for_next_hops(lab, ())
