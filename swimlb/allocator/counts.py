"""How much of each pool is in use: what the status of an IPAddressPool and `swimlb plan` tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from swimlb.model import AddressRange, Allocation, IpAddress, IpFamily, Pool, family_of

INT64_MAX = (1 << 63) - 1
"""What the status of an IPAddressPool can hold; an IPv6 pool may have more, and is said to have this many."""


@dataclass(frozen=True, slots=True)
class PoolCounts:
    """Addresses of a pool by family: in use, each counted once however many Services share it, and usable but free."""

    pool: str
    assigned_ipv4: int
    available_ipv4: int
    assigned_ipv6: int
    available_ipv6: int


def count_pools(pools: Iterable[Pool], allocations: Iterable[Allocation]) -> tuple[PoolCounts, ...]:
    """In the order of the pools."""
    assigned: dict[str, set[IpAddress]] = {}
    for allocation in allocations:
        assigned.setdefault(allocation.pool, set()).update(allocation.addresses)
    return tuple(_count(pool, assigned.get(pool.name, set())) for pool in pools)


def usable_size(pool: Pool, family: IpFamily) -> int:
    """How many addresses of a family the pool may give away in all."""
    ranges = [addresses for addresses in pool.ranges if family_of(addresses.first) is family]
    buggy = sum(map(_buggy_size, ranges)) if pool.avoid_buggy_ips else 0
    return sum(addresses.size for addresses in ranges) - buggy


def _count(pool: Pool, assigned: set[IpAddress]) -> PoolCounts:
    in_use = {
        family: sum(family_of(address) is family for address in assigned)
        for family in (IpFamily.IPV4, IpFamily.IPV6)
    }
    free = {
        family: min(INT64_MAX, max(0, usable_size(pool, family) - used)) for family, used in in_use.items()
    }
    return PoolCounts(
        pool.name, in_use[IpFamily.IPV4], free[IpFamily.IPV4], in_use[IpFamily.IPV6], free[IpFamily.IPV6]
    )


def _buggy_size(addresses: AddressRange) -> int:
    """How many of a range are `pools.is_buggy`, without looking at each."""
    if family_of(addresses.first) is IpFamily.IPV6:
        return 0
    return _buggy_below(int(addresses.last) + 1) - _buggy_below(int(addresses.first))


def _buggy_below(number: int) -> int:
    """Numbers from 0 that end in .0 or .255 and are less than this one."""
    whole, rest = divmod(number, 256)
    return 2 * whole + (rest > 0)
