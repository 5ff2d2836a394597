from __future__ import annotations

from typing import Any

import pytest

from swimlb.kube.conversion import NEW, OLD, NotConvertible, convert
from swimlb.kube.reviews import NoReview, answer_conversion


def peer(version: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": version,
        "kind": "BGPPeer",
        "metadata": {"name": "router", "namespace": "metallb-system", "uid": "1"},
        "spec": spec,
    }


def question(version: str, objects: list[Any], review: str = "apiextensions.k8s.io/v1") -> dict[str, Any]:
    request = {"uid": "7", "desiredAPIVersion": version, "objects": objects}
    return {"apiVersion": review, "kind": "ConversionReview", "request": request}


def test_a_former_peer_without_timers_means_no_timers() -> None:
    """MetalLB's v1beta1 cannot leave them out; port 0 is left to the default of v1beta2."""
    former = peer(OLD, myASN=64512, peerASN=64513, peerAddress="192.0.2.1", peerPort=0, ebgpMultiHop=True)

    converted = convert(former, NEW)

    assert converted == peer(
        NEW,
        myASN=64512,
        peerASN=64513,
        peerAddress="192.0.2.1",
        ebgpMultiHop=True,
        holdTime="0s",
        keepaliveTime="0s",
    )


def test_what_the_former_version_does_not_know_is_left_out() -> None:
    selector = {"matchExpressions": [{"key": "rack", "operator": "Exists"}]}
    newer = peer(
        NEW,
        myASN=64512,
        dynamicASN="external",
        interface="eth0",
        vrf="red",
        holdTime="9s",
        nodeSelectors=[selector],
    )

    converted = convert(newer, OLD)

    assert converted["spec"] == {
        "myASN": 64512,
        "peerASN": 0,
        "peerAddress": "",
        "holdTime": "9s",
        "keepaliveTime": "0s",
        "nodeSelectors": [{"matchExpressions": [{"key": "rack", "operator": "Exists", "values": []}]}],
    }
    assert converted["metadata"] == newer["metadata"]


def test_the_same_version_stays_as_it_is() -> None:
    newer = peer(NEW, myASN=64512, vrf="red")

    assert convert(newer, NEW) == newer


@pytest.mark.parametrize(("kind", "version"), [("Secret", NEW), ("BGPPeer", "metallb.io/v9")])
def test_what_cannot_be_converted_is_refused_as_a_whole(kind: str, version: str) -> None:
    objects = [peer(OLD, myASN=1), {**peer(OLD, myASN=1), "kind": kind}]
    response = answer_conversion(question(version, objects))["response"]

    assert response["uid"] == "7"
    assert response["convertedObjects"] == []
    assert response["result"]["status"] == "Failure"
    with pytest.raises(NotConvertible):
        convert(objects[1], version)


def test_the_answer_is_of_the_version_of_the_question() -> None:
    """An API server asks in v1beta1 where the definition names that first, and takes no other answer."""
    answer = answer_conversion(question(NEW, [peer(OLD, myASN=1)], "apiextensions.k8s.io/v1beta1"))

    assert (answer["apiVersion"], answer["kind"]) == ("apiextensions.k8s.io/v1beta1", "ConversionReview")
    assert answer["response"]["convertedObjects"] == [peer(NEW, myASN=1, holdTime="0s", keepaliveTime="0s")]


def test_what_is_no_review_is_refused() -> None:
    with pytest.raises(NoReview):
        answer_conversion({"request": {"uid": "7"}})
    with pytest.raises(NoReview):
        answer_conversion({})
    with pytest.raises(NoReview):
        answer_conversion(question(NEW, [], "admission.k8s.io/v1"))
