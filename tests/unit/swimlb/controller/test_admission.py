from __future__ import annotations

from typing import Any

import pytest

from swimlb.config import Document, Options
from swimlb.controller.admission import Verdict, admit, admit_deletion
from swimlb.kube.reviews import NoReview, answer_admission

OPTIONS = Options()


def thing(
    kind: str, name: str, *, namespace: str = "metallb-system", version: str = "v1beta1", **spec: Any
) -> Any:
    return {
        "apiVersion": f"metallb.io/{version}",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


POOL = thing("IPAddressPool", "pool", addresses=["192.0.2.0/24"])
PEER = thing(
    "BGPPeer",
    "router",
    version="v1beta2",
    myASN=64512,
    peerASN=64513,
    peerAddress="198.51.100.1",
    bfdProfile="fast",
)


def there(*objects: Any) -> list[Document]:
    return [Document(one) for one in objects]


def test_what_overlaps_with_another_pool_is_refused() -> None:
    verdict = admit(thing("IPAddressPool", "second", addresses=["192.0.2.128/25"]), there(POOL), OPTIONS)

    assert "overlaps" in verdict.refusal
    assert "192.0.2.128-192.0.2.255" in verdict.refusal


def test_what_is_in_force_but_for_a_node_s_address_is_warned_of() -> None:
    """A Node may come later just as well, and nobody asks then."""
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "node-a"},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.5"}]},
    }

    verdict = admit(POOL, there(node), OPTIONS)

    assert verdict.refusal == ""
    assert len(verdict.warnings) == 1
    assert "the rest of the pool is in force" in verdict.warnings[0]


def test_a_changed_object_is_not_held_against_its_former_version() -> None:
    verdict = admit(thing("IPAddressPool", "pool", addresses=["192.0.2.0/25"]), there(POOL), OPTIONS)

    assert verdict.refusal == ""


def test_what_would_break_another_object_is_refused() -> None:
    """An advertisement in force aggregates more than the new version of the pool allows."""
    advertisement = thing("BGPAdvertisement", "wide", ipAddressPools=["pool"], aggregationLength=26)

    verdict = admit(
        thing("IPAddressPool", "pool", addresses=["192.0.2.0/28"]), there(POOL, advertisement), OPTIONS
    )

    assert verdict.refusal


def test_errors_that_are_there_already_are_not_held_against_others() -> None:
    broken = thing("IPAddressPool", "broken", addresses=["nonsense"])

    verdict = admit(thing("IPAddressPool", "fine", addresses=["198.51.100.0/24"]), there(broken), OPTIONS)

    assert verdict.refusal == ""


def test_what_is_referred_to_may_come_later() -> None:
    secret = {**PEER, "spec": {**PEER["spec"], "passwordSecret": {"name": "later"}}}
    advertisement = thing("BGPAdvertisement", "tagged", communities=["later", "65535:65281"])

    assert admit(secret, [], OPTIONS).refusal == ""
    assert admit(advertisement, there(POOL), OPTIONS).refusal == ""


def test_another_namespace_is_refused() -> None:
    verdict = admit(
        thing("IPAddressPool", "pool", namespace="default", addresses=["192.0.2.0/24"]), [], OPTIONS
    )

    assert "resource must be created in metallb-system namespace" in verdict.refusal


def test_a_bfd_profile_in_use_stays() -> None:
    """In MetalLB's words."""
    assert admit_deletion(thing("BFDProfile", "fast"), there(PEER)) == Verdict(
        "failed to delete BFDProfile fast, used by BGPPeer router"
    )
    assert admit_deletion(thing("BFDProfile", "slow"), there(PEER)) == Verdict()
    assert admit_deletion(POOL, there(PEER)) == Verdict()


def question(**request: Any) -> Any:
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def test_the_answer_is_a_review_with_the_same_uid() -> None:
    def judge(operation: str, content: Any) -> Verdict:
        return Verdict("no" if operation == "DELETE" else "", ("mind",))

    created = answer_admission(question(uid="1", operation="CREATE", object=POOL), judge)
    deleted = answer_admission(question(uid="2", operation="DELETE", oldObject=POOL), judge)

    assert created["response"] == {"uid": "1", "allowed": True, "warnings": ["mind"]}
    assert deleted["response"] == {
        "uid": "2",
        "allowed": False,
        "status": {"code": 403, "reason": "Forbidden", "message": "no"},
        "warnings": ["mind"],
    }
    with pytest.raises(NoReview):
        answer_admission(question(uid="1", operation="CREATE"), judge)
