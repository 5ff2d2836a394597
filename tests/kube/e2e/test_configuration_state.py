"""MetalLB's scenarios of ConfigurationStates (127-136): what each speaker, and the controller, says of the configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from swimlb.lab.kubernetes.lab import KubernetesLab
from tests.kube.e2e.api import Api, Object
from tests.kube.e2e.conftest import LabelNode
from tests.kube.e2e.objects import bfd, bgp, community, on_node, peer, pool
from tests.kube.e2e.seen import wait_for_states

ROUTER, OTHER = "198.51.100.1", "198.51.100.2"
SECRET_TYPE = "kubernetes.io/basic-auth"
NODES = ("master-01", "worker-01", "worker-02")
SPEAKERS = tuple(f"speaker-{node}" for node in NODES)

pytestmark = pytest.mark.usefixtures("running")


def secret(kind: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "router", "namespace": "metallb-system"},
        "type": kind,
        "stringData": {"username": "", "password": "of the session"},
    }


@pytest.fixture
def secrets(api: Api) -> Iterator[None]:
    try:
        yield
    finally:
        api.delete("Secret", "router", "metallb-system")


def all_valid(*but: str) -> dict[str, str]:
    """What everybody says who finds nothing wrong."""
    return {name: "" for name in ("controller", *SPEAKERS) if name not in but}


def wait_for_states_anew(api: Api, verdicts: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The states, and those that are made when they are deleted: who has nothing to say has by then heard what others have."""
    before = wait_for_states(api, verdicts)
    api.delete_all("ConfigurationState")
    return before, wait_for_states(api, verdicts)


WITH_SECRET: dict[str, Any] = {"passwordSecret": {"name": "router"}}


@pytest.mark.usefixtures("secrets")
def test_a_secret_of_the_wrong_type_is_told_by_the_node_that_needs_it(api: Api) -> None:
    node = "speaker-worker-01"
    api.apply(secret("Opaque"), peer("router", ROUTER, nodeSelectors=on_node("worker-01"), **WITH_SECRET))
    summary = (
        "configuration error: BGPPeer/metallb-system/router spec.passwordSecret: "
        f'secret type mismatch on "router", type "{SECRET_TYPE}" is expected'
    )
    wait_for_states_anew(api, {node: summary, **all_valid(node)})

    api.delete("Secret", "router", "metallb-system")
    api.apply(secret(SECRET_TYPE))
    wait_for_states(api, all_valid())


@pytest.mark.usefixtures("secrets")
def test_a_peer_is_well_as_soon_as_its_secret_is_there(api: Api) -> None:
    api.apply(peer("router", ROUTER, **WITH_SECRET))
    wait_for_states(api, dict.fromkeys(SPEAKERS, "secret ref not found"))

    api.apply(secret(SECRET_TYPE))
    wait_for_states(api, all_valid())


def test_a_profile_that_is_missing_may_come_later(api: Api) -> None:
    api.apply(peer("router", ROUTER, bfdProfile="fast"))
    wait_for_states(api, dict.fromkeys(SPEAKERS, "peer router referencing non existing bfd profile fast"))

    api.apply(bfd("fast"))
    wait_for_states(api, all_valid())


def test_a_profile_that_goes_is_told_by_all_speakers(api: Api) -> None:
    """The controller has nothing to do with it."""
    api.apply(bfd("fast"), peer("router", ROUTER, bfdProfile="fast"))
    wait_for_states(api, all_valid())

    api.delete("BFDProfile", "fast")
    wait_for_states(
        api,
        {
            "controller": "",
            **dict.fromkeys(SPEAKERS, "peer router referencing non existing bfd profile fast"),
        },
    )


def test_a_community_that_nobody_defines_may_be_defined_later(api: Api) -> None:
    api.apply(pool("a", "192.0.2.0/24"), bgp("named", communities=["alias"]))
    wait_for_states(api, dict.fromkeys(SPEAKERS, 'no Community object defines "alias"'))

    api.apply(community("later", alias="64512:1"))
    wait_for_states(api, all_valid())


def test_of_two_bad_peers_both_are_told_until_they_are_deleted(api: Api) -> None:
    """MetalLB tells the first one alone."""
    api.apply(peer("a", ROUTER, bfdProfile="one"), peer("b", OTHER, bfdProfile="two"))
    both = [
        "peer a referencing non existing bfd profile one",
        "peer b referencing non existing bfd profile two",
    ]
    for words in both:
        wait_for_states(api, dict.fromkeys(SPEAKERS, words))

    api.delete("BGPPeer", "a")
    wait_for_states(api, dict.fromkeys(SPEAKERS, both[1]), without=both[0])

    api.delete("BGPPeer", "b")
    wait_for_states(api, all_valid())


def test_peers_collide_on_the_node_that_is_labelled_for_both(api: Api, label: LabelNode) -> None:
    """The other nodes are well, and stay so."""

    def on_labelled(name: str, key: str) -> Object:
        where = [{"matchExpressions": [{"key": key, "operator": "Exists"}]}]
        return peer(name, ROUTER, nodeSelectors=where)

    label("worker-01", "left", "yes")
    label("worker-02", "right", "yes")
    api.apply(on_labelled("a", "left"), on_labelled("b", "right"))
    wait_for_states(api, all_valid())

    label("worker-01", "right", "yes")
    collided = {"speaker-worker-01": "BGPPeer a has 198.51.100.1 port 179 already"}
    wait_for_states_anew(api, {**collided, **all_valid(*collided)})

    label("worker-01", "right", None)
    wait_for_states(api, all_valid())


def test_each_node_tells_of_its_own_peers(api: Api, running: KubernetesLab) -> None:
    """And says the same again when what it said is deleted."""
    api.apply(
        peer("a", ROUTER, nodeSelectors=on_node("worker-01"), bfdProfile="one"),
        peer("b", OTHER, nodeSelectors=on_node("worker-02"), bfdProfile="two"),
    )
    verdicts = {
        "controller": "",
        "speaker-master-01": "",
        "speaker-worker-01": "peer a referencing non existing bfd profile one",
        "speaker-worker-02": "peer b referencing non existing bfd profile two",
    }
    before, after = wait_for_states_anew(api, verdicts)

    assert not {uid(one) for one in before.values()} & {uid(one) for one in after.values()}
    assert {name: one["status"]["errorSummary"] for name, one in after.items()} == {
        name: one["status"]["errorSummary"] for name, one in before.items()
    }


@pytest.mark.parametrize("name", ["controller", "speaker-worker-01"])
def test_one_verdict_that_is_deleted_is_given_again(api: Api, name: str) -> None:
    before = wait_for_states(api, all_valid())

    api.delete("ConfigurationState", name)
    after = wait_for_states(api, all_valid())

    renewed = {one for one in before if uid(before[one]) != uid(after[one])}
    assert renewed == {name}


def uid(one: Any) -> str:
    return one["metadata"]["uid"]
