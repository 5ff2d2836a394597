"""Who announces a Service, what a client reaches there, and what is told of it (25-28, 31-33, 37)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from swimlb.lab.kubernetes.plan import CONTROL
from swimlb.lab.waiting import wait_until
from tests.kube.e2e.api import TIMEOUT
from tests.kube.e2e.layer2.lan import FAMILIES, NODES, RANGES, Lan
from tests.kube.e2e.metrics import scrape, series, wait_for_metrics
from tests.kube.e2e.objects import PORT, l2, pool, unique, workload
from tests.kube.e2e.seen import (
    ANSWER_TIMEOUT,
    wait_for_addresses,
    wait_for_announcer,
    wait_for_answer,
    wait_for_event,
)

REQUESTS = 10

each_family = pytest.mark.parametrize("family", FAMILIES)


@each_family
def test_a_service_of_the_whole_cluster_is_reached(lan: Lan, family: str) -> None:
    lan.api.apply(l2())
    name, address = lan.serve(family=family)

    assert wait_for_answer(lan.lab, address) in lan.pods.values()
    node = wait_for_announcer(lan.api, name)
    lan.wait_for_answers(address, f"{node}/eth0")


@pytest.fixture
def solo(lan: Lan) -> Iterator[str]:
    """A workload of its own, on one node: its name is that of its node's, too."""
    node = NODES[-1]
    name = unique("solo")
    lan.api.apply(workload(name, node=node))
    try:
        lan.api.wait(
            "Pod",
            lambda pods: [one for one in pods if one["status"].get("podIP")],
            f"the Pod of {name}",
            labels=f"app={name}",
        )
        yield name
    finally:
        lan.api.delete("DaemonSet", name)


@each_family
def test_a_service_of_the_local_node_is_announced_where_its_pods_are(
    lan: Lan, solo: str, family: str
) -> None:
    lan.api.apply(l2())
    name, address = lan.serve(family=family, app=solo, externalTrafficPolicy="Local")

    wait_for_announcer(lan.api, name, NODES[-1])
    first = wait_for_answer(lan.lab, address)
    answers = Counter(lan.lab.get(address, PORT).text for _ in range(REQUESTS))

    assert answers == {first: REQUESTS}
    assert first.startswith(solo)
    lan.wait_for_answers(address, f"{NODES[-1]}/eth0")


def test_one_port_by_tcp_and_by_udp(lan: Lan) -> None:
    lan.api.apply(l2())
    _, address = lan.serve(ports=((PORT, "TCP"), (PORT, "UDP")))

    def echoed() -> bytes | None:
        with lan.datagrams(address) as client:
            client.send(b"hello ")
            try:
                return client.recv(100)
            except OSError:
                return None

    assert wait_for_answer(lan.lab, address) in lan.pods.values()
    answer = wait_until(echoed, timeout=ANSWER_TIMEOUT, what=f"{address} to answer by UDP")
    assert answer.decode().removeprefix("hello ") in lan.pods.values()


def test_the_status_names_the_announcer_as_long_as_there_is_one(lan: Lan) -> None:
    """As the Event does. It is not written again while others come, and goes with the Service."""
    lan.api.apply(l2())
    name, _ = lan.serve()
    node = wait_for_announcer(lan.api, name)
    wait_for_event(lan.api, name, "nodeAssigned", f'announcing from node "{node}" with protocol "layer2"')
    labels = f"metallb.io/service-name={name}"
    before = lan.api.find("ServiceL2Status", labels=labels)

    others = [lan.serve()[0] for _ in range(3)]
    for other in others:
        wait_for_announcer(lan.api, other)
    assert lan.api.find("ServiceL2Status", labels=labels) == before

    lan.api.delete("Service", name)
    lan.api.wait("ServiceL2Status", lambda left: not left, "the status to go", labels=labels)


