"""The allocator that follows a changing world: what is kept, what lingers, what is kept from strangers."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from swimlb.allocator import Allocator, StatusWritten, WorldChanged, WriteStatus
from swimlb.allocator.allocator import QUARANTINE
from swimlb.allocator.ledger import Ledger
from swimlb.allocator.pools import PoolSpace, Space
from swimlb.allocator.quarantine import Quarantine
from swimlb.allocator.usage import Usage
from swimlb.model import Allocation, FamilyPolicy, IpAddress, IpFamily, Pool, Service, ServiceAllocation
from tests.unit.swimlb.allocator.test_allocate import PREFER, REQUIRE, dual, pool, service

SMALL = pool("small", "192.0.2.0/31")
FIRST, SECOND = ip_address("192.0.2.0"), ip_address("192.0.2.1")


def started(
    *services: Service, pools: tuple[Pool, ...] = (SMALL,), quarantine: float | None = None
) -> Allocator:
    """Everybody has been told, and every status is written."""
    allocator = Allocator(quarantine)
    for effect in allocator.step(WorldChanged(pools, services), 0.0):
        written(allocator, effect)
    return allocator


def written(allocator: Allocator, effect: WriteStatus, now: float = 0.0) -> list[WriteStatus]:
    return allocator.step(StatusWritten(effect.verdict.service.key, told(effect)), now)


def told(effect: WriteStatus) -> tuple[IpAddress, ...]:
    verdict = effect.verdict
    return verdict.addresses if isinstance(verdict, Allocation) else ()


def names(effects: list[WriteStatus]) -> dict[str, tuple[IpAddress, ...]]:
    return {effect.verdict.service.name: told(effect) for effect in effects}


def test_those_who_hold_are_served_before_the_older_ones() -> None:
    allocator = Allocator(None)

    effects = allocator.step(
        WorldChanged(
            (SMALL,), (service("old", created="1"), service("new", created="2", held_addresses=str(FIRST)))
        ),
        0.0,
    )

    assert names(effects) == {"old": (SECOND,), "new": (FIRST,)}


def test_an_echo_of_what_was_written_changes_nothing() -> None:
    """Also an old one, from before the last decision."""
    allocator = started(service("web"))

    assert allocator.step(WorldChanged(put=(service("web", held_addresses=str(SECOND)),)), 1.0) == []
    assert allocator.step(WorldChanged(put=(service("web"),)), 1.0) == []


def test_who_waits_is_served_when_something_becomes_free() -> None:
    """The oldest first."""
    allocator = started(
        service("a"), service("b"), service("late", created="2"), service("early", created="1")
    )

    assert names(allocator.step(WorldChanged(deleted=("default/a",)), 1.0)) == {"early": (FIRST,)}
    assert names(allocator.step(WorldChanged(deleted=("default/b",)), 2.0)) == {"late": (SECOND,)}


def test_a_move_frees_the_old_address_when_it_is_written() -> None:
    """What a status still shows is given to nobody."""
    other = pool("other", "198.51.100.0/32")
    allocator = started(service("web"), pools=(pool("one", "192.0.2.0/32"), other))
    (before,) = allocator.counts()[:1]
    moved = replace(service("web"), requested_pool="other")

    (move,) = allocator.step(WorldChanged(put=(moved,)), 1.0)
    (refused,) = allocator.step(WorldChanged(put=(service("next", requested_pool="one"),)), 2.0)
    after = written(allocator, move, 3.0)

    assert before.assigned_ipv4 == 1
    assert told(move) == (ip_address("198.51.100.0"),)
    assert told(refused) == ()
    assert names(after) == {"next": (FIRST,)}


def test_an_address_is_kept_from_strangers_for_a_while() -> None:
    """Whoever had it may have it back, and so may who asks for it by name."""
    allocator = started(service("web"), pools=(pool("one", "192.0.2.0/32"),), quarantine=QUARANTINE)
    allocator.step(WorldChanged(deleted=("default/web",)), 10.0)

    (stranger,) = allocator.step(WorldChanged(put=(service("stranger"),)), 20.0)
    assert told(stranger) == ()
    assert allocator.next_deadline() == 10.0 + QUARANTINE

    assert names(allocator.advance(10.0 + QUARANTINE)) == {"stranger": (FIRST,)}


def test_the_same_service_gets_its_address_back_in_the_meantime() -> None:
    allocator = started(service("web"), pools=(pool("one", "192.0.2.0/32"),), quarantine=QUARANTINE)
    allocator.step(WorldChanged(deleted=("default/web",)), 10.0)

    assert names(allocator.step(WorldChanged(put=(service("web"),)), 11.0)) == {"web": (FIRST,)}


def test_who_asks_for_the_very_address_need_not_wait() -> None:
    allocator = started(service("web"), pools=(pool("one", "192.0.2.0/32"),), quarantine=QUARANTINE)
    allocator.step(WorldChanged(deleted=("default/web",)), 10.0)
    asking = service("successor", requested_addresses=str(FIRST))

    assert names(allocator.step(WorldChanged(put=(asking,)), 11.0)) == {"successor": (FIRST,)}


def test_a_pool_that_shrinks_moves_whom_it_must() -> None:
    allocator = started(service("a"), service("b"), pools=(pool("p", "192.0.2.0/31"),))

    effects = allocator.step(WorldChanged((pool("p", "192.0.2.1-192.0.2.2"),)), 1.0)

    assert names(effects) == {"a": (ip_address("192.0.2.2"),)}


def test_what_is_left_of_its_addresses_may_be_its_own_again() -> None:
    """Its pool has lost a family: the address of the other one is still shown, but that is by itself."""
    allocator = started(dual("web", PREFER), pools=(pool("both", "192.0.2.0/31", "2001:db8::/127"),))

    effects = allocator.step(WorldChanged((SMALL,)), 1.0)

    assert names(effects) == {"web": (FIRST,)}


@pytest.mark.parametrize("quarantine", [None, QUARANTINE])
def test_what_its_pool_avoids_now_is_not_its_own_again(quarantine: float | None) -> None:
    allocator = started(service("web"), quarantine=quarantine)

    effects = allocator.step(WorldChanged((replace(SMALL, avoid_buggy_ips=True),)), 1.0)
    assert names(effects) == {"web": (SECOND,)}
    written(allocator, effects[0], 1.0)
    allocator.step(WorldChanged(deleted=("default/web",)), 2.0)

    assert names(allocator.step(WorldChanged(put=(service("web"),)), 3.0)) == {"web": (SECOND,)}


def test_what_others_share_is_left_to_them_by_who_may_not_any_more() -> None:
    """What a Service is giving up is its own only where it may have it."""
    one = pool("one", "192.0.2.0/32")
    allocator = started(service("a", 80, sharing_key="k"), service("b", 81, sharing_key="k"), pools=(one,))

    effects = allocator.step(WorldChanged(put=(service("b", 81),)), 1.0)

    assert names(effects) == {"b": ()}


def sharers_of_whom_one_is_leaving() -> Allocator:
    """ "leaves" and "stays" share the first address; the one asks for the other now, which nobody has written yet."""
    leaves = service("leaves", 80, sharing_key="k", held_addresses=str(FIRST))
    stays = service("stays", 53, sharing_key="k", held_addresses=str(FIRST))
    allocator = started(leaves, stays, pools=(pool("some", "192.0.2.0/30"),))
    moved = allocator.step(WorldChanged(put=(replace(leaves, sharing_key=None),)), 1.0)
    assert names(moved) == {"leaves": (SECOND,)}
    return allocator


def test_who_shares_with_one_that_is_leaving_keeps_its_address() -> None:
    """Whatever else changes about it: nobody new may join, and it is not new."""
    allocator = sharers_of_whom_one_is_leaving()

    changed = service("stays", 53, sharing_key="k", held_addresses=str(FIRST), labels=(("a", "b"),))
    assert allocator.step(WorldChanged(put=(changed,)), 2.0) == []


def test_who_shares_with_one_that_is_leaving_may_have_another_address_beside() -> None:
    """It asks by name for what it shares already, and for another address of the other family: it is not new there."""
    six, other_six = ip_address("2001:db8::"), ip_address("2001:db8::1")
    leaves = service("leaves", 80, sharing_key="k", held_addresses=str(FIRST))
    stays = replace(dual("stays", REQUIRE, sharing_key="k", held_addresses=f"{FIRST},{six}"), ports=())
    allocator = started(leaves, stays, pools=(pool("p", "192.0.2.0/31", "2001:db8::/127"),))
    assert names(allocator.step(WorldChanged(put=(replace(leaves, sharing_key=None),)), 1.0)) == {
        "leaves": (SECOND,)
    }

    asking = replace(stays, requested_addresses=(FIRST, other_six))
    assert names(allocator.step(WorldChanged(put=(asking,)), 2.0)) == {"stays": (FIRST, other_six)}


def test_what_two_are_leaving_is_no_stranger_s_before_both_are_written() -> None:
    """Nor does the first of them have it back, when it would not share it any more."""
    allocator = sharers_of_whom_one_is_leaving()

    stays = service("stays", 53, held_addresses=str(FIRST), requested_addresses="192.0.2.3")
    leaves = service("leaves", 80, held_addresses=str(FIRST), requested_addresses=str(FIRST))
    (moved,) = allocator.step(WorldChanged(put=(stays,)), 2.0)
    refused = allocator.step(WorldChanged(put=(leaves,)), 2.0)
    given = written(allocator, moved, 3.0)

    assert names([moved]) == {"stays": (ip_address("192.0.2.3"),)}
    assert names(refused) == {"leaves": (SECOND,)}
    assert names(given) == {"leaves": (FIRST,)}


def test_what_a_stranger_has_and_gives_back_is_kept_for_whom_it_is_shown() -> None:
    """After a restart two statuses show one address, which is the older one's alone, and then nobody's."""
    allocator = Allocator(None)
    older = service("a", 80, held_addresses=str(FIRST))
    other = service("b", 53, sharing_key="k", held_addresses=str(FIRST))
    begun = allocator.step(WorldChanged((SMALL,), (older, other, service("waits"))), 0.0)
    assert names(begun) == {"a": (FIRST,), "b": (SECOND,), "waits": ()}

    assert allocator.step(WorldChanged(deleted=(older.key,)), 1.0) == []
    assert names(allocator.step(StatusWritten(other.key, (SECOND,)), 2.0)) == {"waits": (FIRST,)}


def test_nobody_joins_where_a_stranger_is_still_shown() -> None:
    """Its port has become another's, and may be the newcomer's as well; when it is not shown any more, who waits joins."""
    allocator = Allocator(None)
    older = service("a", 80, sharing_key="k", held_addresses=str(FIRST))
    other = service("b", 80, 53, sharing_key="k", held_addresses=str(FIRST))
    begun = allocator.step(WorldChanged((SMALL,), (older, other)), 0.0)
    assert names(begun) == {"a": (FIRST,), "b": (SECOND,)}

    newcomer = allocator.step(WorldChanged(put=(service("c", 53, sharing_key="k"),)), 1.0)
    assert names(newcomer) == {"c": ()}
    assert names(allocator.step(StatusWritten(other.key, (SECOND,)), 2.0)) == {"c": (FIRST,)}


def test_nobody_takes_back_what_a_stranger_is_still_shown_with() -> None:
    """Both are seen with it; but that only one will be is not so before the other's status is written."""
    third = ip_address("192.0.2.2")
    allocator = Allocator(None)
    ours, stranger = service("a", held_addresses=str(FIRST)), service("b", held_addresses=str(FIRST))
    allocator.step(WorldChanged((pool("some", "192.0.2.0/30"),), (ours, stranger)), 0.0)

    moved = allocator.step(WorldChanged(put=(replace(ours, requested_addresses=(third,)),)), 1.0)
    refused = allocator.step(WorldChanged(put=(replace(ours, requested_addresses=(FIRST,)),)), 2.0)
    assert (names(moved), names(refused)) == ({"a": (third,)}, {"a": (third,)})
    assert names(allocator.step(StatusWritten(stranger.key, (SECOND,)), 3.0)) == {"a": (FIRST,)}


