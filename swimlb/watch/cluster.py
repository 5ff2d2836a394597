"""What a cluster says becomes the records that *wire* acts on, each change for itself.

The controller gives addresses, and writes them into a Service's status; speakers take them from there, as long as a pool has
them. Endpoints are what the EndpointSlices say, so no Service is checked from here. Of a Service only what *wire* decides by is
told: a change of anything else is no news.

An address whose pool is gone or no longer has it stays announced by the rules of that pool until the controller has
written another one, or none: it is not for a speaker to cut off traffic that is about to be moved.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import islice

from swimlb.config import Resolved
from swimlb.model import (
    AddressRange,
    Allocation,
    Configuration,
    Endpoints,
    Intent,
    IpAddress,
    Pending,
    Pool,
    Seeds,
    Service,
)
from swimlb.runtime import records
from swimlb.runtime.replica import Publisher
from swimlb.speaker.inventory import Inventory, Record, key_of
from swimlb.watch.world import World

NOT_ALLOCATED = "the controller has not given it an address yet"
NOT_IN_POOL = "no pool has all of its addresses"

_NOBODY: frozenset[str] = frozenset()


class PoolIndex:
    """Finds the pool of an address."""

    def __init__(self, pools: Iterable[Pool] = ()) -> None:
        self._ranges: dict[int, list[tuple[int, AddressRange, str]]] = {4: [], 6: []}
        for pool in pools:
            for addresses in pool.ranges:
                self._ranges[addresses.first.version].append((int(addresses.first), addresses, pool.name))
        for entries in self._ranges.values():
            entries.sort(key=lambda entry: entry[0])

    def pool_of(self, addresses: tuple[IpAddress, ...]) -> str | None:
        """The one that has all of them."""
        found = {self._find(address) for address in addresses}
        return found.pop() if len(found) == 1 else None

    def _find(self, address: IpAddress) -> str | None:
        entries = self._ranges[address.version]
        at = bisect_right(entries, int(address), key=lambda entry: entry[0]) - 1
        # No two ranges overlap.
        return entries[at][2] if at >= 0 and address in entries[at][1] else None


@dataclass(slots=True)
class _Pools:
    """The pools in force, and those that are gone but not yet without Services."""

    known: dict[str, Pool] = field(default_factory=dict[str, Pool])
    index: PoolIndex = field(default_factory=PoolIndex)
    departed: dict[str, Pool] = field(default_factory=dict[str, Pool])


class ClusterRecords:
    """Keeps a publisher's table equal to what the cluster says; `work` makes up for what has changed, in portions."""

    def __init__(self, published: Publisher) -> None:
        self._published = published
        self._resolved = Resolved()
        self._has_begun = False
        self._configured: set[str] = set()
        """Keys of the records of the configuration."""
        self._pools = _Pools()
        self._services: dict[str, Service] = {}
        self._endpoints: dict[str, frozenset[str]] = {}
        self._allocations: dict[str, Allocation] = {}
        self._users: dict[str, int] = {}
        """By pool, how many Services have addresses of it."""
        self._dirty: dict[str, None] = {}
        self._own: set[str] = set()
        """Keys of what is about this node alone."""

    @property
    def is_pending(self) -> bool:
        return self._has_begun and bool(self._dirty)

    def own_records(self) -> dict[str, bytes]:
        """What is about this node alone, as far as it is known by now."""
        return {key: self._published.table[key] for key in self._own}

    def keys(self) -> set[str]:
        """Of everything that has been told."""
        return {
            *self._own,
            *self._configured,
            *(f"Pool/{name}" for name in self._pools.departed),
            *(f"{kind}/{service}" for service in self._allocations for kind in ("Allocation", "Endpoints")),
        }

    def world(self) -> World:
        """All of it, for people."""
        pending = tuple(
            Pending(service=service, reason=NOT_IN_POOL if service.held_addresses else NOT_ALLOCATED)
            for key, service in self._services.items()
            if key not in self._allocations
        )
        endpoints = tuple(
            Endpoints(service=key, nodes=self._endpoints.get(key, _NOBODY)) for key in self._allocations
        )
        configuration = replace(self._resolved.configuration, endpoints=endpoints)
        return World(
            replace(self._resolved, configuration=configuration), tuple(self._allocations.values()), pending
        )

    def inventory(self, node: str, services: Iterable[str]) -> Inventory:
        """What decides on the LAN about these Services, but for who is present."""
        inventory, configuration = Inventory(node), self._resolved.configuration
        for record in (*configuration.pools, *self._pools.departed.values()):
            inventory.put(record)
        for record in (*configuration.l2_advertisements, *configuration.nodes):
            inventory.put(record)
        for key in services:
            if (allocation := self._allocations.get(key)) is not None:
                inventory.put(allocation)
                inventory.put(Endpoints(service=key, nodes=self._endpoints.get(key, _NOBODY)))
        return inventory

    # What has changed

    def begin(self) -> None:
        """All is known: nothing was told before, for half of it would make *wire* let go of what is in the other half."""
        self._has_begun = True
        self._change_pools(self._resolved.configuration.pools)
        self._tell_configuration()

    def configure(self, resolved: Resolved) -> None:
        """The configuration in force is this now."""
        before, self._resolved = self._resolved.configuration, resolved
        if not self._has_begun:
            return
        if resolved.configuration.pools != before.pools:
            self._change_pools(resolved.configuration.pools)
        self._tell_configuration()

    def _tell_configuration(self) -> None:
        configuration = self._resolved.configuration
        keys = {self._put(record) for record in _records(configuration)}
        for key in self._configured - keys:
            self._published.remove(key)
        self._configured = keys

    def put_service(self, service: Service, key: str | None = None) -> None:
        """`key` is the Service's, from who has it already: of thousands, a second one each is a megabyte."""
        known = key or service.key
        self._services[known] = service
        self._dirty[known] = None

    def remove_service(self, key: str) -> None:
        if self._services.pop(key, None) is not None:
            self._dirty[key] = None

    def put_endpoints(self, key: str, nodes: frozenset[str]) -> None:
        """Where the Service of this key has serving endpoints; also of Services that are none of ours."""
        if nodes:
            self._endpoints[key] = nodes
        else:
            self._endpoints.pop(key, None)
        if key in self._allocations:
            self._put(Endpoints(service=key, nodes=nodes))

    def find_seeds(self, addresses: Iterable[IpAddress]) -> None:
        """Other speakers are at these."""
        seeds = Seeds(addresses=tuple(sorted(set(addresses), key=lambda one: (one.version, int(one)))))
        self._published.put(records.SEEDS_KEY, records.encode(seeds))
        self._own.add(records.SEEDS_KEY)

    def drain(self, reason: str | None) -> None:
        """This node is to serve nothing, for that reason; None: it is to serve."""
        intent = Intent(drained_by=reason or "")
        if reason is None:
            self._own.discard(key_of(intent))
            self._published.remove(key_of(intent))
        else:
            self._own.add(self._put(intent))

    # Work

    def work(self, services_max: int) -> None:
        """Find out what Services have now, of so many at most."""
        for key in list(islice(self._dirty, services_max)):
            del self._dirty[key]
            self._settle(key)
        if not self._dirty:
            # One that has held all of them stays as large though it is empty.
            self._dirty = {}

    def _settle(self, key: str) -> None:
        before, after = self._allocations.get(key), self._allocation_of(key)
        if after == before:
            return
        if after is None:
            assert before is not None
            del self._allocations[key]
            self._published.remove(key_of(before))
            self._published.remove(f"Endpoints/{key}")
        else:
            self._allocations[key] = after
            # First the endpoints: without any record of them *wire* would believe that each node checks for itself.
            self._put(Endpoints(service=key, nodes=self._endpoints.get(key, _NOBODY)))
            self._published.put(key_of(after), records.encode(replace(after, service=_slim(after.service))))
        self._count(before, after)

    def _allocation_of(self, key: str) -> Allocation | None:
        service = self._services.get(key)
        if service is None or not service.held_addresses:
            return None
        pool = self._pools.index.pool_of(service.held_addresses)
        before = self._allocations.get(key)
        if pool is None and before is not None and before.addresses == service.held_addresses:
            pool = before.pool
        if pool is None:
            return None
        # The Service as it is kept anyway: a second one without its addresses is made when *wire* is told.
        return Allocation(service=service, addresses=service.held_addresses, pool=pool)

    def _count(self, before: Allocation | None, after: Allocation | None) -> None:
        if after is not None:
            self._users[after.pool] = self._users.get(after.pool, 0) + 1
        if before is not None:
            self._users[before.pool] -= 1
            if not self._users[before.pool]:
                del self._users[before.pool]
                if (pool := self._pools.departed.pop(before.pool, None)) is not None:
                    self._published.remove(key_of(pool))

    def _change_pools(self, pools: tuple[Pool, ...]) -> None:
        known = {pool.name: pool for pool in pools}
        gone = (self._pools.known | self._pools.departed).items()
        departed = {name: pool for name, pool in gone if name not in known and name in self._users}
        for name in departed:
            self._configured.discard(f"Pool/{name}")
        for name in self._pools.departed.keys() - departed.keys() - known.keys():
            self._published.remove(f"Pool/{name}")
        self._pools = _Pools(known, PoolIndex(pools), departed)
        self._dirty.update(dict.fromkeys(self._services))

    def _put(self, record: Record) -> str:
        key = key_of(record)
        self._published.put(key, records.encode(record))
        return key


def _records(configuration: Configuration) -> Iterable[Record]:
    return (
        *configuration.pools,
        *configuration.l2_advertisements,
        *configuration.bgp_advertisements,
        *configuration.bgp_peers,
        *configuration.nodes,
    )


def without_the_rest(service: Service) -> Service:
    """Only what a speaker decides by, and its addresses: of ten thousand Services nothing else is kept."""
    return replace(_slim(service), held_addresses=service.held_addresses)


def _slim(service: Service) -> Service:
    """As *wire* is told of it."""
    return Service(
        namespace=service.namespace,
        name=service.name,
        labels=service.labels,
        traffic_policy=service.traffic_policy,
        sharing_key=service.sharing_key,
    )
