"""Giving addresses to all Services at once.

The answer depends on nothing but the configuration, so every node and every restart comes to the same:

1. Services keep the addresses they hold, as long as those are right (see `_is_right`).
2. Services that hold one address and prefer two get the second from the same pool, if it has one.
3. Services that hold addresses but now ask for others get those; when that is impossible they keep what
   they have, and the reason is told.
4. All others are served, the oldest first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from swimlb.allocator.choosing import Choice, choose
from swimlb.allocator.pools import Space
from swimlb.allocator.refusal import Refused
from swimlb.model import Allocation, Configuration, FamilyPolicy, IpFamily, Pending, Service, family_of


@dataclass(frozen=True, slots=True)
class AllocationResult:
    """Every Service of the configuration is in one of the two; both are sorted by namespace and name."""

    allocations: tuple[Allocation, ...] = ()
    pending: tuple[Pending, ...] = ()


def allocate(configuration: Configuration) -> AllocationResult:
    """Give every Service its addresses, or the reason why it has none."""
    return _Run(configuration).result()


def _served_first(service: Service) -> tuple[str, str, str]:
    return (service.created, service.namespace, service.name)


class _Run:
    def __init__(self, configuration: Configuration) -> None:
        self._space = Space(configuration.pools)
        self._services = sorted(configuration.services, key=_served_first)
        self._chosen: dict[str, Choice] = {}
        self._refusals: dict[str, str] = {}

    def result(self) -> AllocationResult:
        holders = [service for service in self._services if self._keep(service)]
        for service in holders:
            self._add_second_family(service)
        for service in holders:
            if not self._is_as_requested(service):
                self._move(service)
        for service in self._services:
            if service.key not in self._chosen:
                self._serve(service)
        return AllocationResult(tuple(self._allocations()), tuple(self._pending()))

    def _keep(self, service: Service) -> bool:
        """Take what the Service holds, if it is still right; else it is given up."""
        held = service.held_addresses
        if not _are_right_families(service):
            return False
        try:
            pool = self._space.check(service, held).pool.name
        except Refused:
            return False
        self._take(service, Choice(held, pool))
        return True

    def _add_second_family(self, service: Service) -> None:
        held = self._chosen[service.key]
        lacking = [family for family in service.families if family not in map(family_of, held.addresses)]
        if not lacking or service.requested_addresses:
            return
        space = self._space.by_name[held.pool]
        address = space.first_usable(service, lacking[0])
        if address is not None:
            self._space.take(service, [address])
            self._chosen[service.key] = Choice((*held.addresses, address), held.pool)

    def _is_as_requested(self, service: Service) -> bool:
        has = self._chosen[service.key]
        wanted = service.requested_addresses
        return (not wanted or set(wanted) == set(has.addresses)) and service.requested_pool in (
            None,
            has.pool,
        )

    def _move(self, service: Service) -> None:
        before = self._chosen[service.key]
        self._space.release(service, before.addresses)
        try:
            after = choose(service, self._space)
        except Refused as refused:
            after = before
            self._refusals[service.key] = f"keeps what it has: {refused}"
        self._take(service, after)

    def _serve(self, service: Service) -> None:
        try:
            self._take(service, choose(service, self._space))
        except Refused as refused:
            self._refusals[service.key] = str(refused)

    def _take(self, service: Service, choice: Choice) -> None:
        self._space.take(service, choice.addresses)
        self._chosen[service.key] = choice

    def _by_key(self) -> Iterable[Service]:
        return sorted(self._services, key=lambda service: (service.namespace, service.name))

    def _allocations(self) -> Iterable[Allocation]:
        for service in self._by_key():
            choice = self._chosen.get(service.key)
            if choice is not None:
                yield Allocation(
                    service=service,
                    addresses=choice.addresses,
                    pool=choice.pool,
                    reason=self._refusals.get(service.key, ""),
                )

    def _pending(self) -> Iterable[Pending]:
        for service in self._by_key():
            if service.key not in self._chosen:
                yield Pending(service=service, reason=self._refusals[service.key])


def _are_right_families(service: Service) -> bool:
    """One address of each family; PreferDualStack is content with one of the two."""
    held: list[IpFamily] = [family_of(address) for address in service.held_addresses]
    if not held or len(set(held)) != len(held):
        return False
    if set(held) == set(service.families):
        return service.family_policy is not FamilyPolicy.REQUIRE_DUAL_STACK or len(held) == 2
    return service.family_policy is FamilyPolicy.PREFER_DUAL_STACK and set(held) <= set(service.families)
