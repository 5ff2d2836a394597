"""The API server asks the controller before it takes configuration, and to convert BGPPeers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from swimlb.lab.errors import LabError
from swimlb.lab.kubernetes.installation import NAMESPACE
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.waiting import wait_until
from tests.kube.conftest import clear
from tests.kube.webhooks import asked_controller


def thing(kind: str, name: str, version: str = "v1beta1", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"metallb.io/{version}",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }


@pytest.fixture(scope="module")
def asked(cluster: KubernetesLab) -> Iterator[KubernetesLab]:
    try:
        with asked_controller(cluster):
            yield cluster
    finally:
        clear(cluster)


def apply_in_time(lab: KubernetesLab, content: dict[str, Any]) -> None:
    """The API server takes a moment to learn whom it may trust."""

    complaints: list[str] = []

    def attempt() -> bool:
        try:
            lab.kubectl.apply_objects([content])
        except LabError as error:
            complaints.append(str(error))
            if "failed calling webhook" in str(error) or "conversion webhook" in str(error):
                return False
            raise
        return True

    wait_until(attempt, timeout=30, interval=0.5, what="the webhook to be asked", seen=lambda: complaints[-1])


def test_what_breaks_a_rule_between_objects_is_refused_with_the_way_out(asked: KubernetesLab) -> None:
    apply_in_time(asked, thing("IPAddressPool", "first", addresses=["192.0.2.0/24"]))

    def refusal() -> str:
        # The controller hears of the first a moment after the API server has it.
        try:
            asked.kubectl.apply_objects([thing("IPAddressPool", "second", addresses=["192.0.2.128/25"])])
        except LabError as error:
            return str(error)
        asked.kubectl("-n", NAMESPACE, "delete", "ipaddresspool", "second")
        return ""

    told = wait_until(refusal, timeout=15, interval=0.5, what="the second pool to be refused")
    assert "overlaps with" in told
    assert "Make the two pools apart" in told


def test_a_bfd_profile_in_use_cannot_be_deleted(asked: KubernetesLab) -> None:
    peer = thing(
        "BGPPeer",
        "router",
        "v1beta2",
        myASN=64512,
        peerASN=64513,
        peerAddress="198.51.100.1",
        bfdProfile="fast",
    )
    apply_in_time(asked, thing("BFDProfile", "fast"))
    apply_in_time(asked, peer)

    def refused() -> bool:
        # The controller hears of the peer a moment after the API server has it.
        try:
            asked.kubectl("-n", NAMESPACE, "delete", "bfdprofile", "fast", "--dry-run=server")
        except LabError as error:
            return "failed to delete BFDProfile fast, used by BGPPeer router" in str(error)
        return False

    wait_until(refused, timeout=15, interval=0.5, what="the deletion to be refused")


def test_a_peer_of_the_former_version_is_stored_as_the_new_one(asked: KubernetesLab) -> None:
    """Asked for in either version, it says the same."""
    former = thing("BGPPeer", "old", myASN=64512, peerASN=64513, peerAddress="198.51.100.9")

    apply_in_time(asked, former)

    new = asked.kubectl.json("-n", NAMESPACE, "get", "bgppeers.v1beta2.metallb.io", "old")
    old = asked.kubectl.json("-n", NAMESPACE, "get", "bgppeers.v1beta1.metallb.io", "old")
    assert new["spec"]["peerPort"] == 179
    assert (new["spec"]["holdTime"], new["spec"]["keepaliveTime"]) == ("0s", "0s")
    assert old["spec"]["peerAddress"] == "198.51.100.9"
