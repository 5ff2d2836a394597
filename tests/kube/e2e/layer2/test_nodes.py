"""Which nodes may announce: by their condition, by their labels, by what advertisements select (29, 30, 34-36)."""

from __future__ import annotations

import pytest

from tests.kube.e2e.api import Object
from tests.kube.e2e.conftest import LabelNode
from tests.kube.e2e.layer2.lan import NODES, Lan
from tests.kube.e2e.objects import l2, on_node, selector
from tests.kube.e2e.seen import wait_for_announcer, wait_for_answer, wait_until_withheld

EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"


def network_condition(lan: Lan, node: str, is_unavailable: bool) -> None:
    condition = {
        "type": "NetworkUnavailable",
        "status": str(is_unavailable),
        "reason": "Test",
        "message": "",
        "lastHeartbeatTime": "2026-01-01T00:00:00Z",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    lan.api.patch_status("Node", node, {"conditions": [condition]})


def test_a_node_without_a_network_does_not_announce(lan: Lan) -> None:
    lan.api.apply(l2())
    name, address = lan.serve()
    node = wait_for_announcer(lan.api, name)

    network_condition(lan, node, is_unavailable=True)
    try:
        successor = wait_for_announcer(lan.api, name, *set(NODES) - {node})
        lan.wait_for_answers(address, f"{successor}/eth0")
    finally:
        network_condition(lan, node, is_unavailable=False)

    wait_for_announcer(lan.api, name, node)
    lan.wait_for_answers(address, f"{node}/eth0")


def test_a_node_that_is_excluded_by_its_label_does_not_announce(lan: Lan, label: LabelNode) -> None:
    lan.api.apply(l2())
    name, address = lan.serve()
    node = wait_for_announcer(lan.api, name)

    label(node, EXCLUDED, "")
    successor = wait_for_announcer(lan.api, name, *set(NODES) - {node})
    lan.wait_for_answers(address, f"{successor}/eth0")

    label(node, EXCLUDED, None)
    wait_for_announcer(lan.api, name, node)
    lan.wait_for_answers(address, f"{node}/eth0")


@pytest.mark.parametrize("node", NODES)
def test_nobody_but_the_selected_node_ever_announces(lan: Lan, node: str) -> None:
    lan.api.apply(l2(nodeSelectors=on_node(node)))
    lan.settle_on(node)
    begun = lan.now()

    name, address = lan.serve()
    wait_for_announcer(lan.api, name, node)
    wait_for_answer(lan.lab, address)
    lan.ask(address)

    assert lan.claimants(address, begun) == {f"{node}/eth0"}


FIRST, SECOND, THIRD = NODES


@pytest.mark.parametrize(
    "advertisements",
    [
        [l2("one", nodeSelectors=on_node(FIRST, SECOND))],
        [l2("one", nodeSelectors=on_node(FIRST)), l2("two", nodeSelectors=on_node(SECOND))],
    ],
    ids=["two selectors", "two advertisements"],
)
def test_any_node_that_is_selected_by_any_of_several_may_announce(
    lan: Lan, advertisements: list[Object]
) -> None:
    """By any selector of one advertisement, or by any advertisement of the pool; and when one is gone, by the other."""
    lan.api.apply(*advertisements)
    names = [lan.serve()[0] for _ in range(4)]
    for name in names:
        assert wait_for_announcer(lan.api, name) != THIRD

    lan.api.delete("L2Advertisement", "two")
    lan.api.apply(l2("one", nodeSelectors=on_node(SECOND)))
    for name in names:
        wait_for_announcer(lan.api, name, SECOND)


def test_a_node_announces_when_it_is_labelled_as_selected(lan: Lan, label: LabelNode) -> None:
    lan.api.apply(l2(nodeSelectors=[selector(zone="east")]))
    name, address = lan.serve()
    wait_until_withheld(lan.lab, name, "NodeNotSelected")
    assert lan.ask(address) == set()

    label(NODES[1], "zone", "east")

    wait_for_announcer(lan.api, name, NODES[1])
    lan.wait_for_answers(address, f"{NODES[1]}/eth0")
