"""Which Services an advertisement is about: by their pools and by their labels (44-47)."""

from __future__ import annotations

from tests.kube.e2e.layer2.lan import NODES, POOL, Lan
from tests.kube.e2e.objects import l2, on_node, pool, selector
from tests.kube.e2e.seen import wait_for_announcer, wait_for_answer, wait_until_withheld

WEB, MAIL, OTHER = ({"app": one} for one in ("web", "mail", "other"))


def test_pool_and_labels_must_both_match(lan: Lan) -> None:
    lan.api.apply(pool("elsewhere", "192.168.3.230-192.168.3.235"))
    lan.api.apply(l2(ipAddressPools=[POOL], serviceSelectors=[selector(**WEB)]))
    elsewhere = {"address-pool": "elsewhere"}

    matching, address = lan.serve(labels=WEB)
    unlabelled, dark = lan.serve(labels=OTHER)
    strange, other = lan.serve(labels=WEB, annotations=elsewhere)

    wait_for_announcer(lan.api, matching)
    wait_for_answer(lan.lab, address)
    wait_until_withheld(lan.lab, unlabelled, "NoMatchingAdvertisement")
    # What comes after it is announced, so this has been looked at.
    wait_for_announcer(lan.api, lan.serve(labels=WEB)[0])
    for silent in (dark, other):
        assert lan.ask(silent) == set()
    statuses = {one["status"].get("serviceName") for one in lan.api.find("ServiceL2Status")}
    assert not {unlabelled, strange} & statuses


def test_two_advertisements_that_match_on_different_nodes_make_one_announcer(lan: Lan) -> None:
    first, second, _ = NODES
    web = [selector(**WEB)]
    lan.api.apply(
        l2("one", nodeSelectors=on_node(first), serviceSelectors=web),
        l2("two", nodeSelectors=on_node(second), serviceSelectors=web),
    )
    name, address = lan.serve(labels=WEB)

    node = wait_for_announcer(lan.api, name, first, second)

    lan.wait_for_answers(address, f"{node}/eth0")


def test_one_advertisement_must_match_the_service_and_the_node(lan: Lan) -> None:
    """One that matches the Service alone and one that matches a node alone are none."""
    lan.api.apply(
        l2("service", serviceSelectors=[selector(**WEB)], nodeSelectors=[selector(zone="nowhere")]),
        l2("node", serviceSelectors=[selector(**OTHER)], nodeSelectors=on_node(NODES[0])),
    )
    name, address = lan.serve(labels=WEB)

    wait_until_withheld(lan.lab, name, "NodeNotSelected")
    assert lan.ask(address) == set()


def test_any_of_several_selectors_matches(lan: Lan) -> None:
    lan.api.apply(l2(serviceSelectors=[selector(**WEB), selector(**MAIL)]))
    announced = [lan.serve(labels=labels)[0] for labels in (WEB, MAIL)]
    silent, address = lan.serve(labels=OTHER)

    for name in announced:
        wait_for_announcer(lan.api, name)
    wait_until_withheld(lan.lab, silent, "NoMatchingAdvertisement")
    assert lan.ask(address) == set()
