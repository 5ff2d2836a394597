from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from ipaddress import ip_address
from itertools import combinations, product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from swimlb.allocator import AllocationResult, allocate
from swimlb.config import parse_pool_entry
from swimlb.model import (
    Configuration,
    FamilyPolicy,
    IpAddress,
    IpFamily,
    Pool,
    Protocol,
    Service,
    ServiceAllocation,
    ServicePort,
    TrafficPolicy,
    family_of,
)

V4, V6 = IpFamily
_ENTRIES = [
    "192.0.2.254-192.0.2.255",
    "192.0.2.0/31",
    "198.51.100.0-198.51.100.1",
    "2001:db8::/127",
    "2001:db8::8/127",
]
ADDRESSES: list[IpAddress] = [
    address for entry in map(parse_pool_entry, _ENTRIES) for address in (entry.first, entry.last)
] + [ip_address("192.0.2.77")]


@st.composite
def pools(draw: st.DrawFn) -> tuple[Pool, ...]:
    """Few addresses, so that Services get in each other's way."""
    owners = draw(st.lists(st.integers(-1, 2), min_size=len(_ENTRIES), max_size=len(_ENTRIES)))
    allocations = st.none() | st.builds(
        ServiceAllocation,
        priority=st.integers(0, 2),
        namespaces=st.sampled_from([None, frozenset(["a"]), frozenset[str]()]),
    )
    return tuple(
        Pool(
            name=f"pool-{owner}",
            ranges=tuple(
                parse_pool_entry(entry) for entry, of in zip(_ENTRIES, owners, strict=True) if of == owner
            ),
            auto_assign=draw(st.sampled_from([True, True, False])),
            avoid_buggy_ips=draw(st.booleans()),
            service_allocation=draw(allocations),
            quota_per_namespace=draw(st.sampled_from([None, None, 1, 2])),
        )
        for owner in sorted(set(owners) - {-1})
    )


_ADDRESS_LISTS = st.lists(st.sampled_from(ADDRESSES), max_size=2).map(tuple)


