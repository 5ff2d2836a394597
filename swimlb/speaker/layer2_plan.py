"""Who owns which address on the LAN, kept up to date group by group.

A group is the Services that share a first address: they are elected as one. Events say what they touch, `work` makes up
for it in slices, so that what touches everything does not stall the process, and the most urgent goes first:

    orphans    groups whose owner may announce no more
    own        groups that this node owns
    others
    reviews    of one node that has come or changed, against the owner of each group: mostly one hash

Only the owner is kept. It is the least of all candidates in a total order (serves all Services of the group, has their
subnets, preference, hash), so a node that comes is compared with the owner alone, and one that goes matters only
where it was the owner itself. `planner.plan` computes the same as a whole, and tests hold the two equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field, replace
from itertools import chain, filterfalse

from swimlb.model import Allocation, IpAddress, L2Advertisement, TrafficPolicy
from swimlb.speaker.election import rank
from swimlb.speaker.inventory import Inventory
from swimlb.speaker.layer2_rules import Layer2Rules, precedence
from swimlb.speaker.links import SubnetRule
from swimlb.speaker.plan import Ownership, Reason
from swimlb.speaker.presence import Presence
from swimlb.speaker.rules import RuleOptions, endpoint_refusal
from swimlb.speaker.slate import Slate
from swimlb.speaker.unreadiness import Unreadiness
from swimlb.speaker.waiting import Waiting

GROUP_COST = 8
"""Of electing a group, in units of a candidate that is weighed (about a microsecond)."""
CHANGE_COST = 40
"""Of an address that gets another owner: what is to be done about it, and its being told."""
REVIEW_COST = 2
"""Of comparing one node with an owner."""

_NOBODY = Ownership(None, None)


@dataclass(slots=True, eq=False)
class _Group:
    """Services with one first address, and what came out for them."""

    first: IpAddress
    text: str
    sharers: dict[str, Allocation] = field(default_factory=dict[str, Allocation])
    entries: list[tuple[Allocation, Slate]] | None = None
    """Sharers that are announced on the LAN, under which advertisements; None: not known yet."""
    slate: Slate | None = None
    """Of the advertisements of all; None: no sharer is announced."""
    silent: dict[str, Reason] = field(default_factory=dict[str, Reason])
    all_addresses: tuple[IpAddress, ...] = ()
    addresses: tuple[IpAddress, ...] = ()
    """As they were claimed last: none when no sharer is announced."""
    ownership: Ownership = _NOBODY
    owner_rank: bytes = b""
    withheld: dict[str, Reason] = field(default_factory=dict[str, Reason])


class Layer2Plan:
    """The owner of every address; what this node withholds on the LAN, and why."""

    def __init__(self, inventory: Inventory, options: RuleOptions, unreadiness: Unreadiness) -> None:
        self._inventory = inventory
        self._this_node = inventory.this_node
        self._options = options
        self._unreadiness = unreadiness
        self._rules = Layer2Rules(inventory, options)
        self._slates: dict[tuple[str, ...], Slate] = {}
        self._groups: dict[IpAddress, _Group] = {}
        self._group_of: dict[str, _Group] = {}
        self._claimants: dict[IpAddress, tuple[_Group, ...]] = {}
        """Groups that an address would be announced with; the first one counts."""
        self._owned: dict[str, dict[IpAddress, None]] = {}
        """First addresses by owner."""
        self._queues: tuple[Waiting[IpAddress], ...] = (Waiting(), Waiting(), Waiting())
        """Groups to be elected: orphans, own, others."""
        self._reviews: dict[str, Iterator[IpAddress]] = {}
        """Nodes to be compared with the owners of these groups."""
        self._changes: dict[IpAddress, Ownership | None] = {}
        """Addresses whose ownership has changed since this was asked for, and what it was."""
        self._touched_services: set[str] = set()
        self.groups_elected = 0
        self.ranks_computed = 0
        """Work, counted for tests and benchmarks."""

    # What is planned

    def ownership(self, address: IpAddress) -> Ownership | None:
        """Who owns an address; None: it is not announced on the LAN."""
        claimants = self._claimants.get(address)
        return claimants[0].ownership if claimants else None

    @property
    def addresses(self) -> Set[IpAddress]:
        return self._claimants.keys()

    def addresses_of(self, node: str) -> list[IpAddress]:
        """What a node owns."""
        return [address for first in self._owned.get(node, ()) for address in self._groups[first].addresses]

    def services_of(self, address: IpAddress) -> Iterable[str]:
        """The Services that are announced with an address and have it."""
        claimants = self._claimants.get(address, ())
        return [
            service
            for group in claimants
            for service, allocation in group.sharers.items()
            if address in allocation.addresses
        ]

    def withheld(self, service: str) -> Reason | None:
        group = self._group_of.get(service)
        return group.withheld.get(service) if group is not None else None

    def candidates(self, address: IpAddress) -> tuple[str, ...]:
        """The whole succession of an address, found out when somebody asks."""
        claimants = self._claimants.get(address)
        if not claimants or (slate := claimants[0].slate) is None:
            return ()
        group = claimants[0]
        nodes = self._electable(group, None)
        return tuple(sorted(nodes, key=lambda node: (-slate[node].score, rank(node, group.text))))

    def comes_before_this_node(self, member: str, presence: Presence, address: IpAddress) -> bool:
        """Whether a member would own an address rather than this node, were it present like that."""
        claimants = self._claimants.get(address)
        if not claimants:
            return False
        group, presences = claimants[0], self._inventory.presences
        both = replace(
            self._inventory, presences={member: presence, self._this_node: presences[self._this_node]}
        )
        election = Layer2Rules(both, self._options).elect(group.first, list(group.sharers.values()))
        return election.duty is not None and election.duty.owner == member

    # What has happened

    def put(self, service: str, allocation: Allocation | None) -> None:
        """A Service has these addresses now; None: it is gone."""
        group = self._group_of.pop(service, None)
        if group is not None:
            del group.sharers[service]
            self._touch(group)
        if allocation is not None:
            first = allocation.addresses[0]
            group = self._groups.get(first)
            if group is None:
                group = self._groups[first] = _Group(first, str(first))
            group.sharers[service] = allocation
            self._group_of[service] = group
            self._touch(group)
        self._touched_services.add(service)

    def touch_service(self, service: str) -> None:
        """The endpoints of a Service have changed."""
        if (group := self._group_of.get(service)) is not None:
            self._queue(group)

    def touch_node(self, node: str, *, is_readiness_changed: bool) -> None:
        """A node has come, gone, or is another one: as its presence and its labels are in the inventory now.

        `is_readiness_changed`: for Services at large; those that are touched alone are told by `touch_service`.
        """
        needs_review, is_usable = is_readiness_changed, False
        for slate in self._slates.values():
            before, after = slate.review(node)
            needs_review = needs_review or before != after
            is_usable = is_usable or (after is not None and after.refusal is None)
        if not is_usable:
            # Also while all slates are to be made anew: its addresses wait for nobody.
            self._queues[0].add_all(self._owned.get(node, {}))
        if not needs_review:
            return
        self._reviews.pop(node, None)
        if is_usable or node == self._this_node:
            own = dict(self._owned.get(self._this_node, {}))
            # Copied, not searched: with 10,000 of them that alone would take a turn.
            self._reviews[node] = chain(own, filterfalse(own.__contains__, list(self._groups)))

    def touch_election(self) -> None:
        """What tells candidates apart has changed: all are to be elected anew."""
        self._queues[1].add_all(self._owned.get(self._this_node, {}))
        self._queues[2].add_all(self._groups)

    def touch_all(self) -> None:
        """Advertisements or pools have changed."""
        self._slates.clear()
        self._reviews.clear()
        for group in self._groups.values():
            group.entries = None
        self.touch_election()

    def _touch(self, group: _Group) -> None:
        group.entries = None
        self._queue(group)

    def _queue(self, group: _Group) -> None:
        self._queues[1 if group.ownership.owner == self._this_node else 2].add(group.first)

    # Work

    @property
    def is_pending(self) -> bool:
        return any(self._queues) or bool(self._reviews)

    @property
    def has_orphans(self) -> bool:
        return bool(self._queues[0])

    def work(self, budget: int, *, is_urgent_only: bool = False) -> int:
        """Make up for what has happened, for about so many units of work. Gives what is left of them."""
        for queue in self._queues[:1] if is_urgent_only else self._queues:
            while queue and budget > 0:
                first = queue.take()
                for other in self._queues:
                    other.discard(first)
                if (group := self._groups.get(first)) is not None:
                    budget -= self._elect(group)
        while self._reviews and budget > 0 and not is_urgent_only:
            node, rest = next(iter(self._reviews.items()))
            for first in rest:
                budget -= self._review(node, first)
                if budget <= 0:
                    break
            else:
                del self._reviews[node]
        return budget

    def take_changes(self) -> tuple[dict[IpAddress, Ownership | None], set[str]]:
        """Addresses whose ownership has changed since the last call, with what it was, and Services to look at."""
        changes, self._changes = self._changes, {}
        services, self._touched_services = self._touched_services, set()
        return {
            address: before for address, before in changes.items() if before != self.ownership(address)
        }, services

    def _elect(self, group: _Group) -> int:
        """Find the owner among all."""
        self.groups_elected += 1
        if group.entries is None:
            self._look_up(group)
        owner, cost = self._least(group, None)
        return cost + self._conclude(group, owner)

    def _review(self, node: str, first: IpAddress) -> int:
        """Compare one node with the owner of a group."""
        group = self._groups.get(first)
        if group is None or any(first in queue for queue in self._queues if queue):
            return REVIEW_COST  # Gone, or to be elected as a whole.
        if not group.entries or group.slate is None:
            return REVIEW_COST
        owner = group.ownership.owner
        if node == owner:
            return self._elect(group)
        cost = REVIEW_COST
        if self._may_come_first(node, group):
            owner, cost = self._least(group, {node} if owner is None else {node, owner})
        if owner != group.ownership.owner or node == self._this_node:
            cost += self._conclude(group, owner)
        return cost

    def _may_come_first(self, node: str, group: _Group) -> bool:
        assert group.entries is not None
        assert group.slate is not None
        if node not in group.slate.usable:
            return False
        is_alike = len(group.entries) == 1 and group.slate.is_even and not self._inventory.deaf
        is_hash_enough = is_alike and group.ownership.owner is not None
        if not is_hash_enough:
            return True
        self.ranks_computed += 1
        return rank(node, group.text) < group.owner_rank

    def _look_up(self, group: _Group) -> None:
        """Which advertisements are about the Services of a group."""
        group.entries, group.silent = [], {}
        including: dict[str, L2Advertisement] = {}
        for service, allocation in sorted(group.sharers.items()):
            advertisements, silence = self._rules.advertisements_of(allocation)
            if silence is not None:
                group.silent[service] = silence
            if advertisements:
                group.entries.append((allocation, self._slate(advertisements)))
                including |= {entry.name: entry for entry in advertisements}
        group.slate = self._slate(tuple(including.values())) if including else None
        group.all_addresses = tuple(
            dict.fromkeys(address for one in group.sharers.values() for address in one.addresses)
        )

    def _slate(self, advertisements: tuple[L2Advertisement, ...]) -> Slate:
        names = tuple(sorted(entry.name for entry in advertisements))
        slate = self._slates.get(names)
        if slate is None:
            slate = self._slates[names] = Slate(advertisements, self._rules, self._inventory)
        return slate

    def _least(self, group: _Group, among: Set[str] | None) -> tuple[str | None, int]:
        """The first of these nodes, or of all, and what it has cost to find it."""
        if group.slate is None:
            return None, GROUP_COST
        nodes, text = group.slate.best_scored(self._electable(group, among)), group.text
        self.ranks_computed += len(nodes)
        return min(nodes, key=lambda node: rank(node, text), default=None), GROUP_COST + len(nodes)

    def _electable(self, group: _Group, among: Set[str] | None) -> Set[str]:
        """Those of these nodes, or of all, that only preference and hash tell apart."""
        if not group.entries or group.slate is None:
            return frozenset()
        nodes = self._able(group, among)
        if deaf := self._inventory.deaf:
            nodes = (nodes - deaf.keys()) or nodes
        if self._options.subnet_rule is SubnetRule.PREFER and not group.slate.is_even:
            nodes = group.slate.near(nodes, group.all_addresses) or nodes
        return nodes

    def _able(self, group: _Group, among: Set[str] | None) -> Set[str]:
        """Those that can serve all Services of a group, or, where there is none, any that can serve one."""
        eligible = [self._eligible(allocation, slate) for allocation, slate in group.entries or ()]
        if among is not None:
            eligible = [nodes & among for nodes in eligible]
        if len(eligible) == 1:
            return eligible[0]
        sets = [set(one) for one in eligible]
        return sets[0].intersection(*sets) or sets[0].union(*sets)

    def _eligible(self, allocation: Allocation, slate: Slate) -> Set[str]:
        service = allocation.service
        endpoints = self._inventory.endpoints.get(service.key)
        if endpoints is None:
            nodes: Set[str] = slate.usable
            if unready := self._unreadiness.unready_for(service.key):
                nodes = nodes - unready
        elif service.traffic_policy is TrafficPolicy.LOCAL:
            nodes = slate.usable & endpoints.nodes
        else:
            nodes = slate.usable if endpoints.nodes else frozenset()
        if self._options.subnet_rule is SubnetRule.REQUIRE:
            return slate.near(nodes, allocation.addresses)
        return nodes

    # What came out

    def _conclude(self, group: _Group, owner: str | None) -> int:
        """Write down who owns a group; gives what it will cost to act on it."""
        previous, cost = group.ownership, 0
        interfaces = group.slate[owner].interfaces if owner is not None and group.slate is not None else None
        if owner != previous.owner:
            if previous.owner is not None:
                owned = self._owned[previous.owner]
                del owned[group.first]
                if not owned:
                    del self._owned[previous.owner]
            if owner is not None:
                self._owned.setdefault(owner, {})[group.first] = None
                group.owner_rank = rank(owner, group.text)
        addresses = group.all_addresses if group.entries else ()
        ownership = Ownership(owner, interfaces)
        if ownership != previous or addresses != group.addresses:
            for address in (*addresses, *group.addresses):
                self._changes.setdefault(address, self.ownership(address))
            group.ownership = ownership
            self._claim(group, addresses)
            if self._this_node in (owner, previous.owner):
                self._touched_services.update(group.sharers)
            cost = CHANGE_COST * max(1, len(addresses))
        self._withhold(group)
        if not group.sharers:
            del self._groups[group.first]
        return cost

    def _claim(self, group: _Group, addresses: tuple[IpAddress, ...]) -> None:
        """The group announces these addresses now, as far as no other one comes before it."""
        for address in group.addresses:
            rest = tuple(one for one in self._claimants[address] if one is not group)
            if rest:
                self._claimants[address] = rest
            else:
                del self._claimants[address]
        for address in addresses:
            claimants = (*self._claimants.get(address, ()), group)
            if len(claimants) > 1:
                claimants = tuple(sorted(claimants, key=lambda one: precedence(one.first, address)))
            self._claimants[address] = claimants
        group.addresses = addresses

    def _withhold(self, group: _Group) -> None:
        found = dict(group.silent)
        for allocation, slate in group.entries or ():
            reason = self._own_refusal(allocation, slate)
            if reason is not None:
                found[allocation.service.key] = reason
        if self._is_passed_over(group):
            found = {entry.service.key: Reason.NODE_DEAF for entry, _ in group.entries or ()} | found
        if group.ownership.owner not in (None, self._this_node):
            found = dict.fromkeys(group.sharers, Reason.OWNED_ELSEWHERE) | found
        if found != group.withheld:
            self._touched_services.update(found, group.withheld)
            group.withheld = found

    def _is_passed_over(self, group: _Group) -> bool:
        """Whether this node could serve, but is deaf, and another one is found."""
        owner, deaf = group.ownership.owner, self._inventory.deaf
        if self._this_node not in deaf or owner is None or owner in deaf:
            return False
        return self._this_node in self._able(group, None)

    def _own_refusal(self, allocation: Allocation, slate: Slate) -> Reason | None:
        """Why this node is no candidate for a Service, in the order of `Layer2Rules.refusal`."""
        mine = slate.get(self._this_node)
        if mine is None:
            return Reason.NODE_LEAVING
        if mine.refusal not in (None, Reason.NO_INTERFACE):
            return mine.refusal
        refusal = endpoint_refusal(self._inventory, self._this_node, allocation) or mine.refusal
        is_required = self._options.subnet_rule is SubnetRule.REQUIRE
        if refusal is None and is_required and not mine.is_near(allocation.addresses):
            return Reason.NO_SUBNET
        return refusal
