"""The allocator's rules, most of them as MetalLB's users know them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from swimlb.allocator import allocate
from swimlb.config import parse_pool_entry
from swimlb.model import (
    Configuration,
    FamilyPolicy,
    IpFamily,
    LabelSelector,
    Pool,
    Protocol,
    Service,
    ServiceAllocation,
    ServicePort,
    TrafficPolicy,
)

V4, V6 = IpFamily.IPV4, IpFamily.IPV6
REQUIRE, PREFER = FamilyPolicy.REQUIRE_DUAL_STACK, FamilyPolicy.PREFER_DUAL_STACK


def pool(name: str, *entries: str, **fields: Any) -> Pool:
    return Pool(name=name, ranges=tuple(map(parse_pool_entry, entries)), **fields)


def service(name: str, *ports: int, **fields: Any) -> Service:
    for field in ("requested_addresses", "held_addresses"):
        if field in fields:
            fields[field] = tuple(ip_address(text) for text in fields[field].split(","))
    fields.setdefault("namespace", "default")
    return Service(
        name=name, ports=tuple(ServicePort(Protocol.TCP, port) for port in ports or (80,)), **fields
    )


def dual(name: str, policy: FamilyPolicy, **fields: Any) -> Service:
    return service(name, **{"families": (V4, V6), "family_policy": policy, **fields})


def outcome(pools: list[Pool], *services: Service) -> dict[str, str]:
    """Addresses by name, or the reason why there are none."""
    result = allocate(Configuration(pools=tuple(pools), services=services))
    return {
        **{one.service.name: " ".join(map(str, one.addresses)) for one in result.allocations},
        **{one.service.name: one.reason for one in result.pending},
    }


CHEAP = pool("cheap", "192.0.2.0/30")
GOLD = pool("gold", "192.0.2.8/30", auto_assign=False)
TEAM = pool(
    "team", "192.0.2.16/31", service_allocation=ServiceAllocation(priority=10, namespaces=frozenset({"a"}))
)
ALL = pool("all", "192.0.2.24/31", service_allocation=ServiceAllocation(priority=20))
DUAL = pool("dual", "192.0.2.32/31", "2001:db8::/127")
POOLS = [CHEAP, GOLD, TEAM, ALL, DUAL]


@pytest.mark.parametrize(
    ("asking", "expected"),
    [
        (service("x", namespace="a"), "192.0.2.16"),
        (service("x", namespace="b"), "192.0.2.24"),
        (
            service("x", requested_addresses="192.0.2.17"),
            "pool team not compatible for ip assignment: its serviceAllocation excludes it",
        ),
        (service("x", requested_addresses="192.0.2.9"), "192.0.2.9"),
        (service("x", requested_pool="gold"), "192.0.2.8"),
        (service("x", requested_pool="lead"), 'unknown pool "lead"'),
        (
            service("x", requested_pool="gold", requested_addresses="192.0.2.1"),
            'requested loadBalancer IP(s) ["192.0.2.1"] is not compatible with requested address pool gold: pool cheap has them',
        ),
        (dual("x", REQUIRE), "192.0.2.32 2001:db8::"),
        (dual("x", REQUIRE, families=(V6, V4)), "192.0.2.32 2001:db8::"),
        (dual("x", PREFER), "192.0.2.24"),
        (
            dual("x", REQUIRE, families=(V4,)),
            "not enough clusterips: RequireDualStack, but the Service has one family",
        ),
        (service("x", families=(V6,)), "2001:db8::"),
        (
            dual("x", PREFER, requested_addresses="192.0.2.1"),
            'requested loadBalancer IP(s) ["192.0.2.1"] does not match the ipFamily of the service (IPv4 and IPv6)',
        ),
        (
            dual("x", PREFER, requested_addresses="192.0.2.1,2001:db8::"),
            '["192.0.2.1" "2001:db8::"] is not allowed in config: the addresses are in different pools (cheap, dual)',
        ),
        (dual("x", PREFER, requested_addresses="2001:db8::1,192.0.2.33"), "2001:db8::1 192.0.2.33"),
        (
            service("x", requested_addresses="192.0.2.1,192.0.2.2"),
            'requested loadBalancer IP(s) ["192.0.2.1" "192.0.2.2"] has the same family twice',
        ),
        (
            service("x", requested_addresses="198.51.100.1"),
            '["198.51.100.1"] is not allowed in config: no pool contains 198.51.100.1',
        ),
    ],
)
def test_chooses_addresses(asking: Service, expected: str) -> None:
    """Pinned pools by priority before others by name; autoAssign matters only when nothing is asked for."""
    assert outcome(POOLS, asking) == {"x": expected}


def test_a_refusal_tells_of_every_pool() -> None:
    """Why each of them said no."""
    services = [service(f"s{index}", requested_pool="cheap") for index in range(4)]

    result = outcome([CHEAP, GOLD, TEAM, pool("six", "2001:db8::/127")], *services, service("x"))

    assert result["x"] == (
        "no available IPs: pool team is not for this Service (serviceAllocation); pool cheap has no IPv4 address left; "
        "pool gold is only for Services that ask for it (autoAssign is false); pool six has no IPv4 addresses"
    )


def test_without_pools_nothing_can_be_had() -> None:
    assert outcome([], service("x")) == {"x": "no available IPs: there is no address pool"}


def test_addresses_go_in_the_order_of_the_pool() -> None:
    """Of its entries, then ascending; the first and the last one count."""
    listed = pool("p", "192.0.2.254-192.0.2.255", "192.0.2.0/32")

    assert outcome([listed], *map(service, "abcd")) == {
        "a": "192.0.2.254",
        "b": "192.0.2.255",
        "c": "192.0.2.0",
        "d": "no available IPs: pool p has no IPv4 address left",
    }


def test_avoids_buggy_addresses() -> None:
    """Not even when asked for; IPv6 has none."""
    careful = pool("p", "192.0.2.255/32", "198.51.100.0/31", "2001:db8::/128", avoid_buggy_ips=True)

    assert outcome([careful], service("a"), service("b", requested_addresses="198.51.100.0")) == {
        "a": "198.51.100.1",
        "b": '["198.51.100.0"] is not allowed in config: pool p avoids 198.51.100.0 (avoidBuggyIPs)',
    }
    assert outcome([careful], service("c", families=(V6,))) == {"c": "2001:db8::"}


def test_older_services_are_served_first() -> None:
    """Then by namespace and name."""
    services = (
        service("a", created="2026-01-02T00:00:00Z"),
        service("b", created="2026-01-01T00:00:00Z"),
        service("c"),
    )

    assert outcome([CHEAP], *services) == {"c": "192.0.2.0", "b": "192.0.2.1", "a": "192.0.2.2"}


def test_who_takes_any_address_does_not_take_one_that_is_asked_for() -> None:
    """Also when it is older, or its name comes first: without Kubernetes that is all there is to go by."""
    found = outcome([CHEAP], service("a"), service("b", requested_addresses="192.0.2.0"), service("c"))

    assert found == {"a": "192.0.2.1", "b": "192.0.2.0", "c": "192.0.2.2"}


def test_selectors_pin_a_pool_to_services() -> None:
    pinned = ServiceAllocation(service_selectors=(LabelSelector((("tier", "front"),)),))
    pools = [CHEAP, pool("front", "192.0.2.64/26", service_allocation=pinned)]

    assert outcome(pools, service("a"), service("b", labels=(("tier", "front"),))) == {
        "a": "192.0.2.0",
        "b": "192.0.2.64",
    }


LOCAL = TrafficPolicy.LOCAL
APP = (("app", "web"),)


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        (service("a", 80, sharing_key="k"), service("b", 443, sharing_key="k"), True),
        (service("a", 80, sharing_key="k"), service("b", 80, sharing_key="k"), False),
        (service("a", 80, sharing_key="k"), service("b", 443, sharing_key="l"), False),
        (service("a", 80, sharing_key="k"), service("b", 443), False),
        (service("a", 80, sharing_key=""), service("b", 443, sharing_key=""), False),
        (service("a", 80, sharing_key="k"), service("b", 443, sharing_key="k", namespace="other"), True),
        (
            service("a", 80, sharing_key="k", selector=APP),
            service("b", 443, sharing_key="k", selector=APP, traffic_policy=LOCAL),
            False,
        ),
        (
            service("a", 80, sharing_key="k", selector=APP, traffic_policy=LOCAL),
            service("b", 443, sharing_key="k", selector=APP, traffic_policy=LOCAL),
            True,
        ),
        (
            service("a", 80, sharing_key="k", traffic_policy=LOCAL, selector=(("app", "dns"),)),
            service("b", 443, sharing_key="k", traffic_policy=LOCAL, selector=APP),
            False,
        ),
    ],
)
def test_services_share_an_address_if_they_may(first: Service, second: Service, shared: bool) -> None:
    """Same key, no port in common, and the same backends where that matters."""
    assert outcome([CHEAP], first, second) == {"a": "192.0.2.0", "b": "192.0.2.0" if shared else "192.0.2.1"}


def test_a_lower_free_address_goes_before_a_shareable_one() -> None:
    """Who insists on sharing asks for the address."""
    first = service("a", 80, sharing_key="k", requested_addresses="192.0.2.1")

    assert outcome([CHEAP], first, service("b", 443, sharing_key="k"))["b"] == "192.0.2.0"


@pytest.mark.parametrize(
    ("asking", "reason"),
    [
        (
            service("x", 53),
            'can\'t change sharing key for "default/x", address 192.0.2.0 also in use by default/a '
            "(this Service has no allow-shared-ip annotation)",
        ),
        (
            service("x", 53, sharing_key="l"),
            'can\'t change sharing key for "default/x", address 192.0.2.0 also in use by default/a '
            "(whose sharing key is k, not l)",
        ),
        (service("x", 443, 80, sharing_key="k"), 'port TCP/80 is already in use on "192.0.2.0" by default/a'),
    ],
)
def test_tells_why_an_address_cannot_be_shared(asking: Service, reason: str) -> None:
    holder = service("a", 80, sharing_key="k", requested_addresses="192.0.2.0")
    asking = replace(asking, requested_addresses=(ip_address("192.0.2.0"),))

    assert outcome([CHEAP], holder, asking)["x"] == reason


def test_a_service_keeps_its_address() -> None:
    """Before any other is served, however old, and though the pool is not for the asking any more."""
    holder = service("z", held_addresses="192.0.2.9", created="2026-01-01T00:00:00Z")

    assert outcome([GOLD], holder, service("a", requested_pool="gold"))["z"] == "192.0.2.9"


@pytest.mark.parametrize(
    ("holder", "expected"),
    [
        (service("x", held_addresses="198.51.100.1"), "192.0.2.0"),
        (service("x", held_addresses="192.0.2.16"), "192.0.2.0"),
        (service("x", held_addresses="192.0.2.1,192.0.2.2"), "192.0.2.0"),
        (service("x", held_addresses="2001:db8::"), "192.0.2.0"),
        (dual("x", REQUIRE, held_addresses="192.0.2.1"), "192.0.2.32 2001:db8::"),
        (dual("x", PREFER, held_addresses="192.0.2.1"), "192.0.2.1"),
        (dual("x", PREFER, held_addresses="2001:db8::1"), "2001:db8::1 192.0.2.32"),
        (service("x", held_addresses="192.0.2.33,2001:db8::"), "192.0.2.33"),
    ],
)
def test_gives_up_what_is_no_longer_right(holder: Service, expected: str) -> None:
    """The pool is gone, or not for this Service; the families are others. PreferDualStack adds what it lacks."""
    assert outcome([CHEAP, TEAM, DUAL], holder) == {"x": expected}


def test_the_older_of_two_holders_keeps_the_address() -> None:
    """When they may no longer share it."""
    young = service("a", held_addresses="192.0.2.1", created="2026-01-02T00:00:00Z")
    old = service("b", held_addresses="192.0.2.1", created="2026-01-01T00:00:00Z")

    assert outcome([CHEAP], young, old) == {"b": "192.0.2.1", "a": "192.0.2.0"}


def test_a_new_request_moves_a_service() -> None:
    """And what it leaves is there for others at once."""
    mover = service("a", held_addresses="192.0.2.0", requested_addresses="192.0.2.3")

    assert outcome([CHEAP], mover, service("b")) == {"a": "192.0.2.3", "b": "192.0.2.0"}


def test_a_request_that_cannot_be_met_costs_nothing() -> None:
    """The Service keeps what it has, and is told why."""
    mover = service("a", held_addresses="192.0.2.1", requested_pool="lead")

    result = allocate(Configuration(pools=(CHEAP,), services=(mover,)))

    (allocation,) = result.allocations
    assert allocation.addresses == (ip_address("192.0.2.1"),)
    assert allocation.reason == 'keeps what it has: unknown pool "lead"'


def test_the_size_of_a_pool_costs_nothing() -> None:
    """An IPv6 /64 has more addresses than could ever be walked."""
    huge = pool("huge", "2001:db8::/64")
    services = [service(f"s{index}", families=(V6,)) for index in range(100)]
    last = service("last", families=(V6,), requested_addresses="2001:db8::ffff:ffff:ffff:ffff")

    result = outcome([huge], *services, last)

    assert len(set(result.values())) == 101
    assert result["last"] == "2001:db8::ffff:ffff:ffff:ffff"
