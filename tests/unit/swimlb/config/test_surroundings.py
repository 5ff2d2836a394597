"""Pools among nodes, routers and subnets."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swimlb.config import resolve
from swimlb.config.surroundings import without
from swimlb.kube.states import has_lost_pool
from swimlb.model import AddressRange
from tests.unit.swimlb.config.objects import documents, node, ours, peer, pool, resolved, told

LAN = ours("L2Advertisement", "lan", {})


def ranges(*objects: object) -> list[str]:
    return [str(one) for gold in resolved(*objects).configuration.pools for one in gold.ranges]


def test_a_node_s_address_is_left_out_of_a_pool() -> None:
    """It is an error that names both; Services that have other addresses of the pool keep them."""
    objects = [pool("gold", "192.0.2.0/29", "192.0.2.16/30"), node("node-a", "192.0.2.3", "2001:db8::1")]

    result = resolved(*objects)

    assert told(result.problems) == [
        (
            "error",
            "IPAddressPool/metallb-system/gold",
            "spec.addresses[0]",
            "192.0.2.0-192.0.2.7 of pool gold overlaps with the address 192.0.2.3 of Node node-a",
        )
    ]
    assert ranges(*objects) == ["192.0.2.0-192.0.2.2", "192.0.2.4-192.0.2.7", "192.0.2.16-192.0.2.19"]
    assert result.stale == frozenset()
    assert not has_lost_pool(result)
    assert has_lost_pool(resolved(pool("gold", "nonsense")))


def test_a_node_that_joins_takes_nothing_else_from_the_pool() -> None:
    """Whether or not the pool was in force before: the same objects give the same answer."""
    gold, newcomer = pool("gold", "192.0.2.0/29"), node("node-a", "192.0.2.0")
    before = resolved(gold)

    after = resolve(documents(gold, newcomer), before)

    assert after.configuration == resolved(gold, newcomer).configuration
    assert [str(one) for one in after.configuration.pools[0].ranges] == ["192.0.2.1-192.0.2.7"]


def test_a_pool_of_nothing_but_a_node_is_empty() -> None:
    assert ranges(pool("gold", "192.0.2.3/32"), node("node-a", "192.0.2.3")) == []


def test_of_many_nodes_some_are_named() -> None:
    nodes = [node(f"node-{number}", f"192.0.2.{number}") for number in range(1, 6)]

    (problem,) = resolved(pool("gold", "192.0.2.0/24"), *nodes).problems

    assert problem.message.endswith(
        "192.0.2.1 of Node node-1, 192.0.2.2 of Node node-2, 192.0.2.3 of Node node-3, 2 more"
    )


def test_an_aggregate_may_span_a_node() -> None:
    """The hole is no end of the block: what is advertised is the pool as it was written."""
    result = resolved(
        pool("gold", "192.0.2.0/24"),
        node("node-a", "192.0.2.3"),
        ours("BGPAdvertisement", "out", {"aggregationLength": 24}),
    )

    assert [problem.object for problem in result.problems] == ["IPAddressPool/metallb-system/gold"]


def test_a_router_s_address_in_a_pool_is_told() -> None:
    result = resolved(pool("gold", "192.0.2.0/24"), peer("router"), ours("BGPAdvertisement", "out", {}))

    assert told(result.problems) == [
        (
            "warning",
            "IPAddressPool/metallb-system/gold",
            "spec.addresses[0]",
            "192.0.2.0-192.0.2.255 of pool gold holds the address 192.0.2.254 of BGPPeer router",
        )
    ]


@pytest.mark.parametrize(
    ("addresses", "annotations", "count"),
    [
        (["192.0.2.1"], {}, 1),
        (["198.51.100.1"], {}, 0),
        (["192.0.2.1", "198.51.100.1"], {}, 0),
        (["2001:db8::1"], {}, 0),
        ([], {}, 0),
        (["192.0.2.1"], {"swimlb.io/subnets": "192.0.2.0/24, 198.51.0.0/16"}, 0),
        (["198.51.100.1"], {"swimlb.io/subnets": "192.0.2.0/24"}, 1),
        (["192.0.2.1"], {"projectcalico.org/IPv4Address": "198.51.1.1/16"}, 0),
        (["192.0.2.1"], {"swimlb.io/subnets": "192.0.2.0/24", "projectcalico.org/IPv4Address": "::/0"}, 1),
    ],
)
def test_warns_of_a_pool_that_no_node_has_a_subnet_for(
    addresses: list[str], annotations: object, count: int
) -> None:
    """As far as the nodes' subnets of that family are known: from annotations, or else around their addresses."""
    objects = [pool("gold", "198.51.100.16/28"), node("node-a", *addresses, annotations=annotations)]

    result = resolved(*objects, LAN)

    assert [(problem.severity.value, problem.object, problem.field) for problem in result.problems] == [
        ("warning", "IPAddressPool/metallb-system/gold", "spec.addresses[0]")
    ] * count
    assert resolved(*objects, ours("BGPAdvertisement", "out", {})).problems == ()


def test_only_nodes_that_may_announce_count() -> None:
    objects = [
        pool("gold", "198.51.100.16/28"),
        node("node-a", "192.0.2.1", labels={"lan": "a"}),
        node("node-b", "198.51.100.1", labels={"lan": "b"}),
    ]

    def advertised(lan: str) -> object:
        return ours("L2Advertisement", "lan", {"nodeSelectors": [{"matchLabels": {"lan": lan}}]})

    (problem,) = resolved(*objects, advertised("a")).problems
    assert problem.message == (
        "198.51.100.16-198.51.100.31 of pool gold is announced on the LAN by L2Advertisement lan, "
        "but lies outside of every node's subnets (192.0.2.0/24)"
    )
    assert resolved(*objects, advertised("b")).problems == ()


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (node("node-a", "nonsense"), "status.addresses[0].address"),
        (
            node("node-a", "192.0.2.1", annotations={"swimlb.io/subnets": "192.0.2.0/40"}),
            "metadata.annotations.swimlb.io/subnets",
        ),
    ],
)
def test_a_node_is_in_force_whatever_its_addresses_are(bad: dict[str, object], field: str) -> None:
    """Its labels matter more."""
    result = resolved(bad)

    assert [(problem.severity.value, problem.field) for problem in result.problems] == [("warning", field)]
    assert [one.name for one in result.configuration.nodes] == ["node-a"]


@given(st.integers(0, 40), st.integers(0, 40), st.sets(st.integers(0, 40)))
def test_what_is_left_of_a_range(first: int, length: int, taken: set[int]) -> None:
    base = int(ip_address("192.0.2.0"))
    whole = AddressRange(ip_address(base + first), ip_address(base + first + length))
    within = sorted(number for number in taken if first <= number <= first + length)

    left = list(without(whole, (ip_address(base + number) for number in within)))

    numbers = [int(one.first) - base + offset for one in left for offset in range(one.size)]
    assert numbers == [number for number in range(first, first + length + 1) if number not in taken]
