from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import ip_address

from swimlb.config import parse_pool_entry
from swimlb.controller import effects as fx
from swimlb.controller import events as ev
from swimlb.controller.core import Controller
from swimlb.controller.records import (
    Condition,
    IngressEntry,
    Look,
    Note,
    NoteType,
    Reason,
    ServiceView,
    ServiceWrite,
)
from swimlb.model import Pool, Protocol, Service, ServicePort

POOL = Pool(name="lab", ranges=(parse_pool_entry("192.0.2.0-192.0.2.1"),))
SINGLE = Pool(name="lab", ranges=(parse_pool_entry("192.0.2.0/32"),))
FIRST, SECOND = ip_address("192.0.2.0"), ip_address("192.0.2.1")
UNTIL = 1000.0


def view(name: str, version: int, *held: str, pool: str | None = None, refusal: str = "") -> ServiceView:
    addresses = tuple(ip_address(address) for address in held)
    return ServiceView(
        key=f"default/{name}",
        uid=f"uid-{name}",
        version=str(version),
        service=Service(
            namespace="default",
            name=name,
            ports=(ServicePort(Protocol.TCP, 80),),
            held_addresses=addresses,
            created=f"2026-01-01T00:00:{ord(name[0]) % 60:02}Z",
        ),
        refusal=refusal,
        ingress=tuple(IngressEntry(address, '{"ipMode":"VIP"}') for address in addresses),
        pool=pool,
    )


def asking(*seen: ServiceView, pools: tuple[Pool, ...] = (POOL,)) -> Controller:
    """Elected, and has not read yet what there is; the watch has told of some before."""
    machine = Controller(random.Random(1), quarantine=None)
    machine.step(ev.ConfigurationChanged(pools=pools), 0.0)
    for one in seen:
        machine.step(ev.ServiceSeen(one), 0.0)
    machine.step(ev.Elected(3, UNTIL, True), 0.0)
    return machine


def leader(
    *views: ServiceView, pools: tuple[Pool, ...] = (POOL,), is_clean: bool = True, has_lost_pool: bool = False
) -> tuple[Controller, list[fx.Effect]]:
    machine = Controller(random.Random(1), quarantine=None)
    machine.step(ev.ConfigurationChanged(pools=pools, has_lost_pool=has_lost_pool), 0.0)
    for one in views:
        assert machine.step(ev.ServiceSeen(one), 0.0) == []
    assert machine.step(ev.Elected(3, UNTIL, is_clean), 0.0) == [fx.ReadWorld(3)]
    return machine, machine.step(ev.WorldRead(3, views), 0.0)


def writes(effects: list[fx.Effect]) -> list[ServiceWrite]:
    return [
        effect.item
        for effect in effects
        if isinstance(effect, fx.Write) and isinstance(effect.item, ServiceWrite)
    ]


def assigned(name: str, version: int, address: str) -> ServiceWrite:
    return ServiceWrite(
        key=f"default/{name}",
        uid=f"uid-{name}",
        version=str(version),
        ingress=(IngressEntry(ip_address(address)),),
        pool="lab",
        condition=Condition(True, Reason.ASSIGNED, f'["{address}"] of pool lab'),
        notes=(Note(NoteType.NORMAL, "IPAllocated", f'Assigned IP ["{address}"]'),),
    )


def after(write: ServiceWrite, seen: ServiceView, version: int) -> ServiceView:
    """The Service once it was written."""
    return replace(
        seen,
        version=str(version),
        ingress=seen.ingress if write.ingress is None else write.ingress,
        pool=write.pool,
        condition=write.condition,
    )


def test_a_follower_writes_nothing() -> None:
    machine = Controller(random.Random(1), quarantine=None)

    effects = [
        *machine.step(ev.ConfigurationChanged(pools=(POOL,)), 0.0),
        *machine.step(ev.ServiceSeen(view("a", 1)), 0.0),
        *machine.advance(100.0),
    ]

    assert effects == []


def test_a_leader_gives_addresses_onto_the_versions_it_has_read() -> None:
    _, effects = leader(view("a", 1), view("b", 2))

    assert writes(effects) == [assigned("a", 1, "192.0.2.0"), assigned("b", 2, "192.0.2.1")]
    assert all(effect.expires == UNTIL for effect in effects if isinstance(effect, fx.Write))


