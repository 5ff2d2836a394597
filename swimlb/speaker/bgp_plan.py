"""What goes to the routers, kept up to date Service by Service: by peer, the routes that were added and removed.

A prefix may be needed by many Services (an aggregate), and be asked for with different attributes by several
advertisements: what a peer hears of it is all of them merged, and it is there as long as one Service needs it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from announce.bgp.routes import Route, merged
from swimlb.model import IpNetwork
from swimlb.speaker.bgp_rules import BgpRules
from swimlb.speaker.inventory import Inventory
from swimlb.speaker.plan import Reason
from swimlb.speaker.rules import RuleOptions
from swimlb.speaker.waiting import Waiting

SERVICE_COST = 25
"""Of finding the routes of a Service, in units of a candidate that is weighed (`layer2_plan`)."""


@dataclass(slots=True)
class RouteChange:
    """What is different for one peer."""

    added: set[Route] = field(default_factory=set[Route])
    removed: set[Route] = field(default_factory=set[Route])

    def add(self, route: Route) -> None:
        if route in self.removed:
            self.removed.remove(route)
        else:
            self.added.add(route)

    def remove(self, route: Route) -> None:
        if route in self.added:
            self.added.remove(route)
        else:
            self.removed.add(route)


class _PeerTable:
    """The routes of one peer."""

    def __init__(self) -> None:
        self._wanted: dict[IpNetwork, Counter[Route]] = {}
        """By prefix: each route that Services ask for, and by how many."""
        self._routes: dict[IpNetwork, Route] = {}
        self.change = RouteChange()

    @property
    def routes(self) -> frozenset[Route]:
        return frozenset(self._routes.values())

    def add(self, route: Route) -> None:
        self._wanted.setdefault(route.prefix, Counter())[route] += 1
        self._merge(route.prefix)

    def remove(self, route: Route) -> None:
        wanted = self._wanted[route.prefix]
        wanted[route] -= 1
        if not wanted[route]:
            del wanted[route]
        self._merge(route.prefix)

    def _merge(self, prefix: IpNetwork) -> None:
        wanted, before = self._wanted[prefix], self._routes.get(prefix)
        after = merged(wanted) if wanted else None
        if after == before:
            return
        if before is not None:
            self.change.remove(before)
        if after is not None:
            self._routes[prefix] = after
            self.change.add(after)
        else:
            del self._routes[prefix], self._wanted[prefix]


class BgpPlan:
    """The routes of this node, and the Services it withholds from routers."""

    def __init__(self, inventory: Inventory, options: RuleOptions) -> None:
        self._inventory = inventory
        self._rules = BgpRules(inventory, options)
        self._peers: tuple[str, ...] = ()
        self._tables: dict[str, _PeerTable] = {}
        self._placed: dict[str, list[tuple[_PeerTable, Route]]] = {}
        """By Service. The table of a peer that is gone takes no part any more, and what leaves it does not matter."""
        self._peers_of: dict[str, tuple[str, ...]] = {}
        self._withheld: dict[str, Reason] = {}
        self._dirty: Waiting[str] = Waiting()
        self._touched_services: set[str] = set()

    @property
    def peers(self) -> tuple[str, ...]:
        """The routers that this node holds sessions with."""
        return self._peers

    def routes(self, peer: str) -> frozenset[Route]:
        """All that a peer is to hear."""
        return self._tables[peer].routes

    def withheld(self, service: str) -> Reason | None:
        return self._withheld.get(service)

    def peers_of(self, service: str) -> tuple[str, ...]:
        """The routers that are to hear of a Service, by name."""
        return self._peers_of.get(service, ())

    # What has happened

    def touch_service(self, service: str) -> None:
        """Its allocation, or where its endpoints are, has changed."""
        self._dirty.add(service)

    def touch_all(self) -> None:
        """Advertisements, peers, pools, or what this node may do at all."""
        self._peers = self._rules.peers()
        for gone in self._tables.keys() - set(self._peers):
            del self._tables[gone]
        for peer in self._peers:
            if peer not in self._tables:
                self._tables[peer] = _PeerTable()
        for services in (self._inventory.allocations, self._placed, self._withheld):
            self._dirty.add_all(services)

    # Work

    @property
    def is_pending(self) -> bool:
        return bool(self._dirty)

    def work(self, budget: int) -> int:
        """Make up for what has happened, for about so many units of work. Gives what is left of them."""
        while self._dirty and budget > 0:
            self._find(self._dirty.take())
            budget -= SERVICE_COST
        return budget

    def take_changes(self) -> tuple[dict[str, RouteChange], set[str]]:
        """By peer, what is different since the last call, and the Services to look at."""
        changes = {
            peer: table.change
            for peer, table in self._tables.items()
            if table.change.added or table.change.removed
        }
        for peer in changes:
            self._tables[peer].change = RouteChange()
        services, self._touched_services = self._touched_services, set()
        return changes, services

    def _find(self, service: str) -> None:
        allocation = self._inventory.allocations.get(service)
        found = self._rules.routes_of(allocation, self._peers) if allocation is not None else ()
        reason = found if isinstance(found, Reason) else None
        if reason != self._withheld.get(service):
            self._touched_services.add(service)
            if reason is None:
                del self._withheld[service]
            else:
                self._withheld[service] = reason
        before = self._placed.pop(service, [])
        wanted = () if isinstance(found, Reason) else found
        self._note_peers(service, tuple(sorted({peer for peer, _ in wanted})))
        after = [(self._tables[peer], route) for peer, route in wanted]
        if after:
            self._placed[service] = after
        if before != after:
            # First what is new: a prefix that stays does not go in between.
            for table, route in after:
                table.add(route)
            for table, route in before:
                table.remove(route)

    def _note_peers(self, service: str, peers: tuple[str, ...]) -> None:
        if peers == self._peers_of.get(service, ()):
            return
        self._touched_services.add(service)
        if peers:
            self._peers_of[service] = peers
        else:
            del self._peers_of[service]