def test_what_is_still_shown_is_booked_for_the_version_that_had_it() -> None:
    """Also when another version gives up another address: its port is nobody else's until the status is written."""
    allocator = sharers_of_whom_one_is_leaving()
    third, fourth = ip_address("192.0.2.2"), ip_address("192.0.2.3")
    leaves = service("leaves", 80, held_addresses=str(FIRST), requested_addresses=str(third))
    assert names(allocator.step(WorldChanged(put=(leaves,)), 2.0)) == {"leaves": (third,)}
    allocator.step(WorldChanged((pool("some", "192.0.2.0/29"),)), 3.0)

    stays = service("stays", 80, sharing_key="k", held_addresses=str(FIRST))
    assert names(allocator.step(WorldChanged(put=(stays,)), 4.0)) == {"stays": (fourth,)}


BOTH = pool("both", "192.0.2.0-192.0.2.3", "2001:db8::-2001:db8::3")
LAST, LAST_OF_SIX = ip_address("192.0.2.3"), ip_address("2001:db8::3")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (dual("web", PREFER, held_addresses=f"{LAST},{LAST_OF_SIX}"), service("web"), (LAST,)),
        (
            dual("web", REQUIRE, held_addresses=f"{LAST},{LAST_OF_SIX}"),
            service("web", families=(IpFamily.IPV6,)),
            (LAST_OF_SIX,),
        ),
        (
            service("web", held_addresses=str(LAST)),
            dual("web", REQUIRE),
            (LAST, ip_address("2001:db8::")),
        ),
        (
            service("web", families=(IpFamily.IPV6,), held_addresses=str(LAST_OF_SIX)),
            dual("web", REQUIRE),
            (FIRST, LAST_OF_SIX),
        ),
    ],
)
def test_the_family_that_stays_keeps_its_address(
    before: Service, after: Service, expected: tuple[IpAddress, ...]
) -> None:
    """Though lower ones are free, and another pool comes first in order; what it lacks is of the same pool."""
    earlier = pool("a", "198.51.100.0/30", "2001:db8::8/126")
    allocator = started(before, pools=(earlier, BOTH))

    assert names(allocator.step(WorldChanged(put=(after,)), 1.0)) == {"web": expected}