def test_what_metallb_left_is_taken_over_without_a_write() -> None:
    _, effects = leader(view("a", 1, "192.0.2.1", pool="lab"))

    assert effects == [fx.AddressesChanged()]


def test_an_entry_that_stays_keeps_what_others_wrote_into_it() -> None:
    """Only the annotation is amiss."""
    _, effects = leader(view("a", 1, "192.0.2.1", pool="former"))

    (write,) = writes(effects)
    assert write.ingress is None
    assert write.pool == "lab"


def test_people_are_told_once_it_is_written() -> None:
    machine, effects = leader(view("a", 1))
    (write,) = writes(effects)

    told = machine.step(ev.Written(after(write, view("a", 1), 5)), 0.1)

    assert [effect for effect in told if isinstance(effect, fx.Tell)] == [
        fx.Tell("default/a", "uid-a", write.notes)
    ]
    assert writes(told) == []


def test_whoever_gets_none_is_told_why() -> None:
    _, effects = leader(view("a", 1), pools=())

    (write,) = writes(effects)
    assert write.ingress is None
    assert write.condition is not None
    assert not write.condition.is_true
    assert write.condition.message == "no available IPs: there is no address pool"
    assert write.notes == (
        Note(
            NoteType.WARNING,
            "AllocationFailed",
            'Failed to allocate IP for "default/a": no available IPs: there is no address pool',
        ),
    )


def test_after_a_conflict_the_newer_version_is_awaited() -> None:
    machine, _ = leader(view("a", 1))

    waits = machine.step(ev.WriteConflicted("default/a"), 0.1)
    again = machine.step(ev.ServiceSeen(view("a", 7)), 0.2)

    assert waits == []
    assert writes(again) == [assigned("a", 7, "192.0.2.0")]


def test_a_newer_version_that_does_not_come_is_read() -> None:
    machine, _ = leader(view("a", 1))
    machine.step(ev.WriteConflicted("default/a"), 0.1)

    looks = machine.advance(1.2)
    again = machine.step(ev.Written(view("a", 7)), 1.3)

    assert looks == [fx.Write(Look("default/a", "uid-a"), UNTIL)]
    assert writes(again) == [assigned("a", 7, "192.0.2.0")]


def test_an_address_that_may_have_been_written_is_nobody_elses() -> None:
    """The answer was lost, and the Service asks for something else now: nobody knows whether its status shows it."""
    machine, _ = leader(view("a", 1))
    machine.step(ev.WriteFailed("default/a"), 1.0)
    moved = view("a", 1)
    assert moved.service is not None
    other = replace(moved, service=replace(moved.service, requested_addresses=(SECOND,)))
    machine.step(ev.ConfigurationChanged(pools=(POOL,)), 1.1)

    effects = machine.step(ev.ServiceSeen(view("b", 2)), 1.2)
    settled = machine.step(ev.ServiceSeen(replace(other, version="3")), 1.3)

    assert [write for write in writes(effects) if write.key == "default/b"] == [assigned("b", 2, "192.0.2.1")]
    assert all(write.ingress != (IngressEntry(FIRST),) for write in writes(settled))


def test_after_a_crash_all_that_may_change_is_fenced_before_anything_is_given() -> None:
    """A call of the former leader that is still on its way must find another version."""
    served = view("c", 3, "192.0.2.1", pool="lab")
    machine, fencing = leader(view("a", 1), view("b", 2), served, is_clean=False)

    first, second = writes(fencing)
    after_one = machine.step(ev.Written(after(first, view("a", 1), 4)), 0.1)
    after_both = machine.step(ev.Written(after(second, view("b", 2), 5)), 0.2)

    assert [write.condition for write in (first, second)] == [
        Condition(False, Reason.TAKEN_OVER, f"the leader of term 3 takes over from version {version}")
        for version in (1, 2)
    ]
    assert first.ingress is second.ingress is None
    assert writes(after_one) == []
    assert [write.key for write in writes(after_both)] == ["default/a", "default/b"]
    assert writes(after_both)[0].ingress == (IngressEntry(FIRST),)


def test_a_fence_says_something_new_also_when_terms_are_counted_anew() -> None:
    """Where the Lease was deleted. A patch that changes nothing makes no other version, and would be sent for ever."""
    (fence,) = writes(leader(view("a", 1), is_clean=False)[1])
    fenced = after(fence, view("a", 1), 4)

    (again,) = writes(leader(fenced, is_clean=False)[1])

    assert again.condition is not None
    assert again.condition.reason == Reason.TAKEN_OVER
    assert again.condition != fenced.condition


