"""Finding addresses in pools, at a cost that does not depend on how large they are.

A pool's ranges are integers. In one run addresses are taken far more often than they are given back, so for
each range it is enough to remember how far from its start everything is taken.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from swimlb.allocator.refusal import Refused, quoted
from swimlb.allocator.usage import Usage
from swimlb.model import AddressRange, IpAddress, IpFamily, Pool, Service, family_of


def is_buggy(address: IpAddress) -> bool:
    """Old equipment takes x.y.z.0 and x.y.z.255 for network and broadcast addresses of a /24."""
    return address.version == 4 and int(address) & 0xFF in (0, 255)


@dataclass(slots=True)
class _Cursor:
    """A range, and up to where all its addresses are taken."""

    range: AddressRange
    next: int

    def lowest_free(self, usage: Usage, avoid_buggy: bool) -> IpAddress | None:
        """Moves the cursor over what is taken, each address once."""
        last = int(self.range.last)
        kind = type(self.range.first)
        while self.next <= last:
            address = kind(self.next)
            if usage.is_free(address) and not (avoid_buggy and is_buggy(address)):
                return address
            self.next += 1
        return None


class PoolSpace:
    """One pool and what is left of it."""

    def __init__(self, pool: Pool, usage: Usage) -> None:
        self.pool = pool
        self._usage = usage
        self._cursors = [_Cursor(addresses, int(addresses.first)) for addresses in pool.ranges]
        self.families = frozenset(family_of(addresses.first) for addresses in pool.ranges)

    def admits(self, service: Service) -> bool:
        """Pinned pools are for some Services only."""
        allocation = self.pool.service_allocation
        return allocation is None or allocation.admits(service.namespace, dict(service.labels))

    def first_usable(self, service: Service, family: IpFamily) -> IpAddress | None:
        """The first address in the order of the pool that is free, or that the Service may share."""
        for cursor in self._cursors:
            if family_of(cursor.range.first) is family:
                found = self._first_in(cursor, service)
                if found is not None:
                    return found
        return None

    def _first_in(self, cursor: _Cursor, service: Service) -> IpAddress | None:
        free = cursor.lowest_free(self._usage, self.pool.avoid_buggy_ips)
        shared = self._usage.lowest_shareable(service, cursor.range.first, cursor.range.last)
        if free is None or shared is None:
            return free if shared is None else shared
        return free if int(free) < int(shared) else shared

    def reopen(self, address: IpAddress) -> None:
        """An address of this pool is free again."""
        for cursor in self._cursors:
            if address in cursor.range:
                cursor.next = min(cursor.next, int(address))


class Space:
    """All pools, and who has which address."""

    def __init__(self, pools: Sequence[Pool]) -> None:
        self.usage = Usage()
        self.by_name = {pool.name: PoolSpace(pool, self.usage) for pool in pools}
        spaces = [self.by_name[name] for name in sorted(self.by_name)]
        self.pinned = sorted(
            (space for space in spaces if space.pool.service_allocation is not None), key=_priority
        )
        """By priority, 0 last, then by name."""
        self.unpinned = [space for space in spaces if space.pool.service_allocation is None]
        self._starts: dict[int, list[tuple[int, PoolSpace]]] = {4: [], 6: []}
        for space in spaces:
            for addresses in space.pool.ranges:
                self._starts[addresses.first.version].append((int(addresses.first), space))
        for starts in self._starts.values():
            starts.sort(key=lambda start: start[0])

    def pool_of(self, address: IpAddress) -> PoolSpace | None:
        starts = self._starts[address.version]
        index = bisect_right(starts, int(address), key=lambda start: start[0])
        if index == 0:
            return None
        space = starts[index - 1][1]
        return space if address in space.pool else None

    def check(self, service: Service, addresses: Sequence[IpAddress]) -> PoolSpace:
        """The pool of all the addresses, if the Service may have them; else raises Refused."""
        space = self._common_pool(addresses)
        if not space.admits(service):
            raise Refused(
                f"pool {space.pool.name} not compatible for ip assignment: its serviceAllocation excludes it"
            )
        for address in addresses:
            self.usage.check(service, address)
        return space

    def _common_pool(self, addresses: Sequence[IpAddress]) -> PoolSpace:
        spaces = [self.pool_of(address) for address in addresses]
        refusal = f"{quoted(addresses)} is not allowed in config"
        for address, space in zip(addresses, spaces, strict=True):
            if space is None:
                raise Refused(f"{refusal}: no pool contains {address}")
            if space.pool.avoid_buggy_ips and is_buggy(address):
                raise Refused(f"{refusal}: pool {space.pool.name} avoids {address} (avoidBuggyIPs)")
        first = spaces[0]
        if first is None or any(space is not first for space in spaces):
            names = ", ".join(space.pool.name for space in spaces if space is not None)
            raise Refused(f"{refusal}: the addresses are in different pools ({names})")
        return first

    def take(self, service: Service, addresses: Iterable[IpAddress]) -> None:
        for address in addresses:
            self.usage.take(service, address)

    def release(self, service: Service, addresses: Iterable[IpAddress]) -> None:
        for address in addresses:
            if self.usage.release(service, address):
                space = self.pool_of(address)
                if space is not None:
                    space.reopen(address)


def _priority(space: PoolSpace) -> tuple[bool, int, str]:
    allocation = space.pool.service_allocation
    priority = allocation.priority if allocation is not None else 0
    return (priority == 0, priority, space.pool.name)
