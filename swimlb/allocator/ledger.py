"""Who has which addresses, and the passes that bring it nearer to what is asked for.

1. Services keep the addresses they hold, as long as those are right, each for its family (`keep`).
2. Services that hold one address and prefer two get the second from the same pool, if it has one.
3. Services that hold addresses but now ask for others get those; when that is impossible they keep what
   they have, and the reason is told.
4. All others are served, in the order given, but those first that ask for addresses by name: who takes any address does
   not take theirs.

The last three are `settle`. `allocate` runs them over all Services at once; `Allocator` over those that wait for
something, whenever something has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from swimlb.allocator.choosing import Choice, choose
from swimlb.allocator.pools import Space
from swimlb.allocator.refusal import Refused
from swimlb.allocator.usage import sharing_group
from swimlb.model import Allocation, FamilyPolicy, IpAddress, IpFamily, Pending, Service, family_of


def served_first(service: Service) -> tuple[str, str, str]:
    """The order in which Services are served: the oldest first."""
    return (service.created, service.namespace, service.name)


LetGo: TypeAlias = Callable[[Service, set[IpAddress]], None]


def _let_go(service: Service, addresses: set[IpAddress]) -> None:
    """Nobody else cares."""


class Ledger:
    """What is given away of a space, by key of the Service."""

    def __init__(self, space: Space, on_let_go: LetGo = _let_go) -> None:
        """`on_let_go` hears at once of addresses that a Service has left for others."""
        self.space = space
        self._on_let_go = on_let_go
        self._chosen: dict[str, Choice] = {}
        self._refusals: dict[str, str] = {}
        """Why a Service has nothing, or not what it asks for."""

    def choice(self, key: str) -> Choice | None:
        return self._chosen.get(key)

    def verdict(self, service: Service) -> Allocation | Pending:
        """What the Service has. Only after `settle`."""
        choice = self._chosen.get(service.key)
        reason = self._refusals.get(service.key, "")
        if choice is None:
            return Pending(service=service, reason=reason)
        return Allocation(service=service, addresses=choice.addresses, pool=choice.pool, reason=reason)

    def is_content(self, service: Service) -> bool:
        """It has everything it asks for."""
        has = self._chosen.get(service.key)
        return has is not None and self._is_as_requested(service, has) and not _lacking(service, has)

    def keep(self, service: Service, held: tuple[IpAddress, ...]) -> bool:
        """Take what the Service holds, as far as it is still right; whether that is all."""
        if (choice := self._right(service, held)) is None:
            return False
        self._take(service, choice)
        return choice.addresses == held

    def renew(self, known: Service, service: Service) -> bool:
        """Keep for the new version of a Service what it has, as far as it is still right; whether that is all."""
        had_room, had = self.space.has_room, self._chosen.get(known.key)
        # Asked while it still has them: who shares with one that is leaving may stay, and would not be let in anew.
        choice = None if had is None else self._right(service, had.addresses)
        self.give_up(known)
        if had is None or choice is None:
            return False
        self._take(service, choice)
        is_all = choice.addresses == had.addresses
        if is_all and known.ports == service.ports and sharing_group(known) == sharing_group(service):
            self.space.has_room = had_room  # For nobody is there more than before.
        return is_all

    def _right(self, service: Service, held: tuple[IpAddress, ...]) -> Choice | None:
        """What the Service holds of the families that it asks for, if it may have that."""
        staying = tuple(address for address in held if family_of(address) in service.families)
        if not _are_right_families(service, staying):
            return None
        try:
            return Choice(staying, self.space.check(service, staying).pool.name)
        except Refused:
            return None

    def give_up(self, service: Service) -> Choice | None:
        """The Service, in the version that took them, has no addresses any more; which it had."""
        self._refusals.pop(service.key, None)
        had = self._chosen.pop(service.key, None)
        if had is not None:
            self.space.release(service, had.addresses)
        return had

    def settle(self, services: Sequence[Service]) -> None:
        holders = [service for service in services if service.key in self._chosen]
        for service in holders:
            self._refusals.pop(service.key, None)
            self._add_second_family(service)
        for service in holders:
            if not self._is_as_requested(service, self._chosen[service.key]):
                self._move(service)
        without = [service for service in services if service.key not in self._chosen]
        for service in sorted(without, key=lambda service: not service.requested_addresses):
            self._serve(service)

    def _add_second_family(self, service: Service) -> None:
        held = self._chosen[service.key]
        lacking = _lacking(service, held)
        if not lacking or service.requested_addresses:
            return
        space = self.space.by_name[held.pool]
        second = tuple(space.usable(service, lacking[:1]).values())
        if second and not space.is_over_quota(service, second):
            self.space.take(service, second)
            self._chosen[service.key] = Choice((*held.addresses, *second), held.pool)

    def _is_as_requested(self, service: Service, has: Choice) -> bool:
        wanted = service.requested_addresses
        return (not wanted or set(wanted) == set(has.addresses)) and service.requested_pool in (
            None,
            has.pool,
        )

    def _move(self, service: Service) -> None:
        before, had_room = self._chosen[service.key], self.space.has_room
        # Not what it asks for: it would not be let in anew where another one is leaving.
        given_up = [address for address in before.addresses if address not in service.requested_addresses]
        self.space.release(service, given_up)
        try:
            after = choose(service, self.space)
        except Refused as refused:
            after = before
            self._refusals[service.key] = f"keeps what it has: {refused}"
        self._take(service, after)
        if after is before:
            self.space.has_room = had_room
        self._on_let_go(service, set(before.addresses) - set(after.addresses))

    def _serve(self, service: Service) -> None:
        try:
            self._take(service, choose(service, self.space))
            self._refusals.pop(service.key, None)
        except Refused as refused:
            self._refusals[service.key] = str(refused)

    def _take(self, service: Service, choice: Choice) -> None:
        self.space.take(service, choice.addresses)
        self._chosen[service.key] = choice


def ledger_of(services: Iterable[Service], space: Space) -> Ledger:
    """Everybody served: first those that hold something, then the oldest."""
    ledger, ordered = Ledger(space), sorted(services, key=served_first)
    for service in ordered:
        ledger.keep(service, service.held_addresses)
    ledger.settle(ordered)
    return ledger


def _lacking(service: Service, has: Choice) -> list[IpFamily]:
    """Families of the Service of which it has no address; IPv4 first, as it stands in the Service."""
    had = {family_of(address) for address in has.addresses}
    return [family for family in service.families if family not in had]


def _are_right_families(service: Service, held: tuple[IpAddress, ...]) -> bool:
    """One address of each family; PreferDualStack is content with one of the two."""
    families = [family_of(address) for address in held]
    if not families or len(set(families)) != len(families):
        return False
    if set(families) == set(service.families):
        return service.family_policy is not FamilyPolicy.REQUIRE_DUAL_STACK or len(families) == 2
    return service.family_policy is FamilyPolicy.PREFER_DUAL_STACK and set(families) <= set(service.families)