def test_one_that_cannot_be_fenced_keeps_the_others_waiting_for_a_minute_only() -> None:
    """A policy that refuses each write to one Service must not keep addresses from all."""
    machine, fencing = leader(view("a", 1), view("b", 2), is_clean=False)
    refused, fine = writes(fencing)
    machine.step(ev.Written(after(fine, view("b", 2), 4)), 0.1)
    now, told = 0.2, machine.step(ev.WriteRefused("default/a"), 0.2)
    while not any(isinstance(one, fx.Unfenced) for one in told):
        due = machine.next_deadline()
        assert due is not None
        now = due
        assert writes(machine.advance(now)) == [refused]
        told = machine.step(ev.WriteRefused("default/a"), now)

    assert 60.0 <= now < 100.0
    assert fx.Unfenced("default/a") in told
    assert [(write.key, write.ingress) for write in writes(told)] == [
        ("default/b", (IngressEntry(SECOND),)),
    ]
    assert machine.is_ready


def test_whoever_may_have_been_written_stays_in_the_fence() -> None:
    """No answer is no refusal."""
    machine, _ = leader(view("a", 1), is_clean=False)
    machine.step(ev.WriteRefused("default/a"), 0.1)
    machine.advance(40.0)
    machine.step(ev.WriteFailed("default/a"), 40.0)
    machine.advance(80.0)

    machine.step(ev.WriteRefused("default/a"), 80.0)

    assert not machine.is_ready


def test_what_only_the_reading_has_shown_is_looked_at_until_it_is_gone() -> None:
    """It may go before the watch begins to tell of it: then nobody tells that it has gone."""
    ghost = view("a", 1, "192.0.2.0", pool="lab")
    machine = asking(pools=(SINGLE,))
    machine.step(ev.WorldRead(3, (ghost,)), 0.0)
    (waits,) = writes(machine.step(ev.ServiceSeen(view("b", 2)), 0.1))
    machine.step(ev.Written(after(waits, view("b", 2), 3)), 0.2)

    due = machine.next_deadline()
    assert due is not None
    looks = machine.advance(due)
    machine.step(ev.Written(ghost), due)
    again = machine.advance(2 * due)
    given = machine.step(ev.ServiceGone(ghost.key, ghost.uid), 2 * due)

    assert looks == again == [fx.Write(Look(ghost.key, ghost.uid), UNTIL)]
    assert [write.ingress for write in writes(given)] == [(IngressEntry(FIRST),)]


def test_what_the_watch_has_told_of_is_not_looked_at() -> None:
    shown = view("a", 1, "192.0.2.0", pool="lab")
    machine = asking(pools=(SINGLE,))
    machine.step(ev.WorldRead(3, (shown,)), 0.0)

    machine.step(ev.ServiceSeen(shown), 0.1)

    assert machine.advance(100.0) == []
    assert machine.next_deadline() == UNTIL


def test_nothing_is_begun_when_the_lease_is_over_even_if_nobody_told() -> None:
    machine, _ = leader()

    assert machine.step(ev.ServiceSeen(view("a", 1)), UNTIL) == []
    assert not machine.is_ready


def test_a_renewal_that_was_read_a_moment_too_late_begins_the_term_anew() -> None:
    """The election has it that the lease is ours, and tells of nothing else; a term that somebody ended stays so."""
    machine, effects = leader(view("a", 1))
    (first,) = writes(effects)
    served = after(first, view("a", 1), 2)
    machine.step(ev.Written(served), 1.0)

    assert machine.step(ev.Renewed(2 * UNTIL), UNTIL + 0.002) == [fx.ReadWorld(3)]
    (fence,) = writes(machine.step(ev.WorldRead(3, (served, view("b", 3))), UNTIL + 0.1))
    assert machine.step(ev.WorldRead(3, (served, view("b", 3), view("gone", 1))), UNTIL + 0.15) == []
    (given,) = writes(machine.step(ev.Written(after(fence, view("b", 3), 4)), UNTIL + 0.2))
    assert (fence.is_fence, given.ingress) == (True, (IngressEntry(SECOND),))

    machine.step(ev.Deposed(), UNTIL + 1.0)
    assert machine.step(ev.Renewed(9 * UNTIL), UNTIL + 1.1) == []


