"""Finding addresses in pools, at a cost that does not depend on how large they are or how full.

A pool's ranges are integers. Below a cursor all addresses of a range are taken, but for those that were given
back, which wait in a heap; above it some may be taken, and each of these is passed once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from swimlb.allocator.quarantine import Quarantine
from swimlb.allocator.refusal import Refused, quoted
from swimlb.allocator.usage import Usage
from swimlb.model import AddressRange, IpAddress, IpFamily, Pool, Service, family_of


def is_buggy(address: IpAddress) -> bool:
    """Old equipment takes x.y.z.0 and x.y.z.255 for network and broadcast addresses of a /24."""
    return address.version == 4 and int(address) & 0xFF in (0, 255)


@dataclass(slots=True)
class _Frontier:
    """A range, and what of it is free."""

    range: AddressRange
    next: int
    freed: list[int] = field(default_factory=list[int])
    """A heap: addresses below `next` that may be free; may name some twice, or some that are taken again."""

    def lowest_free(self, usage: Usage, quarantine: Quarantine, avoid_buggy: bool) -> IpAddress | None:
        kind, last = type(self.range.first), int(self.range.last)

        def is_to_have(address: IpAddress) -> bool:
            is_avoided = avoid_buggy and is_buggy(address)
            return usage.is_free(address) and not is_avoided and address not in quarantine

        while self.freed:
            if is_to_have(address := kind(self.freed[0])):
                return address
            heappop(self.freed)
        while self.next <= last:
            if is_to_have(address := kind(self.next)):
                return address
            self.next += 1
        return None

    def reopen(self, address: IpAddress) -> None:
        if int(address) < self.next:
            heappush(self.freed, int(address))


class PoolSpace:
    """One pool and what is left of it."""

    def __init__(self, pool: Pool, usage: Usage, quarantine: Quarantine) -> None:
        self.pool = pool
        self._usage = usage
        self._quarantine = quarantine
        self._frontiers = [_Frontier(addresses, int(addresses.first)) for addresses in pool.ranges]
        self._shares: dict[str, Counter[IpAddress]] = {}
        """By namespace, for the quota: the addresses its Services use, and how many do."""
        self.families = frozenset(family_of(addresses.first) for addresses in pool.ranges)

    def admits(self, service: Service) -> bool:
        """Pinned pools are for some Services only."""
        allocation = self.pool.service_allocation
        return allocation is None or allocation.admits(service.namespace, dict(service.labels))

    def is_over_quota(self, service: Service, addresses: Iterable[IpAddress]) -> bool:
        """Whether with these the namespace would use more addresses than the pool allows."""
        quota, used = self.pool.quota_per_namespace, self._used(service)
        if quota is None:
            return False
        # More than it allows may be in use, as a quota that is lowered takes nothing away.
        return sum(address not in used for address in addresses) > max(0, quota - len(used))

    def _used(self, service: Service) -> Collection[IpAddress]:
        """What counts already against the quota of the Service's namespace, if there is one."""
        return self._shares.get(service.namespace, ())

    def note_use(self, service: Service, address: IpAddress, change: int) -> None:
        """A Service of the namespace begins (+1) or ceases (-1) to use the address."""
        if self.pool.quota_per_namespace is None:
            return
        shares = self._shares.setdefault(service.namespace, Counter())
        shares[address] += change
        if not shares[address]:
            del shares[address]

    def usable(self, service: Service, families: Iterable[IpFamily]) -> dict[IpFamily, IpAddress]:
        """The first usable address of each of these families that has one, within the quota if there are such."""
        first = {family: self.first_usable(service, family) for family in families}
        found = {family: address for family, address in first.items() if address is not None}
        for family in tuple(found):
            if self.is_over_quota(service, found.values()):
                found[family] = self._first_within_quota(service, family, found[family])
        return found

    def first_usable(self, service: Service, family: IpFamily) -> IpAddress | None:
        """What the Service had, else the first address in the order of the pool that is free, or that it may share."""
        if (former := self._former(service, family)) is not None:
            return former
        found = (self._first_in(frontier, service) for frontier in self._frontiers_of(family))
        return next((address for address in found if address is not None), None)

    def _first_within_quota(self, service: Service, family: IpFamily, usable: IpAddress) -> IpAddress:
        """The first address that the Service may share and that its namespace uses already; else the usable one."""
        used = self._used(service)
        if usable in used:
            return usable
        shareable = (
            address
            for frontier in self._frontiers_of(family)
            for address in self._usage.shareable(service, frontier.range.first, frontier.range.last)
        )
        return next((address for address in shareable if address in used), usable)

    def _frontiers_of(self, family: IpFamily) -> Iterator[_Frontier]:
        return (frontier for frontier in self._frontiers if family_of(frontier.range.first) is family)

    def is_left_by(self, service: Service) -> bool:
        """Whether the Service is giving up an address of this pool that it may have again."""
        return any(map(self._gives, self._usage.left_by(service)))

    def _first_in(self, frontier: _Frontier, service: Service) -> IpAddress | None:
        first, last = frontier.range.first, frontier.range.last
        found = (
            frontier.lowest_free(self._usage, self._quarantine, self.pool.avoid_buggy_ips),
            next(self._usage.shareable(service, first, last), None),
        )
        return min((address for address in found if address is not None), key=int, default=None)

    def _former(self, service: Service, family: IpFamily) -> IpAddress | None:
        """What the Service has still, else what it had a moment ago: that is no stranger's."""
        for addresses in (self._usage.left_by(service), self._quarantine.of(service.key)):
            to_have = (
                address for address in addresses if family_of(address) is family and self._gives(address)
            )
            if (lowest := min(to_have, key=int, default=None)) is not None:
                return lowest
        return None

    def _gives(self, address: IpAddress) -> bool:
        return address in self.pool and not (self.pool.avoid_buggy_ips and is_buggy(address))

    def reopen(self, address: IpAddress) -> None:
        """An address of this pool is free again."""
        for frontier in self._frontiers:
            if address in frontier.range:
                frontier.reopen(address)