def test_the_family_that_goes_is_no_stranger_s_before_that_is_written() -> None:
    web = dual("web", REQUIRE)
    allocator = started(web, pools=(pool("p", "192.0.2.0/31", "2001:db8::/128"),))
    (fewer,) = allocator.step(WorldChanged(put=(service("web"),)), 1.0)
    (barred,) = allocator.step(WorldChanged(put=(service("six", families=(IpFamily.IPV6,)),)), 2.0)

    assert (told(fewer), told(barred)) == ((FIRST,), ())
    assert names(written(allocator, fewer, 3.0)) == {"six": (ip_address("2001:db8::"),)}


def test_a_second_family_is_added_when_it_becomes_free() -> None:
    allocator = started(
        service("other", families=dual("x", PREFER).families[1:]),
        dual("web", PREFER, created="2"),
        pools=(pool("p", "192.0.2.0/31", "2001:db8::/128"),),
    )

    effects = allocator.step(WorldChanged(deleted=("default/other",)), 1.0)

    assert names(effects) == {"web": (FIRST, ip_address("2001:db8::"))}


def test_a_namespace_takes_no_more_than_its_quota() -> None:
    """It says so in the reason; other namespaces go on, and what it has already stays when the quota sinks."""
    limited = pool("p", "192.0.2.0/29", quota_per_namespace=1)
    allocator = started(service("a"), service("b"), service("c", namespace="other"), pools=(limited,))
    refused = allocator.verdict("default/b")

    assert refused is not None
    assert "gives namespace default no more than 1 addresses" in refused.reason
    assert isinstance(allocator.verdict("other/c"), Allocation)
    assert names(allocator.step(WorldChanged(deleted=("default/a",)), 1.0)) == {"b": (FIRST,)}


