"""Which Service gets which addresses.

`allocate` is a pure function of the configuration in force: what standalone mode and the offline commands go by.
`Allocator` keeps the same answer up to date in a changing world, and safe while writes fail: what a controller needs.
"""

from __future__ import annotations

from swimlb.allocator.allocate import AllocationResult, allocate
from swimlb.allocator.allocator import Allocator, StatusWritten, WorldChanged, WriteStatus
from swimlb.allocator.counts import PoolCounts, count_pools
from swimlb.allocator.refusal import Refused

__all__ = [
    "AllocationResult",
    "Allocator",
    "PoolCounts",
    "Refused",
    "StatusWritten",
    "WorldChanged",
    "WriteStatus",
    "allocate",
    "count_pools",
]