class Space:
    """All pools, and who has which address."""

    def __init__(self, pools: Sequence[Pool], quarantine: Quarantine | None = None) -> None:
        """Without a quarantine addresses are free as soon as they are given back."""
        self.usage = Usage()
        self.quarantine = quarantine or Quarantine(None)
        self.by_name = {pool.name: PoolSpace(pool, self.usage, self.quarantine) for pool in pools}
        spaces = [self.by_name[name] for name in sorted(self.by_name)]
        self.pinned = sorted(
            (space for space in spaces if space.pool.service_allocation is not None), key=_priority
        )
        """By priority, 0 last, then by name."""
        self.unpinned = [space for space in spaces if space.pool.service_allocation is None]
        self.has_room = False
        """There is more to have than when this was last set to False: who waits may look again."""
        self._starts: dict[int, list[tuple[int, int, PoolSpace]]] = {4: [], 6: []}
        """First and last address of each range."""
        for space in spaces:
            for addresses in space.pool.ranges:
                self._starts[addresses.first.version].append(
                    (int(addresses.first), int(addresses.last), space)
                )
        for starts in self._starts.values():
            starts.sort(key=lambda start: start[0])

    def pool_of(self, address: IpAddress) -> PoolSpace | None:
        starts = self._starts[address.version]
        index = bisect_right(starts, int(address), key=lambda start: start[0])
        if index == 0:
            return None
        _, last, space = starts[index - 1]
        return space if int(address) <= last else None

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
        """The caller has checked that the Service may. Taking what it has already changes nothing."""
        for address in addresses:
            was_open = self._is_open(service, address)
            self._book(service, address)
            if not was_open and self._is_open(service, address):
                self.has_room = True

    def _is_open(self, service: Service, address: IpAddress) -> bool:
        """Whether a newcomer of the Service's namespace may have the address or share it, if it carries the same key."""
        space = self.pool_of(address)
        is_over_quota = space is not None and space.is_over_quota(service, [address])
        return not is_over_quota and address not in self.quarantine and self.usage.is_open(address)

    def _book(self, service: Service, address: IpAddress) -> None:
        self.quarantine.end(address)
        if self.usage.take(service, address) and (space := self.pool_of(address)) is not None:
            space.note_use(service, address, +1)

    def linger(self, service: Service, addresses: Collection[IpAddress]) -> set[IpAddress]:
        """Keep newcomers from what the Service is still seen with, whatever the pools say; the booked part of it.

        Not booked is what others have with whom the Service may not share.
        """
        booked = {address for address in addresses if self.usage.allows(service, address, is_seen=True)}
        for address in booked:
            self._book(service, address)
        for address in addresses:
            self.usage.begin_leaving(service, address)
        return booked

    def end_lingering(self, service: Service, address: IpAddress) -> None:
        """The Service is not seen any more with what was not booked for it."""
        self.has_room = True
        self.usage.end_leaving(service, address)

    def release(self, service: Service, addresses: Iterable[IpAddress]) -> None:
        """Give back what the Service has taken."""
        for address in addresses:
            self.has_room = True
            space = self.pool_of(address)
            is_last = self.usage.release(service, address)
            if space is None:
                continue
            space.note_use(service, address, -1)
            if is_last and not self.quarantine.begin(address, service.key):
                space.reopen(address)

    def reopen(self, addresses: Iterable[IpAddress]) -> None:
        """The quarantine of these is over."""
        for address in addresses:
            self.has_room = True
            if (space := self.pool_of(address)) is not None and self.usage.is_free(address):
                space.reopen(address)


def _priority(space: PoolSpace) -> tuple[bool, int, str]:
    allocation = space.pool.service_allocation
    priority = allocation.priority if allocation is not None else 0
    return (priority == 0, priority, space.pool.name)