def test_at_the_end_of_its_quota_a_namespace_shares_what_it_has() -> None:
    """Though a lower address is free, and a lower one of another namespace might be shared, which would count."""
    limited = pool("p", "192.0.2.0/29", quota_per_namespace=1)
    theirs = service("theirs", 80, namespace="other", sharing_key="k", held_addresses=str(SECOND))
    ours = service("ours", 80, sharing_key="k", held_addresses="192.0.2.2")
    allocator = started(theirs, ours, pools=(limited,))

    effects = allocator.step(WorldChanged(put=(service("web", 53, sharing_key="k"), service("alone"))), 1.0)

    assert names(effects) == {"web": (ip_address("192.0.2.2"),), "alone": ()}


@pytest.mark.parametrize(
    ("quota", "policy", "expected"),
    [
        (2, PREFER, "192.0.2.2 2001:db8::2"),
        (2, REQUIRE, "192.0.2.2 2001:db8::2"),
        (3, REQUIRE, "192.0.2.2 2001:db8::"),
        (4, REQUIRE, "192.0.2.0 2001:db8::"),
    ],
)
def test_of_two_families_as_many_are_shared_as_the_quota_needs(
    quota: int, policy: FamilyPolicy, expected: str
) -> None:
    limited = pool("p", "192.0.2.0/29", "2001:db8::/125", quota_per_namespace=quota)
    ours = dual("ours", REQUIRE, sharing_key="k", held_addresses="192.0.2.2,2001:db8::2")
    allocator = started(ours, pools=(limited,))

    web = replace(dual("web", policy, sharing_key="k"), ports=())
    effects = allocator.step(WorldChanged(put=(web,)), 1.0)

    assert names(effects) == {"web": tuple(map(ip_address, expected.split()))}


