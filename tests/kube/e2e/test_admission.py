"""MetalLB's scenarios of its webhooks (116-126): what the API server refuses, with our controller to ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from swimlb.lab.kubernetes.installation import NAMESPACE
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.waiting import wait_until
from tests.kube.e2e.api import TIMEOUT, Api, Object, Refused
from tests.kube.e2e.objects import bfd, bgp, community, l2, on_node, peer, pool, selector
from tests.kube.webhooks import asked_controller

ROUTER = "198.51.100.1"
VALID: tuple[Object, ...] = (
    pool("a", "192.0.2.0/24"),
    l2(),
    bgp(),
    peer("a", ROUTER),
    bfd("a"),
    community("a", alias="64512:1"),
)
"""One of each kind."""


@pytest.fixture(scope="module", autouse=True)
def asked(cluster: KubernetesLab, admin: Api) -> Iterator[None]:
    """A controller that the API server asks for all kinds, and trusts by now."""
    with asked_controller(cluster):
        wait_until(
            lambda: all(refusal(lambda one=one: admin.apply(one, is_dry=True)) is None for one in VALID),
            timeout=TIMEOUT,
            what="the webhooks to answer",
        )
        yield


def refusal(act: Callable[[], object]) -> str | None:
    """Why the API server does not do it; None: it does."""
    try:
        act()
    except Refused as refused:
        return str(refused)
    return None


def why_not(api: Api, candidate: Object) -> str:
    """Why an object is refused: as soon as the controller, too, has heard of those that it does not go with."""
    return wait_until(
        lambda: refusal(lambda: api.apply(candidate, is_dry=True)),
        timeout=TIMEOUT,
        what=f"{candidate['kind']} {candidate['metadata']['name']} to be refused",
    )


def test_pools_may_not_overlap(api: Api) -> None:
    api.apply(pool("first", "192.0.2.0/24"))
    assert "overlaps with" in why_not(api, pool("second", "192.0.2.16-192.0.2.31"))


def test_an_aggregate_may_not_be_larger_than_the_pool(api: Api) -> None:
    api.apply(pool("small", "192.0.2.0/28"))
    assert "invalid aggregation length 26" in why_not(
        api, bgp("wide", ipAddressPools=["small"], aggregationLength=26)
    )


@pytest.mark.parametrize("length", [{"aggregationLength": 26}, {"aggregationLengthV6": 64}])
def test_an_aggregate_is_not_for_selected_services(api: Api, length: dict[str, int]) -> None:
    selected = bgp("both", serviceSelectors=[selector(app="web")], **length)
    assert "mutually exclusive" in why_not(api, selected)


def test_the_address_of_a_peer_must_be_one(api: Api) -> None:
    assert "198.51.100.400" in why_not(api, peer("odd", "198.51.100.400"))


def test_two_peers_of_a_node_may_not_have_one_address(api: Api) -> None:
    api.apply(peer("first", ROUTER))
    assert "BGPPeer first has" in why_not(api, peer("second", ROUTER, nodeSelectors=on_node("worker-01")))


def test_two_peers_of_different_nodes_may_have_one_address(api: Api) -> None:
    first, second = peer("first", ROUTER, nodeSelectors=on_node("worker-01")), on_node("worker-02")
    api.apply(first)
    why_not(api, peer("second", ROUTER, nodeSelectors=on_node("worker-01")))

    api.apply(peer("second", ROUTER, nodeSelectors=second))

    assert {one["metadata"]["name"] for one in api.find("BGPPeer")} == {"first", "second"}


NO_COMMUNITIES = ["99999999:1", "lar:123:9999:123"]


@pytest.mark.parametrize("value", NO_COMMUNITIES)
def test_a_community_that_is_none_is_not_created(api: Api, value: str) -> None:
    assert value.split(":")[0] in why_not(api, community("odd", alias=value))


@pytest.mark.parametrize("value", NO_COMMUNITIES)
def test_a_community_does_not_become_none(api: Api, value: str) -> None:
    api.apply(community("good", alias="64512:1"))
    assert value.split(":")[0] in why_not(api, community("good", alias=value))


def twice(value: str) -> Object:
    """A Community that says one name twice."""
    entries = [{"name": "alias", "value": value}] * 2
    return {**community("twice"), "spec": {"communities": entries}}


@pytest.mark.parametrize("value", ["64512:1", "large:64512:1:1"], ids=["legacy", "large"])
def test_a_name_of_a_community_is_unique(api: Api, value: str) -> None:
    """In one object, and over all of them."""
    assert 'duplicate definition of community "alias"' in why_not(api, twice(value))

    api.apply(community("first", alias=value))
    assert 'duplicate definition of community "alias"' in why_not(api, community("second", alias=value))


def test_a_bfd_profile_that_a_peer_uses_is_not_deleted(api: Api) -> None:
    api.apply(bfd("fast"), peer("router", ROUTER, bfdProfile="fast"))

    why = wait_until(
        lambda: refusal(lambda: api.delete("BFDProfile", "fast", is_dry=True)),
        timeout=TIMEOUT,
        what="the deletion to be refused",
    )

    assert "failed to delete BFDProfile fast, used by BGPPeer router" in why


@pytest.mark.parametrize("valid", VALID, ids=[one["kind"] for one in VALID])
def test_configuration_belongs_into_our_namespace(api: Api, valid: Object) -> None:
    elsewhere = {**valid, "metadata": {**valid["metadata"], "namespace": "default"}}
    assert f"resource must be created in {NAMESPACE} namespace" in why_not(api, elsewhere)
