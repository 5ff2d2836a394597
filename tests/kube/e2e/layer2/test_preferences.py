"""Nodes that advertisements prefer (48-55). The *baseline* is the node that announces without any preference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.kube.e2e.conftest import LabelNode
from tests.kube.e2e.layer2.lan import NODES, Lan
from tests.kube.e2e.layer2.test_nodes import EXCLUDED
from tests.kube.e2e.objects import l2, on_node, selector
from tests.kube.e2e.seen import wait_for_announcer


def preferring(weights: dict[str, int], **more: Any) -> dict[str, Any]:
    """What an advertisement says that prefers nodes by name, each by its weight."""
    listed = [{"weight": weight, "preference": on_node(node)[0]} for node, weight in weights.items()]
    return {"preferredNodeSelectors": listed, **more}


def served(lan: Lan, **more: Any) -> tuple[str, str, Sequence[str]]:
    """A Service, its baseline, and the other nodes."""
    lan.api.apply(l2())
    name, _ = lan.serve(**more)
    baseline = wait_for_announcer(lan.api, name)
    return name, baseline, [node for node in NODES if node != baseline]


def test_the_preferred_node_announces_while_it_has_the_label(lan: Lan, label: LabelNode) -> None:
    name, baseline, (other, _) = served(lan)
    lan.api.apply(l2(preferredNodeSelectors=[{"weight": 50, "preference": selector(tier="edge")}]))

    label(other, "tier", "edge")
    wait_for_announcer(lan.api, name, other)

    label(other, "tier", None)
    wait_for_announcer(lan.api, name, baseline)


def test_a_preference_for_nobody_changes_nothing(lan: Lan) -> None:
    """The node that was preferred before gives the address back."""
    name, baseline, (other, _) = served(lan)
    lan.api.apply(l2(**preferring({other: 10})))
    wait_for_announcer(lan.api, name, other)

    lan.api.apply(l2(preferredNodeSelectors=[{"weight": 50, "preference": selector(tier="none")}]))

    wait_for_announcer(lan.api, name, baseline)


def test_a_preferred_node_that_is_excluded_comes_back_when_it_is_not(lan: Lan, label: LabelNode) -> None:
    name, baseline, (other, _) = served(lan)
    lan.api.apply(l2(**preferring({other: 10})))
    wait_for_announcer(lan.api, name, other)

    label(other, EXCLUDED, "")
    wait_for_announcer(lan.api, name, baseline)

    label(other, EXCLUDED, None)
    wait_for_announcer(lan.api, name, other)


def test_an_edited_preference_moves_the_address(lan: Lan) -> None:
    name, baseline, (one, other) = served(lan)

    for node in (one, other, one):
        lan.api.apply(l2(**preferring({node: 10})))
        wait_for_announcer(lan.api, name, node)
    lan.api.apply(l2(preferredNodeSelectors=[]))
    wait_for_announcer(lan.api, name, baseline)


def test_preferences_order_the_nodes_that_are_selected(lan: Lan) -> None:
    """The one that weighs most is not selected."""
    name, baseline, (one, other) = served(lan)

    lan.api.apply(l2(**preferring({baseline: 100, one: 10, other: 20}, nodeSelectors=on_node(one, other))))

    wait_for_announcer(lan.api, name, other)


def test_a_preference_for_nodes_that_are_not_selected_has_no_effect(lan: Lan) -> None:
    name, baseline, (one, _) = served(lan)

    lan.api.apply(l2(**preferring({baseline: 100}, nodeSelectors=on_node(one))))

    wait_for_announcer(lan.api, name, one)


def test_the_weights_of_several_advertisements_add_up(lan: Lan) -> None:
    """Twice 30 is more than 50, and 50 is more than 30."""
    name, _, (one, other) = served(lan)

    lan.api.apply(l2(**preferring({one: 50, other: 30})))
    wait_for_announcer(lan.api, name, one)

    lan.api.apply(l2("second", **preferring({other: 30})))
    wait_for_announcer(lan.api, name, other)


def test_preferences_are_for_the_services_of_their_advertisement(lan: Lan) -> None:
    """One of two Services has the label that the advertisement selects; the other stays at its baseline."""
    web, baseline, others = served(lan, labels={"app": "web"})
    plain, plain_baseline, _ = served(lan)
    (one, *_) = [node for node in others if node != plain_baseline]

    lan.api.apply(l2("web", **preferring({one: 10}, serviceSelectors=[selector(app="web")])))
    wait_for_announcer(lan.api, web, one)
    assert wait_for_announcer(lan.api, plain) == plain_baseline

    lan.api.delete("L2Advertisement", "web")
    wait_for_announcer(lan.api, web, baseline)
