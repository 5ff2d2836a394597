"""How full the pools are: told by the controller, or in standalone mode, where nobody else knows, by every speaker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import Metric

from swimlb.allocator import PoolCounts
from swimlb.observe.families import gauges


def pool_families(pools: Sequence[PoolCounts]) -> Iterator[Metric]:
    """MetalLB's names. What a pool of IPv6 can give is cut off at 2^63 - 1, as it is in the pool's status."""
    for family in ("ipv4", "ipv6"):
        yield gauges(
            f"metallb_allocator_{family}_addresses_total",
            "Addresses that the pool can give, those in use included.",
            ["pool"],
            [((one.pool,), _usable(one, family)) for one in pools],
        )
        yield gauges(
            f"metallb_allocator_{family}_addresses_in_use_total",
            "Addresses of the pool that Services have.",
            ["pool"],
            [((one.pool,), _assigned(one, family)) for one in pools],
        )
    yield gauges(
        "metallb_allocator_addresses_total",
        "Addresses that the pool can give, those in use included.",
        ["pool"],
        [((one.pool,), _usable(one, "ipv4") + _usable(one, "ipv6")) for one in pools],
    )
    yield gauges(
        "metallb_allocator_addresses_in_use_total",
        "Addresses of the pool that Services have.",
        ["pool"],
        [((one.pool,), one.assigned_ipv4 + one.assigned_ipv6) for one in pools],
    )


def _assigned(pool: PoolCounts, family: str) -> int:
    return pool.assigned_ipv4 if family == "ipv4" else pool.assigned_ipv6


def _usable(pool: PoolCounts, family: str) -> int:
    return _assigned(pool, family) + (pool.available_ipv4 if family == "ipv4" else pool.available_ipv6)