def test_an_address_of_a_pool_that_could_not_be_read_is_kept() -> None:
    """After a restart the last good version is not known: a bad edit must not move anybody."""
    stays = view("a", 1, "198.51.100.7", pool="broken")
    machine, effects = leader(stays, has_lost_pool=True)
    (write,) = writes(effects)
    mended = Pool(name="broken", ranges=(parse_pool_entry("198.51.100.0/24"),))

    machine.step(ev.Written(after(write, stays, 2)), 0.1)
    again = machine.step(ev.ConfigurationChanged(pools=(POOL, mended)), 0.2)

    assert write.ingress is None
    assert write.pool == "broken"
    assert write.condition is not None
    assert write.condition.reason == Reason.POOL_INVALID
    assert [(one.ingress, one.pool) for one in writes(again)] == [(None, "broken")]


def test_a_refused_version_leaves_the_last_good_one_in_force() -> None:
    machine, _ = leader(view("a", 1, "192.0.2.1", pool="lab"))
    bad = view("a", 2, "192.0.2.1", pool="lab", refusal="loadBalancerIPs: 'x' is not an IP address")

    (write,) = writes(machine.step(ev.ServiceSeen(replace(bad, service=None)), 1.0))

    assert write.ingress is None
    assert write.condition is not None
    assert write.condition.essence == (True, Reason.INVALID, "loadBalancerIPs: 'x' is not an IP address")
    assert [note.reason for note in write.notes] == ["LoadBalancerFailed"]


def test_a_refused_version_of_one_that_waits_gets_nothing_by_the_version_before() -> None:
    machine, effects = leader(view("a", 1), pools=())
    (waits,) = writes(effects)
    machine.step(ev.Written(after(waits, view("a", 1), 2)), 0.5)
    bad = replace(view("a", 3, refusal="loadBalancerIPs: 'x' is not an IP address"), service=None)

    (write,) = writes(machine.step(ev.ServiceSeen(bad), 1.0))
    machine.step(ev.Written(after(write, bad, 4)), 1.1)
    effects = machine.step(ev.ConfigurationChanged(pools=(POOL,)), 2.0)

    assert [note.reason for note in write.notes] == ["LoadBalancerFailed"]
    assert writes(effects) == []


def test_traces_go_when_a_service_is_a_load_balancer_no_more() -> None:
    machine, _ = leader(view("a", 1, "192.0.2.0", pool="lab"))

    (write,) = writes(
        machine.step(ev.ServiceSeen(replace(view("a", 2, "192.0.2.0", pool="lab"), service=None)), 1.0)
    )

    assert (write.ingress, write.pool, write.condition) == ((), None, None)


def test_one_that_goes_makes_room_for_one_that_waits() -> None:
    machine, effects = leader(view("a", 1), view("b", 2), view("c", 3))
    seen = {"a": view("a", 1), "b": view("b", 2), "c": view("c", 3)}
    for number, write in enumerate(writes(effects)):
        name = write.key[-1]
        seen[name] = after(write, seen[name], 10 + number)
        machine.step(ev.Written(seen[name]), 0.1)

    effects = machine.step(ev.ServiceGone("default/a", "uid-a"), 1.0)

    (write,) = writes(effects)
    assert (write.key, write.ingress) == ("default/c", (IngressEntry(FIRST),))


def test_an_answer_about_a_service_that_is_gone_does_not_bring_it_back() -> None:
    """The watch may be faster than the answer. Nothing more would come of it, and its address would be kept for ever."""
    machine, effects = leader(view("a", 1), pools=(SINGLE,))
    (write,) = writes(effects)
    machine.step(ev.ServiceGone("default/a", "uid-a"), 0.1)

    late = machine.step(ev.Written(after(write, view("a", 1), 2)), 0.2)
    effects = machine.step(ev.ServiceSeen(view("b", 4)), 0.3)

    assert writes(late) == []
    assert writes(effects) == [assigned("b", 4, "192.0.2.0")]


def test_an_answer_about_a_service_that_was_made_anew_does_not_hide_the_new_one() -> None:
    machine, effects = leader(view("a", 1))
    (write,) = writes(effects)
    anew = replace(view("a", 4), uid="uid-another")
    machine.step(ev.ServiceSeen(anew), 0.1)

    effects = machine.step(ev.Written(after(write, view("a", 1), 2)), 0.2)

    assert writes(effects) == [replace(assigned("a", 4, "192.0.2.0"), uid="uid-another")]


