from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swimlb.allocator.counts import INT64_MAX, PoolCounts, count_pools, usable_size
from swimlb.allocator.pools import is_buggy
from swimlb.model import AddressRange, Allocation, IpFamily, Pool, Service


def addresses(text: str) -> AddressRange:
    network = ip_network(text)
    return AddressRange(network[0], network[-1])


def pool(*networks: str, avoid: bool = False) -> Pool:
    return Pool(name="p", ranges=tuple(map(addresses, networks)), avoid_buggy_ips=avoid)


@pytest.mark.parametrize(
    ("networks", "avoid", "ipv4", "ipv6"),
    [
        (("1.2.3.0/24", "2.3.4.128/25"), False, 384, 0),
        (("1.2.3.0/24", "2.3.4.128/25"), True, 381, 0),
        (("1.2.3.0/31", "1000::/127"), True, 1, 2),
        (("1000::/64",), False, 0, INT64_MAX),
        (("10.0.0.0/8",), True, (1 << 24) - (1 << 17), 0),
    ],
)
def test_sizes_of_pools(networks: tuple[str, ...], avoid: bool, ipv4: int, ipv6: int) -> None:
    """MetalLB's own figures; one that is too large for a status is said to be the largest there is."""
    (counted,) = count_pools([pool(*networks, avoid=avoid)], [])

    assert counted == PoolCounts("p", 0, ipv4, 0, ipv6)


def test_an_address_that_is_shared_counts_once() -> None:
    allocations = [
        Allocation(
            service=Service(namespace="default", name=name), addresses=(ip_address("192.0.2.9"),), pool="p"
        )
        for name in ("web", "dns")
    ]

    assert count_pools([pool("192.0.2.0/28")], allocations) == (PoolCounts("p", 1, 15, 0, 0),)


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_what_is_avoided_is_what_counts_as_buggy(first: int, length: int) -> None:
    base = int(ip_address("192.0.2.0"))
    ends = (ip_address(base + first), ip_address(base + first + length))
    wanted = sum(not is_buggy(ip_address(number)) for number in range(int(ends[0]), int(ends[1]) + 1))

    held = Pool(name="p", ranges=(AddressRange(*ends),), avoid_buggy_ips=True)

    assert usable_size(held, IpFamily.IPV4) == wanted
