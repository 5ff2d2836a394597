"""The allocator that follows a changing world: what the controller decides by.

It is a machine as all decision makers here are. What has changed is looked at, together with the Services that wait
for something; the rest is left alone. The outcome is one that `allocate` would not change any more.

Two things keep an address from being two Services' while writes to the API server fail or are still on their way:

- an address that the status of a Service may show stays that Service's until `StatusWritten` tells otherwise;
- what a status shows counts only when a Service is first seen: afterwards it can be nothing but an echo, and the
  allocator knows better.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from swimlb.allocator.counts import PoolCounts, count_pools
from swimlb.allocator.ledger import Ledger, served_first
from swimlb.allocator.pools import Space
from swimlb.allocator.quarantine import Quarantine
from swimlb.model import Allocation, IpAddress, Pending, Pool, Service

QUARANTINE = 60.0
"""How long resolvers and clients commonly go on using an address that a name had."""

_ROUNDS_MAX = 16
"""Giving one Service what it waits for may free what another waits for; more rounds than these wait for an event."""


@dataclass(frozen=True, slots=True)
class WorldChanged:
    """Objects are new, different or gone. The first one is the whole, so that nobody is served before holders are known."""

    pools: tuple[Pool, ...] | None = None
    """All of them; None: as they were."""
    put: tuple[Service, ...] = ()
    deleted: tuple[str, ...] = ()
    """Keys of Services that are gone, or no business of ours any more."""


@dataclass(frozen=True, slots=True)
class StatusWritten:
    """The status of the Service shows these addresses now, and no others."""

    service: str
    addresses: tuple[IpAddress, ...]


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """This is what the Service has, or why it has nothing; it is not what it was told before."""

    verdict: Allocation | Pending


Event: TypeAlias = WorldChanged | StatusWritten
Effect: TypeAlias = WriteStatus
Verdict: TypeAlias = Allocation | Pending
_Versions: TypeAlias = dict[str, dict[IpAddress, Service]]
"""By key of a Service and address: the version that had it. Two addresses may be of versions that share differently."""


class Allocator:
    """Decides who has which address, one change at a time."""

    def __init__(self, quarantine: float | None = QUARANTINE) -> None:
        """Seconds for which an address that was given back is kept from others; None: not at all."""
        self._quarantine = Quarantine(quarantine)
        self._pools: tuple[Pool, ...] = ()
        self._ledger = Ledger(Space((), self._quarantine), self._let_go)
        self._services: dict[str, Service] = {}
        """In the version that was last seen."""
        self._shown: dict[str, set[IpAddress]] = {}
        """What the status of a Service may show, as far as we know."""
        self._lingering: _Versions = {}
        """Shown, but not the Service's any more: with the version that they are booked for."""
        self._unbooked: _Versions = {}
        """Shown likewise, but another Service has them, which may not share with this one. When that ends, they linger."""
        self._waiting: list[tuple[tuple[str, str, str], str]] = []
        """Sorted: Services that have not all they ask for, in the order to serve them."""
        self._told: dict[str, Verdict] = {}

    def step(self, event: Event, now: float) -> list[Effect]:
        self._ledger.space.reopen(self._quarantine.ended(now))
        match event:
            case WorldChanged(pools, put, deleted):
                return self._settle(self._change(pools, put, deleted))
            case StatusWritten(service, addresses):
                self._note_written(service, addresses)
                return self._settle(())

    def advance(self, now: float) -> list[Effect]:
        self._ledger.space.reopen(self._quarantine.ended(now))
        return self._settle(())

    def next_deadline(self) -> float | None:
        return self._quarantine.next_end()

    def verdict(self, key: str) -> Verdict | None:
        """What the Service of this key has been told; None: it is unknown."""
        return self._told.get(key)

    def counts(self) -> tuple[PoolCounts, ...]:
        return count_pools(
            self._pools, (verdict for verdict in self._told.values() if isinstance(verdict, Allocation))
        )

    # What has changed

    def _change(
        self, pools: tuple[Pool, ...] | None, put: Iterable[Service], deleted: Iterable[str]
    ) -> list[Service]:
        """Take note; Services to be looked at anew, with what they had kept where it is right."""
        for key in deleted:
            self._forget(key)
        if pools is not None and pools != self._pools:
            for service in put:
                self._services[service.key] = service
                self._shown.setdefault(service.key, set(service.held_addresses))
            return self._begin_anew(pools)
        changed = [service for service in put if self._is_news(service)]
        for service in sorted(changed, key=served_first):
            self._consider(service)
        return changed

    def _is_news(self, service: Service) -> bool:
        """Its status aside, which we have written ourselves."""
        known = self._services.get(service.key)
        return known is None or replace(service, held_addresses=known.held_addresses) != known

    def _consider(self, service: Service) -> None:
        """Keep what the Service has, if it is right for this version of it."""
        known = self._services.get(service.key)
        self._services[service.key] = service
        if known is None:
            self._shown[service.key] = set(service.held_addresses)
            if not self._ledger.keep(service, service.held_addresses):
                self._linger(service, service.held_addresses)
            return
        self._unlist(known)
        had = self._ledger.choice(service.key)
        if had is not None and not self._ledger.renew(known, service):
            self._linger(known, had.addresses)

    def _begin_anew(self, pools: tuple[Pool, ...]) -> list[Service]:
        """Other pools: everybody keeps what is still right, in the order of age.

        Who has nothing may have back what it is still seen with, but not before all others have what is theirs.
        """
        before = {key: verdict for key, verdict in self._told.items() if isinstance(verdict, Allocation)}
        lost: list[tuple[Service, Iterable[IpAddress]]] = [
            (service, [address])
            for versions in (*self._lingering.values(), *self._unbooked.values())
            for address, service in versions.items()
        ]
        self._pools, self._lingering, self._unbooked, self._waiting = pools, {}, {}, []
        self._ledger = Ledger(Space(pools, self._quarantine), self._let_go)
        services = sorted(self._services.values(), key=served_first)
        self._ledger.space.has_room = True
        without = [one for one in services if one.key in self._told and one.key not in before]
        for service in services:
            had = before.get(service.key)
            if had is None and service.key in self._told:
                continue
            held = had.addresses if had is not None else service.held_addresses
            if not self._ledger.keep(service, held):
                lost.append((service, held))
        for service, addresses in lost:
            self._linger(service, addresses)
        for service in without:
            self._ledger.keep(service, self._seen_with(service))
        return services

    def _seen_with(self, service: Service) -> tuple[IpAddress, ...]:
        """What a Service that has nothing may still be seen with: what it was first seen with may be another's by now."""
        shown = self._shown.get(service.key, set[IpAddress]())
        return service.held_addresses if shown.issuperset(service.held_addresses) else ()

    def _forget(self, key: str) -> None:
        service = self._services.pop(key, None)
        if service is None:
            return
        self._unlist(service)
        self._shown.pop(key, None)
        self._told.pop(key, None)
        self._end_lingering(key, keep=set())
        self._ledger.give_up(service)

    # Addresses that a status still shows

    def _let_go(self, service: Service, addresses: Iterable[IpAddress]) -> None:
        self._linger(service, addresses)
        self._book_unbooked()

    def _linger(self, service: Service, addresses: Iterable[IpAddress]) -> None:
        """Go on booking what is shown, but is not the Service's any more, so that nobody else gets it."""
        shown = self._shown.get(service.key, set()) & set(addresses) - self._own(service.key)
        booked = self._ledger.space.linger(service, shown)
        _note(self._lingering, service, booked)
        _note(self._unbooked, service, shown - booked)

    def _book_unbooked(self) -> None:
        """Before anybody is served: what others have given back meanwhile."""
        unbooked, self._unbooked = self._unbooked, {}
        for versions in unbooked.values():
            for address, service in versions.items():
                self._linger(service, [address])

    def _end_lingering(self, key: str, keep: set[IpAddress]) -> None:
        """What is not shown any more is free, or open to newcomers."""
        own, space = self._own(key), self._ledger.space
        for address, service in _drop(self._lingering, key, keep).items():
            if address not in own:
                space.release(service, [address])
        for address, service in _drop(self._unbooked, key, keep).items():
            space.end_lingering(service, address)

    def _own(self, key: str) -> set[IpAddress]:
        choice = self._ledger.choice(key)
        return set(choice.addresses) if choice is not None else set()

    def _note_written(self, key: str, addresses: tuple[IpAddress, ...]) -> None:
        if key not in self._services:
            return
        verdict = self._told.get(key)
        decided = set(verdict.addresses) if isinstance(verdict, Allocation) else set[IpAddress]()
        # What was decided meanwhile may be on its way.
        self._shown[key] = set(addresses) | decided
        self._end_lingering(key, self._shown[key])

    # Serving

    def _settle(self, changed: Iterable[Service]) -> list[Effect]:
        """Serve those that have changed, and those that wait if there is anything new to have."""
        to_serve = {service.key: service for service in changed}
        effects: list[Effect] = []
        for _ in range(_ROUNDS_MAX):
            self._book_unbooked()
            if self._ledger.space.has_room:
                self._ledger.space.has_room = False
                to_serve |= {key: self._services[key] for _, key in self._waiting}
            if not to_serve:
                break
            ordered = sorted(to_serve.values(), key=served_first)
            self._ledger.settle(ordered)
            told = [effect for service in ordered for effect in self._tell(service)]
            effects += told
            to_serve = {}
            if not told:
                self._ledger.space.has_room = False
        return effects

    def _tell(self, service: Service) -> list[Effect]:
        key = service.key
        self._unlist(service)
        if not self._ledger.is_content(service):
            insort(self._waiting, (served_first(service), key))
        verdict, before = self._ledger.verdict(service), self._told.get(key)
        if isinstance(verdict, Allocation):
            # What it has again is booked as its own.
            for address in verdict.addresses:
                self._lingering.get(key, {}).pop(address, None)
        if before is not None and _essence(before) == _essence(verdict):
            self._told[key] = verdict
            return []
        self._told[key] = verdict
        if isinstance(verdict, Allocation):
            self._shown[key] |= set(verdict.addresses)
        return [WriteStatus(verdict)]

    def _unlist(self, service: Service) -> None:
        entry = (served_first(service), service.key)
        index = bisect_left(self._waiting, entry)
        if self._waiting[index : index + 1] == [entry]:
            del self._waiting[index]


def _note(table: _Versions, service: Service, addresses: Collection[IpAddress]) -> None:
    if addresses:
        table.setdefault(service.key, {}).update(dict.fromkeys(addresses, service))


def _drop(table: _Versions, key: str, keep: Collection[IpAddress]) -> dict[IpAddress, Service]:
    """All but what is to keep; what it was."""
    versions = table.pop(key, {})
    if still := {address: service for address, service in versions.items() if address in keep}:
        table[key] = still
    return {address: service for address, service in versions.items() if address not in keep}


def _essence(verdict: Verdict) -> tuple[object, ...]:
    """What is written: a Service may have changed in ways that nobody sees here."""
    if isinstance(verdict, Allocation):
        return (verdict.addresses, verdict.pool, verdict.reason)
    return (verdict.reason,)