def test_what_goes_while_all_is_read_does_not_come_back_with_what_was_read() -> None:
    """A reading of many pages is of the moment of its first one."""
    gone, kept = view("a", 1, "192.0.2.0", pool="lab"), view("b", 2)
    machine = asking(gone, pools=(SINGLE,))
    machine.step(ev.ServiceGone(gone.key, gone.uid), 0.1)

    effects = machine.step(ev.WorldRead(3, (gone, kept)), 0.2)

    assert writes(effects) == [assigned("b", 2, "192.0.2.0")]


def test_what_comes_while_all_is_read_is_served() -> None:
    """The reading is of the moment of its first page, and the watch tells of it only once."""
    machine = asking()
    machine.step(ev.ServiceSeen(view("b", 5)), 0.1)

    effects = machine.step(ev.WorldRead(3, (view("a", 1),)), 0.2)

    assert writes(effects) == [assigned("a", 1, "192.0.2.0"), assigned("b", 5, "192.0.2.1")]


def test_what_was_made_anew_while_all_was_read_is_served() -> None:
    former, anew = view("a", 1), replace(view("a", 5), uid="uid-another")
    machine = asking(former)
    machine.step(ev.ServiceSeen(anew), 0.1)

    effects = machine.step(ev.WorldRead(3, (former,)), 0.2)

    assert writes(effects) == [replace(assigned("a", 5, "192.0.2.0"), uid="uid-another")]


def test_what_went_before_all_was_read_is_not_served() -> None:
    """Though the watch is late to tell."""
    machine = asking(view("a", 1, "192.0.2.0", pool="lab"), pools=(SINGLE,))

    effects = machine.step(ev.WorldRead(3, (view("b", 2),)), 0.1)

    assert writes(effects) == [assigned("b", 2, "192.0.2.0")]


def test_a_doubt_ends_when_the_next_reading_shows_another_version() -> None:
    """It must not make a stop unclean for ever."""
    machine, _ = leader(view("a", 1))
    machine.step(ev.WriteFailed("default/a"), 0.1)
    machine.step(ev.Deposed(), 0.2)
    machine.step(ev.Elected(4, UNTIL, True), 0.3)
    machine.step(ev.WorldRead(4, (view("a", 7, "192.0.2.0", pool="lab"),)), 0.4)

    drained = machine.step(ev.StopRequested(), 0.5)

    assert drained == [fx.Drained(True)]


def test_one_that_became_ours_again_while_all_was_read_is_served() -> None:
    there = view("a", 1)
    machine = asking(there)
    machine.step(ev.ServiceGone(there.key, there.uid), 0.1)
    machine.step(ev.ServiceSeen(replace(there, version="5")), 0.2)

    effects = machine.step(ev.WorldRead(3, (there,)), 0.3)

    assert writes(effects) == [assigned("a", 5, "192.0.2.0")]


def test_whoever_is_undone_again_and_again_writes_less_often() -> None:
    """A second controller for the same Services must not make a storm."""
    machine, effects = leader(view("a", 1))
    now, version, count, contended = 0.0, 10, 0, 0
    pending = writes(effects)
    while now < 60.0:
        if pending:
            count += 1
            version += 2
            told = machine.step(ev.Written(after(pending[0], view("a", 1), version)), now)
            contended += sum(isinstance(effect, fx.Contended) for effect in told)
            pending = writes(told + machine.step(ev.ServiceSeen(view("a", version + 1)), now))
        else:
            now += 0.1
            pending = writes(machine.advance(now))

    assert count < 12
    assert contended == 1


def test_a_stop_waits_for_the_answers_and_says_that_it_was_clean() -> None:
    machine, effects = leader(view("a", 1))
    (write,) = writes(effects)

    waits = machine.step(ev.StopRequested(), 0.1)
    drained = machine.step(ev.Written(after(write, view("a", 1), 2)), 0.2)

    assert waits == []
    assert drained[-1] == fx.Drained(True)


def test_a_stop_that_gets_no_answer_is_not_clean() -> None:
    machine, _ = leader(view("a", 1))
    machine.step(ev.StopRequested(), 0.1)

    due = machine.next_deadline()

    assert due is not None
    assert due <= 0.81
    assert machine.advance(due) == [fx.Drained(False)]