def test_a_second_family_is_shared_at_the_end_of_the_quota() -> None:
    limited = pool("p", "192.0.2.0/29", "2001:db8::/125", quota_per_namespace=2)
    six = service("six", 80, families=(IpFamily.IPV6,), sharing_key="k", held_addresses="2001:db8::2")
    four = service("four", 53, sharing_key="k", held_addresses=str(SECOND))
    allocator = started(six, four, pools=(limited,))

    both = replace(four, families=tuple(IpFamily), family_policy=PREFER)
    assert names(allocator.step(WorldChanged(put=(both,)), 1.0)) == {
        "four": (SECOND, ip_address("2001:db8::2"))
    }


class CountingUsage(Usage):
    asked = 0

    def is_free(self, address: IpAddress) -> bool:
        self.asked += 1
        return super().is_free(address)


def test_finding_an_address_costs_no_more_in_a_full_pool() -> None:
    """Addresses looked at while 50 Services go and others come, counted."""
    looked_at: list[int] = []
    for count in (100, 5000):
        usage = CountingUsage()
        space = PoolSpace(pool("p", "10.0.0.0/16"), usage, Quarantine(None))
        taken = [take_one(space, usage) for _ in range(count)]
        usage.asked = 0
        for address in taken[:50]:
            usage.release(service("web"), address)
            space.reopen(address)
            take_one(space, usage)
        looked_at.append(usage.asked)

    assert looked_at[1] == looked_at[0]


def take_one(space: PoolSpace, usage: Usage) -> IpAddress:
    address = space.first_usable(service("web"), IpFamily.IPV4)
    assert address is not None
    usage.take(service("web"), address)
    return address


