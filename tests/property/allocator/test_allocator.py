"""The allocator in a world where objects change in any order, writes fail, and the controller restarts."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import combinations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from swimlb.allocator import allocate
from swimlb.allocator.allocator import Allocator, Effect, StatusWritten, WorldChanged
from swimlb.model import (
    Allocation,
    Configuration,
    FamilyPolicy,
    IpAddress,
    IpFamily,
    Pending,
    Pool,
    Service,
    family_of,
)
from tests.property.allocator.test_allocate import V4, V6, may_share, pools, services

QUARANTINE = 10.0


class Controller(RuleBasedStateMachine):
    """The API server as the truth, an allocator that may die, and a writer that may fail."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.pools: tuple[Pool, ...] = ()
        self.objects: dict[str, Service] = {}
        self.quarantine: float | None = None
        self.unwritten: dict[str, tuple[IpAddress, ...]] = {}
        self.shown_as: dict[str, Service] = {}
        """The version of a Service for which its status was written."""
        self.given: dict[str, set[IpAddress]] = {}
        self.told: defaultdict[str, set[IpAddress]] = defaultdict(set)
        """Since the status was written: it may show any of these by now."""
        self.allocator = Allocator(None)

    # The world

    @initialize(pools=pools(), given=services(), quarantine=st.sampled_from([None, QUARANTINE]))
    def begin(self, pools: tuple[Pool, ...], given: tuple[Service, ...], quarantine: float | None) -> None:
        self.pools, self.quarantine = pools, quarantine
        clean = allocate(Configuration(pools=pools, services=given)).allocations
        held = {one.service.key: one.addresses for one in clean}
        self.objects = {one.key: replace(one, held_addresses=held.get(one.key, ())) for one in given}
        self.restart()

    def restart(self) -> None:
        """All that is left of the controller is what the objects show."""
        self.allocator = Allocator(self.quarantine)
        self.unwritten = {}
        self.given = {key: set(one.held_addresses) for key, one in self.objects.items()}
        self.told.clear()
        self.shown_as = dict(self.objects)
        self.take(self.allocator.step(WorldChanged(self.pools, tuple(self.objects.values())), self.now))

    def take(self, effects: list[Effect]) -> None:
        were_leaving, joined = self.leaving(), set[IpAddress]()
        for effect in effects:
            verdict = effect.verdict
            addresses = verdict.addresses if isinstance(verdict, Allocation) else ()
            for address in set(addresses) - self.given.get(verdict.service.key, set()):
                self.must_not_be_shown(address, verdict.service)
                held = self.objects[verdict.service.key].held_addresses
                if address not in {*held, *self.told[verdict.service.key]}:
                    joined.add(address)
            self.given[verdict.service.key] = set(addresses)
            self.told[verdict.service.key] |= set(addresses)
            self.unwritten[verdict.service.key] = addresses
        for key, address in were_leaving & self.leaving():
            assert address not in joined, f"nobody new joins {key}, which is leaving"

    def leaving(self) -> set[tuple[str, IpAddress]]:
        """Who is still seen with what it was told to have no more."""
        return {
            (key, address)
            for key, one in self.objects.items()
            for address in set(one.held_addresses) - self.given.get(key, set())
        }

    def must_not_be_shown(self, address: IpAddress, receiver: Service) -> None:
        """Also while writes are late or fail, an address that the status of one Service shows is given to no stranger."""
        for key, one in self.objects.items():
            if key != receiver.key and address in one.held_addresses:
                assert may_share(one, receiver) or may_share(self.shown_as[key], receiver), (key, address)

    @rule()
    def the_controller_dies(self) -> None:
        self.restart()

    @rule(data=st.data())
    @precondition(lambda self: self.unwritten)
    def a_status_is_written(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.unwritten)))
        addresses = self.unwritten.pop(key)
        self.objects[key] = replace(self.objects[key], held_addresses=addresses)
        self.shown_as[key] = self.objects[key]
        self.told[key] = set(addresses)
        self.take(self.allocator.step(StatusWritten(key, addresses), self.now))

    @rule(given=services())
    def services_appear_or_change(self, given: tuple[Service, ...]) -> None:
        """A change of the object leaves its status alone; what is new may show what somebody else has written."""
        put: list[Service] = []
        for one in given:
            known = self.objects.get(one.key, one)
            put.append(replace(one, held_addresses=known.held_addresses))
            self.shown_as.setdefault(one.key, put[-1])
            self.given.setdefault(one.key, set(one.held_addresses))
        self.objects |= {one.key: one for one in put}
        self.take(self.allocator.step(WorldChanged(put=tuple(put)), self.now))

    @rule(data=st.data(), families=st.sampled_from([(V4,), (V6,), (V4, V6), (V6, V4)]))
    @precondition(lambda self: self.objects)
    def a_service_changes_its_families(self, data: st.DataObject, families: tuple[IpFamily, ...]) -> None:
        """An address of a family that stays is kept, unless it is asked to be another or both are required."""
        one = self.objects[data.draw(st.sampled_from(sorted(self.objects)))]
        policy = FamilyPolicy.SINGLE_STACK if len(families) == 1 else FamilyPolicy.PREFER_DUAL_STACK
        self.objects[one.key] = replace(one, families=families, family_policy=policy)
        before = self.given[one.key]
        self.take(self.allocator.step(WorldChanged(put=(self.objects[one.key],)), self.now))

        if not (one.requested_addresses or one.requested_pool):
            assert self.given[one.key] >= {address for address in before if family_of(address) in families}

    @rule(data=st.data())
    @precondition(lambda self: self.objects)
    def a_service_goes(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.objects)))
        del self.objects[key]
        for table in (self.unwritten, self.shown_as, self.given, self.told):
            table.pop(key, None)
        self.take(self.allocator.step(WorldChanged(deleted=(key,)), self.now))

    @rule(data=st.data())
    @precondition(lambda self: self.objects)
    def an_old_echo_arrives(self, data: st.DataObject) -> None:
        """A watch event of what the allocator wrote, or had written, before."""
        one = data.draw(st.sampled_from(sorted(self.objects.values(), key=lambda each: each.key)))
        self.take(self.allocator.step(WorldChanged(put=(one,)), self.now))

    @rule(pools=pools())
    def pools_change(self, pools: tuple[Pool, ...]) -> None:
        self.pools = pools
        self.take(self.allocator.step(WorldChanged(pools), self.now))

    @rule(seconds=st.sampled_from([1.0, QUARANTINE / 2, QUARANTINE]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        deadline = self.allocator.next_deadline()
        if deadline is not None and deadline <= self.now:
            self.take(self.allocator.advance(self.now))

    # What must hold

    @invariant()
    def every_service_has_addresses_or_a_reason(self) -> None:
        for key in self.objects:
            verdict = self.allocator.verdict(key)
            assert verdict is not None
            assert isinstance(verdict, Allocation) or verdict.reason

    @invariant()
    def nobody_has_what_another_may_not_share(self) -> None:
        users: defaultdict[IpAddress, list[Service]] = defaultdict(list)
        for key in self.objects:
            verdict = self.allocator.verdict(key)
            assert verdict is not None
            for address in verdict.addresses if isinstance(verdict, Allocation) else ():
                users[address].append(verdict.service)
        for sharers in users.values():
            assert all(may_share(one, other) for one, other in combinations(sharers, 2))

    @invariant()
    def the_books_say_who_has_an_address_and_who_is_leaving_it(self) -> None:
        """Whatever pool it is in by now, and whoever shares it."""
        having, leaving = defaultdict[IpAddress, set[str]](set), defaultdict[IpAddress, set[str]](set)
        space = self.allocator._ledger.space
        for key in self.objects:
            if isinstance(verdict := self.allocator.verdict(key), Allocation):
                assert {space.pool_of(address) for address in verdict.addresses} == {
                    space.by_name[verdict.pool]
                }
                for address in verdict.addresses:
                    having[address].add(key)
        for table, books in ((self.allocator._lingering, having), (self.allocator._unbooked, leaving)):
            for key, versions in table.items():
                for address in versions:
                    books[address].add(key)
                    leaving[address].add(key)
        uses = space.usage._uses
        used = defaultdict[tuple[str, str], Counter[IpAddress]](Counter)
        for address, use in uses.items():
            assert use.ports.keys() == {port for one in use.services.values() for port in one.ports}
            if (pool := space.pool_of(address)) is not None and pool.pool.quota_per_namespace is not None:
                for one in use.services.values():
                    used[pool.pool.name, one.namespace][address] += 1

        assert {address: set(use.services) for address, use in uses.items()} == having
        assert {address: use.leaving for address, use in uses.items() if use.leaving} == leaving
        assert used == {
            (name, namespace): addresses
            for name, pool in space.by_name.items()
            for namespace, addresses in pool._shares.items()
            if addresses
        }

    @invariant()
    def who_waits_can_have_nothing(self) -> None:
        """Whoever has something to have was looked at when it came to be."""
        self.allocator._ledger.space.has_room = True

        for effect in self.allocator._settle(()):
            verdict = effect.verdict
            addresses = verdict.addresses if isinstance(verdict, Allocation) else ()
            assert set(addresses) == self.given[verdict.service.key], "not only another reason"

    @invariant()
    def the_whole_allocation_would_change_nothing(self) -> None:
        """With nothing on its way and nobody in quarantine, it is a fixed point of `allocate`."""
        if self.unwritten or self.allocator.next_deadline() is not None:
            return
        result = allocate(Configuration(pools=self.pools, services=tuple(self.objects.values())))

        for one in result.allocations:
            verdict = self.allocator.verdict(one.service.key)
            assert isinstance(verdict, Allocation)
            assert (verdict.addresses, verdict.pool) == (one.addresses, one.pool)
        for one in result.pending:
            assert isinstance(self.allocator.verdict(one.service.key), Pending)


Controller.TestCase.settings = settings(stateful_step_count=30)
TestController = Controller.TestCase