@st.composite
def services(draw: st.DrawFn) -> tuple[Service, ...]:
    def one(name: str) -> Service:
        return Service(
            namespace=draw(st.sampled_from("ab")),
            name=name,
            selector=draw(st.sampled_from([(), (("app", "web"),)])),
            ports=draw(st.sets(st.sampled_from([53, 80]), min_size=1).map(_ports)),
            traffic_policy=draw(st.sampled_from(TrafficPolicy)),
            family_policy=draw(st.sampled_from(FamilyPolicy)),
            families=draw(st.sampled_from([(V4,), (V4,), (V6,), (V4, V6), (V6, V4)])),
            requested_addresses=draw(st.just(()) | _ADDRESS_LISTS),
            requested_pool=draw(st.sampled_from([None, None, "pool-0", "gone"])),
            sharing_key=draw(st.sampled_from([None, "", "k", "k", "l"])),
            held_addresses=draw(st.just(()) | _ADDRESS_LISTS),
            created=draw(st.sampled_from(["", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"])),
        )

    return tuple(one(f"s{index}") for index in range(draw(st.integers(0, 7))))


def _ports(numbers: set[int]) -> tuple[ServicePort, ...]:
    return tuple(ServicePort(Protocol.TCP, number) for number in sorted(numbers))


WORLDS = st.builds(Configuration, pools=pools(), services=services())


def may_share(one: Service, other: Service) -> bool:
    """The rule as the documentation tells it."""
    if not one.sharing_key or one.sharing_key != other.sharing_key or set(one.ports) & set(other.ports):
        return False

    def backends(service: Service) -> Any:
        return service.selector if service.traffic_policy is TrafficPolicy.LOCAL else ()

    return backends(one) == backends(other)


def by_service(result: AllocationResult) -> dict[str, tuple[IpAddress, ...]]:
    return {one.service.key: one.addresses for one in result.allocations}


@given(WORLDS)
def test_every_service_has_addresses_or_a_reason(world: Configuration) -> None:
    result = allocate(world)

    served = [one.service.key for one in result.allocations]
    waiting = [one.service.key for one in result.pending]
    assert sorted(served + waiting) == sorted(service.key for service in world.services)
    assert all(one.reason for one in result.pending)


@given(WORLDS)
def test_no_two_services_have_an_address_that_they_may_not_share(world: Configuration) -> None:
    users: defaultdict[IpAddress, list[Service]] = defaultdict(list)
    for one in allocate(world).allocations:
        for address in one.addresses:
            users[address].append(one.service)

    for sharers in users.values():
        for one, other in combinations(sharers, 2):
            assert may_share(one, other)


@given(WORLDS)
def test_who_has_nothing_could_share_with_nobody(world: Configuration) -> None:
    """At the end of its namespace's quota neither: what the namespace uses already does not count once more."""
    result = allocate(world)
    users: defaultdict[tuple[str, IpAddress], list[Service]] = defaultdict(list)
    for one in result.allocations:
        for address in one.addresses:
            users[one.pool, address].append(one.service)
    asking = [
        one.service
        for one in result.pending
        if not (one.service.requested_addresses or one.service.requested_pool)
        and len(one.service.families) == 1
        and one.service.family_policy is not FamilyPolicy.REQUIRE_DUAL_STACK
    ]

    for service, pool in product(asking, world.pools):
        is_for_it = pool.service_allocation is None or pool.service_allocation.admits(service.namespace, {})
        for (name, address), sharers in users.items():
            if name != pool.name or family_of(address) not in service.families:
                continue
            is_counted = any(one.namespace == service.namespace for one in sharers)
            if pool.auto_assign and is_for_it and (pool.quota_per_namespace is None or is_counted):
                assert not all(may_share(one, service) for one in sharers)


@given(WORLDS)
def test_addresses_are_of_the_pool_and_of_the_right_families(world: Configuration) -> None:
    """One pool for all of a Service's addresses, which admits it; no families but the Service's own."""
    by_name = {pool.name: pool for pool in world.pools}

    for one in allocate(world).allocations:
        pool, families = by_name[one.pool], [family_of(address) for address in one.addresses]
        assert all(address in pool for address in one.addresses)
        assert pool.service_allocation is None or pool.service_allocation.admits(one.service.namespace, {})
        assert len(set(families)) == len(families)
        assert set(families) <= set(one.service.families)
        if one.service.family_policy is not FamilyPolicy.PREFER_DUAL_STACK:
            assert set(families) == set(one.service.families)
        if pool.avoid_buggy_ips:
            assert not any(
                address.packed[-1] in (0, 255) for address in one.addresses if address.version == 4
            )


@given(WORLDS, st.randoms(use_true_random=False))
def test_the_order_of_services_and_pools_does_not_matter(world: Configuration, random: Any) -> None:
    shuffled_pools, shuffled_services = list(world.pools), list(world.services)
    random.shuffle(shuffled_pools)
    random.shuffle(shuffled_services)

    shuffled = replace(world, pools=tuple(shuffled_pools), services=tuple(shuffled_services))

    assert allocate(shuffled) == allocate(world)


@given(WORLDS)
def test_a_restart_moves_nobody(world: Configuration) -> None:
    """Whoever has addresses has all of them again when they are read back from the status."""
    before = by_service(allocate(world))
    restarted = replace(
        world, services=tuple(replace(one, held_addresses=before.get(one.key, ())) for one in world.services)
    )

    after = by_service(allocate(restarted))

    kept = {one.key for one in world.services if not (one.requested_addresses or one.requested_pool)}
    assert {key: after[key][: len(held)] for key, held in before.items() if key in kept} == {
        key: held for key, held in before.items() if key in kept
    }
    assert before.keys() <= after.keys()


@given(WORLDS, services())
def test_new_services_move_nobody(world: Configuration, newcomers: tuple[Service, ...]) -> None:
    """However old they claim to be."""
    settled = replace(
        world,
        services=tuple(replace(one, requested_addresses=(), requested_pool=None) for one in world.services),
    )
    before = by_service(allocate(settled))
    held = tuple(replace(one, held_addresses=before.get(one.key, ())) for one in settled.services)
    others = tuple(replace(one, name=f"new-{one.name}", held_addresses=()) for one in newcomers)

    after = by_service(allocate(replace(settled, services=held + others)))

    assert {key: after[key][: len(addresses)] for key, addresses in before.items()} == before
