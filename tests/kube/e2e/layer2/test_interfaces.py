"""On which interfaces a Service is announced (38-43). Every node has two in the LAN."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from swimlb.lab import namespaces
from swimlb.lab.topology import SWITCH
from tests.kube.e2e.layer2.lan import NODES, Lan
from tests.kube.e2e.objects import l2, on_node
from tests.kube.e2e.seen import wait_for_announcer, wait_for_answer, wait_for_event, wait_until_withheld

FIRST_ADDRESS = 221
BOTH = ("eth0", "eth1")


@pytest.fixture(scope="module", autouse=True)
def second_links(system: Lan) -> Iterator[None]:
    """Another link of each node to the same switch, with an address of its own."""
    sandbox = system.lab.sandbox
    switch = sandbox.namespace(SWITCH)
    ports = {node: f"p2-{node}" for node in NODES}
    for number, (node, port) in enumerate(ports.items()):
        namespace = sandbox.namespace(node)
        namespaces.ip_batch(
            [
                f"link add {port} type veth peer name eth1 netns {namespace}",
                f"link set {port} master br0 up",
            ],
            switch,
        )
        # Packets to the LAN go by the first link, as they did.
        namespaces.ip_batch(
            [
                f"address add 192.168.3.{FIRST_ADDRESS + number}/24 dev eth1 noprefixroute",
                "link set eth1 up",
            ],
            namespace,
        )
    try:
        yield
    finally:
        namespaces.ip_batch([f"link delete {port}" for port in ports.values()], switch)


def interfaces_of(lan: Lan, name: str) -> list[str]:
    """What the status of a Service lists."""
    (status,) = lan.api.find("ServiceL2Status", labels=f"metallb.io/service-name={name}")
    return [one["name"] for one in status["status"].get("interfaces", ())]


@pytest.mark.parametrize("link", BOTH)
def test_only_the_selected_interface_answers_and_the_status_lists_it(lan: Lan, link: str) -> None:
    lan.api.apply(l2(interfaces=[link]))
    name, address = lan.serve()

    node = wait_for_announcer(lan.api, name)
    wait_for_answer(lan.lab, address)

    assert interfaces_of(lan, name) == [link]
    lan.wait_for_answers(address, f"{node}/{link}")


def test_another_interface_may_be_selected_at_any_time(lan: Lan) -> None:
    lan.api.apply(l2(interfaces=["eth0"]))
    name, address = lan.serve()
    node = wait_for_announcer(lan.api, name)
    lan.wait_for_answers(address, f"{node}/eth0")

    lan.api.apply(l2(interfaces=["eth1"]))

    lan.wait_for_answers(address, f"{node}/eth1")
    assert wait_for_answer(lan.lab, address) in lan.pods.values()


def test_an_interface_that_no_node_has_is_told_and_nobody_answers(lan: Lan) -> None:
    lan.api.apply(l2(interfaces=["eth9"]))
    name, address = lan.serve()

    wait_until_withheld(lan.lab, name, "NoInterface")
    message = wait_for_event(lan.api, name, "announceFailed")

    assert f'the interfaces specified by LB IP "{address}" doesn\'t exist in assigned node' in message
    assert lan.ask(address) == set()


def test_the_interfaces_of_two_advertisements_add_up(lan: Lan) -> None:
    lan.api.apply(l2("one", interfaces=["eth0"]), l2("two", interfaces=["eth1"]))
    name, address = lan.serve()

    node = wait_for_announcer(lan.api, name)

    lan.wait_for_answers(address, f"{node}/eth0", f"{node}/eth1")
    assert interfaces_of(lan, name) == list(BOTH)


@pytest.mark.parametrize("node", NODES)
def test_an_interface_of_the_selected_node_answers(lan: Lan, node: str) -> None:
    lan.api.apply(l2(interfaces=["eth1"], nodeSelectors=on_node(node)))
    lan.settle_on(node)
    begun = lan.now()
    name, address = lan.serve()

    wait_for_announcer(lan.api, name, node)

    lan.wait_for_answers(address, f"{node}/eth1")
    assert lan.claimants(address, begun) == {f"{node}/eth1"}
