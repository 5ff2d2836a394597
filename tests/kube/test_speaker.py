"""A speaker on a real API server, without our controller: what it takes from there, what it writes there, and what it does
while the API server is away. The tests write Services' statuses themselves, as the controller would.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swimlb.lab.kubernetes.installation import NAMESPACE
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.observers import LoadRun
from swimlb.lab.waiting import pause, wait_until
from swimlb.runtime.privileges import Capability
from tests.kube.conftest import WALKTHROUGH, clear
from tests.kube.workloads import FOLLOWED_WITHIN, explain

ADDRESS, PORT, SERVICE = "192.168.3.170", 8080, "nginx-svc"
RATE, MOVES = 20.0, 2
"""New connections a second while the address moves away and back."""
WATCHED_FOR = 1.0
"""After each move."""
OPTIONS = ("--drain-on", "label:maintenance", "--drain-on", "annotation:swimlb.io/drain=yes")


@pytest.fixture(scope="module")
def speakers(cluster: KubernetesLab) -> Iterator[KubernetesLab]:
    """A speaker on each node, which may be drained, and no controller."""
    before, cluster.options = cluster.options, OPTIONS
    try:
        for node in cluster.network.nodes:
            cluster.start(node.name)
        cluster.wait_until_joined()
        yield cluster
    finally:
        for node in cluster.network.nodes:
            if cluster.status(node.name) is not None:
                cluster.stop(node.name)
        cluster.options = before


@pytest.fixture
def lab(speakers: KubernetesLab) -> Iterator[KubernetesLab]:
    """The walkthrough's Service has an address on the LAN, and is served."""
    try:
        speakers.kubectl.apply(WALKTHROUGH / "layer2.yaml", WALKTHROUGH / "nginx.yaml")
        give_address(speakers, ADDRESS)
        wait_until(
            lambda: is_served(speakers),
            timeout=FOLLOWED_WITHIN,
            what="the Service to be served",
            seen=lambda: (views(speakers), explain(speakers)),
        )
        yield speakers
    finally:
        clear(speakers)


def give_address(lab: KubernetesLab, *addresses: str) -> None:
    status = {"loadBalancer": {"ingress": [{"ip": address} for address in addresses]}}
    patch = json.dumps({"status": status})
    lab.kubectl("patch", "service", SERVICE, "--subresource=status", "--type=merge", "-p", patch)


def is_served(lab: KubernetesLab) -> bool:
    try:
        return lab.get(ADDRESS, PORT).status == 200
    except OSError:
        return False


def owner(lab: KubernetesLab) -> str:
    """The node that all speakers that run hold for the owner."""

    def agreed() -> str | None:
        owners = {status.owner_of(ADDRESS) for status in lab.statuses().values() if status is not None}
        return owners.pop() if len(owners) == 1 else None

    return wait_until(agreed, timeout=30, what="one owner", seen=lambda: views(lab))


def views(lab: KubernetesLab) -> dict[str, object]:
    """What each speaker goes by, for a test that fails."""
    return {
        node: status and (status.source, status.phase, status.l2, status.withheld, status.services)
        for node, status in lab.statuses().items()
    }


def wait_for_status(lab: KubernetesLab, node: str | None) -> list[Any]:
    """The objects that say who announces, once there is exactly one, of this node (None: none at all)."""

    def is_right(answer: Any) -> bool:
        nodes = [one.get("status", {}).get("node") for one in answer["items"]]
        return nodes == ([] if node is None else [node])

    answer = lab.kubectl.wait_for(
        *("servicel2statuses", "-n", NAMESPACE), until=is_right, timeout=30, description=f"a status of {node}"
    )
    return answer["items"]


def test_the_owner_says_so_in_a_status_and_an_event(lab: KubernetesLab) -> None:
    """With MetalLB's labels and words; the object is gone with the Service."""
    node = owner(lab)

    [one] = wait_for_status(lab, node)
    assert one["metadata"]["generateName"] == "l2-"
    assert one["metadata"]["labels"] == {
        "metallb.io/node": node,
        "metallb.io/service-name": SERVICE,
        "metallb.io/service-namespace": "default",
    }
    assert one["status"] == {"node": node, "serviceName": SERVICE, "serviceNamespace": "default"}
    lab.kubectl.wait_for(
        *("events", "--field-selector", f"involvedObject.name={SERVICE},reason=nodeAssigned"),
        until=lambda answer: (
            f'announcing from node "{node}" with protocol "layer2"'
            in [event["message"] for event in answer["items"]]
        ),
        timeout=10,
        description="the event",
    )

    lab.kubectl("delete", "service", SERVICE)
    wait_for_status(lab, None)