def test_who_takes_back_what_it_leaves_counts_once() -> None:
    """Of two families it asks for one, and shares that: one edit, two addresses that it has, for a moment."""
    limited = pool("p", "192.0.2.0/29", "2001:db8::/125", quota_per_namespace=2)
    web = dual("web", FamilyPolicy.REQUIRE_DUAL_STACK)
    allocator = started(web, pools=(limited,))
    shared = replace(web, families=(IpFamily.IPV4,), family_policy=FamilyPolicy.SINGLE_STACK, sharing_key="k")

    for effect in allocator.step(WorldChanged(put=(shared,)), 1.0):
        written(allocator, effect, 1.0)
    allocator.step(WorldChanged(deleted=("default/web",)), 2.0)
    effects = allocator.step(WorldChanged(put=(service("a"), service("b"), service("c"))), 3.0)

    assert {name: len(addresses) for name, addresses in names(effects).items()} == {"a": 1, "b": 1, "c": 0}


def test_what_a_newcomer_s_status_shows_is_given_to_nobody() -> None:
    """Though it may not have that itself: somebody wrote it before us, and speakers announce it until it is written over."""
    pinned = pool(
        "p", "192.0.2.0/30", service_allocation=ServiceAllocation(namespaces=frozenset({"default"}))
    )
    allocator = started(service("first"), pools=(pinned,))

    shown = service("late", namespace="elsewhere", held_addresses=str(SECOND))
    (refusal,) = allocator.step(WorldChanged(put=(shown,)), 1.0)
    beside = allocator.step(WorldChanged(put=(service("second"),)), 2.0)
    written(allocator, refusal, 3.0)
    after = allocator.step(WorldChanged(put=(service("third"),)), 4.0)

    assert told(refusal) == ()
    assert names(beside) == {"second": (ip_address("192.0.2.2"),)}
    assert names(after) == {"third": (SECOND,)}


@pytest.mark.parametrize("quarantine", [None, QUARANTINE])
def test_what_one_was_first_seen_with_is_another_s_by_now(quarantine: float | None) -> None:
    """A pool is for others for a while: who came in between keeps the address when it is for all again."""
    open_to_all = pool("one", "192.0.2.0/32")
    pinned = replace(open_to_all, service_allocation=ServiceAllocation(namespaces=frozenset({"prod"})))
    old = service("old", created="1", held_addresses=str(FIRST))
    allocator = started(old, pools=(open_to_all,), quarantine=quarantine)
    (lost,) = allocator.step(WorldChanged((pinned,)), 1.0)
    written(allocator, lost, 2.0)
    new = service("new", created="2", namespace="prod")
    (given,) = allocator.step(WorldChanged(put=(new,)), 100.0)
    assert told(given) == (FIRST,)
    written(allocator, given, 101.0)

    effects = allocator.step(WorldChanged((open_to_all,)), 200.0)

    assert names(effects).get("new", (FIRST,)) == (FIRST,)
    assert names(effects).get("old", ()) == ()


def test_other_pools_are_no_reason_to_take_back_what_one_is_leaving() -> None:
    """The one that shared it and stays has it, however young it is."""
    leaves = service("leaves", 80, created="1", sharing_key="k", held_addresses=str(FIRST))
    stays = service("stays", 53, created="2", sharing_key="k", held_addresses=str(FIRST))
    one = pool("one", "192.0.2.0/32")
    allocator = started(leaves, stays, pools=(one,))
    assert names(allocator.step(WorldChanged(put=(replace(leaves, sharing_key=None),)), 1.0)) == {
        "leaves": ()
    }

    effects = allocator.step(WorldChanged((one, pool("other", "2001:db8::/127"))), 2.0)
    assert names(effects) == {"leaves": ()}


def test_sharing_keys_that_are_gone_take_no_room() -> None:
    """Nor do quarantines that were ended, however often."""
    allocator = started(pools=(pool("some", "192.0.2.0/24"),), quarantine=QUARANTINE)
    usage, quarantine = allocator._ledger.space.usage, allocator._ledger.space.quarantine
    for number in range(300):
        one = service("one", sharing_key=f"key-{number}")
        allocator.step(WorldChanged(put=(one,)), 1.0)
        allocator.step(WorldChanged(deleted=(one.key,)), 1.0)

    assert (len(usage._shared), len(usage._exhausted)) == (0, 0)
    assert len(quarantine._ends) < 100


