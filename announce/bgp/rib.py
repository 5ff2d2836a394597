"""Adj-RIB-Out: what a peer should know, what it has been told, and the UPDATEs between the two.

Changes are taken in at once, but worked off in portions (`absorb`), so that a hundred thousand routes do not
keep the process from its timers. The messages are those of `Table`, one for each family.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice

from announce.bgp.nlri import IPV4_UNICAST, IPV6_UNICAST, Family, encode_prefix
from announce.bgp.outbound import NextHop, Outbound, end_of_rib
from announce.bgp.routes import Route
from announce.bgp.table import Table, Wanted


class AdjRibOut:
    """The routes of one peer. Outlives its sessions: `begin` is told of each new one.

    The cost of a change is that of the prefixes it touches, not of all there are.
    """

    def __init__(self) -> None:
        self._ipv4 = Table(IPV4_UNICAST)
        self._ipv6 = Table(IPV6_UNICAST)
        self._tables = (self._ipv4, self._ipv6)
        self._changes: deque[Iterator[None]] = deque()
        """Each takes a step for each route."""
        self._outbound: Outbound | None = None
        self._ends_of_rib: list[Family] = []
        self._is_complete = True

    @property
    def advertised(self) -> tuple[Route, ...]:
        """What the peer has been told, in this session: each prefix once."""
        return self.first_advertised(self.advertised_count)

    def first_advertised(self, at_most: int) -> tuple[Route, ...]:
        return tuple(islice(chain(self._ipv4.told.values(), self._ipv6.told.values()), at_most))

    @property
    def advertised_count(self) -> int:
        return sum(len(table.told) for table in self._tables)

    @property
    def waiting_count(self) -> int:
        """Wanted, but not told: no session, no room yet, or nothing that the session can carry."""
        return sum(table.waiting_count for table in self._tables)

    @property
    def has_changes(self) -> bool:
        """There is something to absorb."""
        return bool(self._changes)

    @property
    def has_news(self) -> bool:
        """There is something to tell the peer."""
        if not all(table.is_settled for table in self._tables):
            return True
        return bool(self._ends_of_rib) and self._is_complete and not self._changes

    # What is wanted.

    def replace(self, routes: frozenset[Route]) -> None:
        """All that is wanted from now on."""
        self._changes.clear()
        self._changes.append(self._replacing(routes))

    def update(self, added: frozenset[Route], removed: frozenset[Route]) -> None:
        self._changes.append(self._removing(removed))
        self._changes.append(self._adding(added))

    def absorb(self, routes_max: int) -> None:
        """Take in so many routes of the changes."""
        while self._changes and routes_max > 0:
            routes_max -= sum(1 for _ in islice(self._changes[0], routes_max))
            if routes_max > 0:
                self._changes.popleft()

    def clear(self) -> None:
        """Nothing is wanted any more."""
        self._changes.clear()
        for table in self._tables:
            table.clear()

    def _table(self, route: Route) -> Table:
        return self._ipv4 if route.prefix.version == 4 else self._ipv6

    def _adding(self, routes: Iterable[Route]) -> Iterator[None]:
        for route in routes:
            self._table(route).add(encode_prefix(route.prefix), route)
            yield

    def _removing(self, routes: Iterable[Route]) -> Iterator[None]:
        for route in routes:
            self._table(route).remove(encode_prefix(route.prefix), route)
            yield

    def _replacing(self, routes: Iterable[Route]) -> Iterator[None]:
        wanted: dict[Table, dict[bytes, Wanted]] = {table: {} for table in self._tables}
        for route in routes:
            of_family, key = wanted[self._table(route)], encode_prefix(route.prefix)
            present = of_family.get(key, ())
            of_family[key] = (
                (*(present if isinstance(present, tuple) else (present,)), route) if present else route
            )
            yield
        # Withdrawals first: they are what cannot wait.
        for table, of_family in wanted.items():
            for key in [key for key in table.wanted if key not in of_family]:
                table.drop(key)
                yield
        for table, of_family in wanted.items():
            for key, route in of_family.items():
                table.put(key, route)
                yield

    # The session.

    def begin(self, outbound: Outbound, *, is_complete: bool = True) -> None:
        """A new session: the peer knows nothing.

        Its first routes are closed by End-of-RIB (RFC 4724), which waits for `complete` unless they are so already.
        """
        self._outbound = outbound
        self._is_complete = is_complete
        self._ends_of_rib = [it for it in (IPV4_UNICAST, IPV6_UNICAST) if it in outbound.families]
        for table in self._tables:
            table.begin(outbound)

    def complete(self) -> None:
        """What was advertised before our restart has been given again."""
        self._is_complete = True

    def end(self) -> None:
        self._outbound = None
        self._ends_of_rib = []
        for table in self._tables:
            table.end()

    def reform(self, next_hops: Mapping[Family, NextHop]) -> None:
        """Ours are others: what has been told is told anew, and what could not be carried for want of one is tried."""
        if self._outbound is None:
            return
        before, self._outbound = self._outbound.next_hops, replace(self._outbound, next_hops=next_hops)
        for family, table in ((IPV4_UNICAST, self._ipv4), (IPV6_UNICAST, self._ipv6)):
            if before.get(family) != next_hops.get(family):
                table.reshape(self._outbound)

    def shut_down(self) -> None:
        """Make every route the last choice (RFC 8326)."""
        if self._outbound is not None:
            self._outbound = replace(self._outbound, is_shutting_down=True)
            for table in self._tables:
                table.reshape(self._outbound)

    def refresh(self, family: Family) -> None:
        """Tell everything of a family once more (RFC 2918).

        Before End-of-RIB it is the initial update that begins anew, and ends as such. RFC 7313 section 4: one that
        supports graceful restart "MUST NOT send a BoRR [...] before it sends the EoR".
        """
        if family in (IPV4_UNICAST, IPV6_UNICAST):
            table = self._ipv4 if family == IPV4_UNICAST else self._ipv6
            table.refresh(is_initial=family in self._ends_of_rib)

    def next_update(self) -> bytes | None:
        """The next message to send; None: the peer has been told everything.

        Withdrawals first: they cannot wait, and they make room.
        """
        for table in self._tables:
            if (update := table.next_withdrawal()) is not None:
                return update
        for table in self._tables:
            if (update := table.next_announcement()) is not None:
                return update
        for table in self._tables:
            # What it could not carry after all.
            if (update := table.next_withdrawal()) is not None:
                return update
        if self._ends_of_rib and self._is_complete and not self._changes:
            return end_of_rib(self._ends_of_rib.pop(0))
        return None