def test_interfaces_that_no_node_has_are_told_by_the_node_that_would_announce(lab: KubernetesLab) -> None:
    """And by no other: it is MetalLB's owner. With an interface that there is, the address is announced again."""
    node = owner(lab)
    advertise_on(lab, ["eth9"])
    wait_for_status(lab, None)
    told = lab.kubectl.wait_for(
        *("events", "--field-selector", f"involvedObject.name={SERVICE},reason=announceFailed"),
        until=lambda answer: answer["items"],
        timeout=20,
        description="the event",
    )["items"]

    assert [(one["type"], one["message"]) for one in told] == [
        (
            "Warning",
            f'the interfaces specified by LB IP "{ADDRESS}" doesn\'t exist in assigned node "{node}" '
            'with protocol "layer2"',
        )
    ]
    advertise_on(lab, ["eth0"])
    [one] = wait_for_status(lab, node)
    assert one["status"]["interfaces"] == [{"name": "eth0"}]


def advertise_on(lab: KubernetesLab, interfaces: list[str]) -> None:
    patch = json.dumps({"spec": {"interfaces": interfaces}})
    lab.kubectl("-n", NAMESPACE, "patch", "l2advertisement", "layer2-lb", "--type=merge", "-p", patch)


def test_the_next_owner_replaces_the_status_of_one_that_died(lab: KubernetesLab) -> None:
    """Nobody else would delete it: here no Pod owns it, with which it would go."""
    dead = owner(lab)
    wait_for_status(lab, dead)

    lab.kill(dead)
    try:
        wait_until(lambda: owner(lab) != dead, timeout=30, what="another owner")
        wait_for_status(lab, owner(lab))
    finally:
        lab.start(dead)
        lab.wait_until_joined()


def test_an_address_that_moves_to_no_address_is_let_go(lab: KubernetesLab) -> None:
    """As soon as the status says so, and back."""
    give_address(lab)
    wait_until(
        lambda: all(s is not None and s.owner_of(ADDRESS) is None for s in lab.statuses().values()),
        timeout=20,
        what="nobody to own it",
    )
    give_address(lab, ADDRESS)
    wait_until(lambda: is_served(lab), timeout=20, what="the Service to be served again")


@pytest.mark.parametrize(
    ("mark", "unmark", "reason"),
    [
        (("label", "maintenance=tonight"), ("label", "maintenance-"), "label:maintenance"),
        (
            ("annotate", "swimlb.io/drain=yes"),
            ("annotate", "swimlb.io/drain-"),
            "annotation:swimlb.io/drain=yes",
        ),
    ],
    ids=["label", "annotation"],
)
def test_a_marked_node_gives_its_addresses_up_and_takes_them_back(
    lab: KubernetesLab, mark: tuple[str, str], unmark: tuple[str, str], reason: str
) -> None:
    """Without one refused connection, and without leaving the ring. A cordoned node serves on.

    A connection that is open at the very moment of a move is reset, since nodes do not share what kube-proxy's rules have
    translated: at most one for each move, at this pace.
    """
    node = owner(lab)
    lab.kubectl("cordon", node)
    try:
        with LoadRun(lab.sandbox, [ADDRESS], PORT, streams=0, rate=RATE) as load:
            verb, what = mark
            lab.kubectl(verb, "node", node, what)
            wait_until(lambda: owner(lab) != node, timeout=30, what="the address to be given up")
            status = lab.require_status(node)
            assert status.source is not None
            assert status.source.drained_by == reason
            assert node in status.alive_members()
            pause(WATCHED_FOR)

            verb, what = unmark
            lab.kubectl(verb, "node", node, what)
            wait_until(lambda: owner(lab) == node, timeout=30, what="the address to be taken back")
            pause(WATCHED_FOR)
    finally:
        lab.kubectl("uncordon", node)
    connections = load.connections()
    assert len(connections) > MOVES * WATCHED_FOR * RATE / 2
    assert is_served(lab)
    failed = [one for one in connections if one.error is not None]
    assert [one for one in failed if one.connected is None] == []
    assert len(failed) <= MOVES


def state_of(lab: KubernetesLab, node: str, result: str) -> dict[str, Any]:
    answer = lab.kubectl.wait_for(
        *("configurationstates", f"speaker-{node}", "-n", NAMESPACE),
        until=lambda one: one.get("status", {}).get("result") == result,
        timeout=20,
        description=f"{node} to find the configuration {result}",
    )
    return answer["status"]