@pytest.mark.parametrize(
    ("addresses", "wanted"),
    [("192.168.3.230-192.168.3.235", "192.168.3.230"), ("192.168.3.240/30", "192.168.3.240")],
    ids=["range", "CIDR"],
)
def test_a_pool_is_a_range_or_a_prefix(lan: Lan, addresses: str, wanted: str) -> None:
    lan.api.apply(pool("other", addresses), l2())
    name = unique("served")
    lan.serve(name, annotations={"address-pool": "other"})

    wait_for_addresses(lan.api, name, wanted)
    assert wait_for_answer(lan.lab, wanted) in lan.pods.values()


@each_family
def test_services_that_share_an_address_have_one_announcer(lan: Lan, family: str) -> None:
    lan.api.apply(l2())
    wanted = RANGES[family].partition("-")[0]
    shared = {"allow-shared-ip": "key", "loadBalancerIPs": wanted}
    names = [
        lan.serve(family=family, ports=((port, "TCP"),), annotations=shared)[0] for port in (PORT, PORT + 1)
    ]

    nodes = {wait_for_announcer(lan.api, name) for name in names}
    for port in (PORT, PORT + 1):
        wait_for_answer(lan.lab, wanted, port)

    (node,) = nodes
    lan.wait_for_answers(wanted, f"{node}/eth0")


@each_family
def test_metrics_tell_of_the_pool_and_of_the_announcer(lan: Lan, family: str) -> None:
    small, addresses = unique("small"), {"IPv4": "192.168.3.248/30", "IPv6": "2001:db8:3::300/126"}[family]
    lan.api.apply(pool(small, addresses, autoAssign=False), l2())
    total, in_use = (
        series(f"metallb_allocator_{what}_total", pool=small) for what in ("addresses", "addresses_in_use")
    )

    wait_for_metrics(lan.lab, CONTROL.name, {total: 4, in_use: 0})
    name, address = lan.serve(family=family, annotations={"address-pool": small})
    wait_for_metrics(lan.lab, CONTROL.name, {total: 4, in_use: 1})
    announcer = wait_for_announcer(lan.api, name)
    wait_for_answer(lan.lab, address)

    announced = series(
        "metallb_speaker_announced",
        service=f"default/{name}",
        protocol="layer2",
        node=announcer,
        ip=address,
    )
    counters = [
        series(f"metallb_layer2_{what}", ip=address)
        for what in ("requests_received", "responses_sent", "gratuitous_sent")
    ]
    wait_until(
        lambda: all(scrape(lan.lab, announcer).get(one, 0) > 0 for one in counters),
        timeout=TIMEOUT,
        what=f"{announcer} to count what it said of {address}",
    )
    wait_for_metrics(lan.lab, announcer, {announced: 1})
    for node in set(NODES) - {announcer}:
        assert address not in {value for _, labels in scrape(lan.lab, node) for _, value in labels}

    lan.api.delete("Service", name)
    wait_for_metrics(lan.lab, CONTROL.name, {total: 4, in_use: 0})
    wait_for_metrics(lan.lab, announcer, {announced: None})


def test_another_node_takes_over_when_the_speaker_of_the_announcer_is_removed(lan: Lan) -> None:
    """The node gets a taint, and its speaker is told to end, as a kubelet does when the Pod is deleted."""
    lan.api.apply(l2())
    name, address = lan.serve()
    former = wait_for_announcer(lan.api, name)
    wait_for_answer(lan.lab, address)

    lan.lab.kubectl("taint", "node", former, "example.com/away=yes:NoExecute")
    try:
        lan.lab.stop(former)
        node = wait_for_announcer(lan.api, name, *set(NODES) - {former})
        assert wait_for_answer(lan.lab, address)
        lan.wait_for_answers(address, f"{node}/eth0")
    finally:
        lan.lab.kubectl("taint", "node", former, "example.com/away-")
        lan.lab.start(former)
        lan.lab.wait_until_joined()
    wait_for_announcer(lan.api, name, former)