def test_a_label_of_one_is_no_room_for_others() -> None:
    """Else all that wait are looked at whenever anything changes."""
    space = Space((SMALL,), Quarantine(None))
    ledger, web = Ledger(space), service("web")
    ledger.settle([web])
    space.has_room = False

    relabelled = replace(web, labels=(("tier", "gold"),))
    assert ledger.renew(web, relabelled)
    assert not space.has_room
    assert ledger.renew(relabelled, replace(relabelled, sharing_key="k"))
    assert space.has_room


class CountingAllocator(Allocator):
    looked_at = 0

    def _tell(self, service: Service) -> list[WriteStatus]:
        self.looked_at += 1
        return super()._tell(service)


def test_who_waits_is_looked_at_only_when_there_is_more_to_have() -> None:
    """However many wait: an edit, a newcomer, an echo, a written status and time that passes cost no more for them."""
    waiting = tuple(service(f"waits-{number}", created="2") for number in range(100))
    allocator = CountingAllocator(QUARANTINE)
    holder = service("holder", created="1")
    begun = allocator.step(WorldChanged((pool("one", "192.0.2.0/32"),), (holder, *waiting)), 0.0)
    allocator.looked_at = 0

    for effect in begun:
        written(allocator, effect, 1.0)
    allocator.step(WorldChanged(put=(replace(holder, labels=(("tier", "gold"),)),)), 2.0)
    allocator.step(WorldChanged(put=(replace(waiting[0], labels=(("tier", "gold"),)),)), 3.0)
    allocator.step(WorldChanged(put=(waiting[1], service("newcomer"))), 4.0)
    allocator.advance(5.0)
    assert allocator.looked_at == 3, "the two that were edited, and the newcomer"

    allocator.step(WorldChanged(deleted=(holder.key,)), 6.0)
    assert allocator.looked_at == 3 + 101


@pytest.mark.parametrize("quarantine", [None, QUARANTINE])
def test_who_takes_back_what_it_was_leaving_may_be_joined_again(quarantine: float | None) -> None:
    """Nothing is free, but who waits for the address may share it."""
    web, waits = service("web", 80, sharing_key="k"), service("waits", 53, sharing_key="k")
    allocator = started(web, pools=(pool("one", "192.0.2.0/32"),), quarantine=quarantine)
    lost = allocator.step(WorldChanged(put=(replace(web, families=(IpFamily.IPV6,)),)), 1.0)
    barred = allocator.step(WorldChanged(put=(waits,)), 2.0)
    assert names(lost + barred) == {"web": (), "waits": ()}

    assert names(allocator.step(WorldChanged(put=(web,)), 3.0)) == {"web": (FIRST,), "waits": (FIRST,)}


def test_who_takes_back_what_it_had_may_be_joined() -> None:
    """Strangers were kept from the address for a while, and are no strangers if they may share it."""
    web, waits = service("web", 80, sharing_key="k"), service("waits", 53, sharing_key="k")
    allocator = started(web, pools=(pool("one", "192.0.2.0/32"),), quarantine=QUARANTINE)
    allocator.step(WorldChanged(deleted=(web.key,)), 1.0)
    assert names(allocator.step(WorldChanged(put=(waits,)), 2.0)) == {"waits": ()}

    assert names(allocator.step(WorldChanged(put=(web,)), 3.0)) == {"web": (FIRST,), "waits": (FIRST,)}


def test_who_comes_with_an_address_beyond_the_quota_may_be_joined() -> None:
    """It keeps what its status shows, which its namespace uses from now on."""
    limited = pool("p", "192.0.2.0/29", quota_per_namespace=1)
    allocator = started(service("first"), service("waits", 53, sharing_key="k"), pools=(limited,))

    comes = service("comes", 80, sharing_key="k", held_addresses=str(SECOND))
    effects = allocator.step(WorldChanged(put=(comes,)), 1.0)
    assert names(effects) == {"comes": (SECOND,), "waits": (SECOND,)}