BROKEN = {
    "apiVersion": "metallb.io/v1beta1",
    "kind": "L2Advertisement",
    "metadata": {"name": "layer2-lb", "namespace": NAMESPACE},
    "spec": {"ipAddressPools": ["layer2-pool", "layer2-pool"]},
}


def test_a_broken_object_is_told_and_a_deleted_verdict_is_made_again(lab: KubernetesLab) -> None:
    """What is wrong stands in the state of each speaker, and its last good version stays in force."""
    lab.kubectl.apply_objects([BROKEN])
    for node in lab.network.nodes:
        status = state_of(lab, node.name, "Invalid")
        assert status["errorSummary"].startswith(
            f"configuration error: L2Advertisement/{NAMESPACE}/layer2-lb spec.ipAddressPools"
        )
        [condition] = status["conditions"]
        assert (condition["type"], condition["status"]) == ("configReconcilerValid", "False")
        assert condition["reason"] == "ConfigurationError"
    assert is_served(lab)

    lab.kubectl.apply(WALKTHROUGH / "layer2.yaml")
    lab.kubectl("-n", NAMESPACE, "delete", "configurationstates", "--all")
    for node in lab.network.nodes:
        assert state_of(lab, node.name, "Valid")["errorSummary"] == ""


def test_a_speaker_that_restarts_goes_on_with_the_last_good_version(lab: KubernetesLab) -> None:
    """Which the API server has no more: it stands on the node's disk."""
    node = owner(lab)
    wait_until(lambda: is_saved(lab, node), timeout=20, what="the state to be on the disk")
    lab.kubectl.apply_objects([BROKEN])
    state_of(lab, node, "Invalid")
    lab.kill(node)
    wait_until(lambda: owner(lab) != node, timeout=30, what="another owner")

    lab.start(node)
    wait_until(lambda: owner(lab) == node, timeout=30, what="the owner to be back")

    assert source_state(lab, node) == "current"
    assert state_of(lab, node, "Invalid")["errorSummary"]
    wait_until(lambda: is_served(lab), timeout=5, what="the Service to be served")


def test_a_speaker_that_starts_while_the_api_server_is_away_announces_what_it_did(lab: KubernetesLab) -> None:
    """From the node's disk; and when the API server is back nothing moves, and nothing is said twice."""
    node = owner(lab)
    [before] = wait_for_status(lab, node)
    wait_until(lambda: is_saved(lab, node), timeout=20, what="the state to be on the disk")
    lab.control_plane.kill_api()
    try:
        lab.kill(node)
        wait_until(lambda: owner(lab) != node, timeout=30, what="another owner")
        lab.start(node)
        wait_until(lambda: owner(lab) == node, timeout=30, what="the owner to be back")
        assert source_state(lab, node) == "last-good"
        wait_until(lambda: is_served(lab), timeout=5, what="the Service to be served")
    finally:
        lab.control_plane.start_api()
    wait_until(
        lambda: {source_state(lab, one.name) for one in lab.network.nodes} == {"current"},
        timeout=60,
        what="all speakers to hear of the API server again",
    )
    assert owner(lab) == node
    [after] = wait_for_status(lab, node)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


def source_state(lab: KubernetesLab, node: str) -> str:
    status = lab.status(node)
    return status.source.state if status is not None and status.source is not None else "silent"


def is_saved(lab: KubernetesLab, node: str) -> bool:
    state = lab.log(node).parent / "last-good-state"
    return state.exists() and ADDRESS.encode() in state.read_bytes()


def test_watch_has_the_token_and_no_capability_and_wire_the_reverse(lab: KubernetesLab) -> None:
    """As the kernel tells; what the API server is spoken to with stands in no variable of wire."""
    node = lab.network.nodes[0].name
    watch, wire = (lab.speaker_process(node, which).pid for which in ("watch", "wire"))

    assert [capabilities(watch, of) for of in ("CapPrm", "CapEff", "CapBnd", "CapAmb")] == [set()] * 4
    assert capabilities(wire, "CapPrm") == capabilities(wire, "CapBnd") == set(Capability)
    for pid in (watch, wire):
        assert status_of(pid)["NoNewPrivs"] == "1"
    names = {one.split(b"=")[0] for one in Path(f"/proc/{wire}/environ").read_bytes().split(b"\0")}
    assert not [name for name in names if name.startswith((b"KUBE", b"METALLB"))]


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def capabilities(pid: int, which: str) -> set[int]:
    bits = int(status_of(pid)[which], 16)
    return {number for number in range(64) if bits >> number & 1}
