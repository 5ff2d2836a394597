from __future__ import annotations

import random
from dataclasses import replace

import pytest

from swimlb.controller.lease import (
    Elector,
    KeepLeading,
    Lead,
    Lease,
    LeaseReadFailed,
    LeaseSeen,
    LeaseWriteFailed,
    LeaseWriteRefused,
    LeaseWritten,
    ReadLease,
    Resigned,
    ResignRequested,
    StopLeading,
    Timing,
    WriteLease,
)

TIMING = Timing(lease_duration=10.0, renew_deadline=7.0, retry_period=2.0)
RELEASED = Lease(holder="", term=1, duration=1.0, version="0")
OURS = Lease(holder="me", term=2, duration=10.0)
THEIRS = Lease(holder="other", term=4, duration=10.0, version="7")


def elector() -> Elector:
    return Elector("me", random.Random(1), TIMING)


def leading(now: float = 0.0, version: str = "1") -> Elector:
    machine = elector()
    assert machine.advance(now) == [ReadLease()]
    assert machine.step(LeaseSeen(RELEASED), now) == [WriteLease(replace(OURS, version="0"))]
    assert machine.step(LeaseWritten(replace(OURS, version=version)), now) == [Lead(2, now + 7.0, True)]
    return machine


@pytest.mark.parametrize("found", [None, Lease(holder="", term=0, duration=1.0, version="5")])
def test_where_there_is_no_lease_one_may_have_been_deleted_whose_holder_does_not_know(
    found: Lease | None,
) -> None:
    """A new cluster looks the same. A Lease that nobody ever held, which a tool put in its place perhaps, says no more."""
    machine = elector()
    machine.advance(0.0)
    version = "" if found is None else found.version

    waits = machine.step(LeaseSeen(found), 0.0)
    due = machine.next_deadline()
    assert due is not None
    creates = machine.advance(due)
    leads = machine.step(LeaseWritten(Lease(holder="me", term=1, duration=10.0, version="6")), due)

    assert waits == []
    assert 10.0 <= due <= 10.5
    assert creates == [WriteLease(Lease(holder="me", term=1, duration=10.0, version=version))]
    assert leads == [Lead(1, due + 7.0, False)]


def test_takes_a_lease_that_was_released_and_leads() -> None:
    machine = leading()

    assert machine.is_leading
    assert machine.holder == "me"


def test_renews_in_time_by_its_own_clock() -> None:
    """What counts is when the renewal was sent, not when it was answered."""
    machine = leading()

    due = machine.next_deadline()
    assert due is not None
    sent = machine.advance(due)
    kept = machine.step(LeaseWritten(replace(OURS, version="2")), due + 1.0)

    assert 1.5 <= due <= 2.0
    assert sent == [WriteLease(replace(OURS, version="1"))]
    assert kept == [KeepLeading(due + 7.0)]


def test_stops_leading_when_it_could_not_renew_in_time() -> None:
    """Before anybody else may take over."""
    machine = leading()
    machine.advance(2.0)
    machine.step(LeaseWriteFailed(), 4.0)
    machine.advance(5.0)
    machine.step(LeaseWriteFailed(), 6.9)

    stopped = machine.advance(7.0)

    assert stopped[0] == StopLeading("the lease could not be renewed for 7 s")
    assert not machine.is_leading


def test_a_renewal_that_was_answered_too_late_does_not_prolong() -> None:
    machine = leading()
    machine.advance(2.0)

    effects = machine.step(LeaseWritten(replace(OURS, version="2")), 9.5)

    assert not any(isinstance(effect, KeepLeading | Lead) for effect in effects)
    assert not machine.is_leading


def test_a_lease_that_does_not_change_is_taken_after_its_duration() -> None:
    """However old its times say it is: clocks may differ. Its holder may have calls on their way."""
    machine = elector()
    machine.advance(0.0)

    waits = machine.step(LeaseSeen(THEIRS), 0.0)
    due = machine.next_deadline()
    assert due is not None
    early = machine.advance(9.9)
    taken = machine.advance(due)
    leads = machine.step(LeaseWritten(Lease(holder="me", term=5, duration=10.0, version="8")), due)

    assert waits == early == []
    assert 10.0 <= due <= 10.5
    assert taken == [WriteLease(Lease(holder="me", term=5, duration=10.0, version="7"))]
    assert leads == [Lead(5, due + 7.0, False)]


def test_a_lease_that_is_renewed_is_left_alone() -> None:
    machine = elector()
    machine.advance(0.0)

    for second in range(0, 60, 2):
        assert machine.step(LeaseSeen(replace(THEIRS, version=str(10 + second))), float(second)) == []
        assert machine.advance(second + 1.9) == []


def test_a_lease_that_was_released_is_taken_at_once() -> None:
    machine = elector()
    machine.advance(0.0)
    machine.step(LeaseSeen(THEIRS), 0.0)

    taken = machine.step(LeaseSeen(replace(THEIRS, holder="", version="9")), 0.5)
    leads = machine.step(LeaseWritten(Lease(holder="me", term=5, duration=10.0, version="10")), 0.6)

    assert taken == [WriteLease(Lease(holder="me", term=5, duration=10.0, version="9"))]
    assert leads == [Lead(5, 7.5, True)]


def test_an_echo_from_before_its_own_write_changes_nothing() -> None:
    machine = leading(version="8")

    assert machine.step(LeaseSeen(THEIRS), 0.1) == []
    assert machine.is_leading


def test_stops_at_once_when_another_holds_the_lease() -> None:
    machine = leading()

    effects = machine.step(LeaseSeen(THEIRS), 1.0)

    assert effects == [StopLeading("other holds the lease")]


def test_a_refused_write_is_followed_by_a_look() -> None:
    """The one that landed may have been its own, whose answer was lost: then it leads, but as after a crash."""
    machine = elector()
    machine.advance(0.0)
    machine.step(LeaseSeen(RELEASED), 0.0)
    machine.step(LeaseWriteFailed(), 1.0)
    retry = machine.next_deadline()
    assert retry is not None
    assert machine.advance(retry) == [WriteLease(replace(OURS, version="0"))]

    looks = machine.step(LeaseWriteRefused(), retry)
    claims = machine.step(LeaseSeen(replace(OURS, version="1")), retry)
    leads = machine.step(LeaseWritten(Lease(holder="me", term=3, duration=10.0, version="2")), retry)

    assert looks == [ReadLease()]
    assert claims == [WriteLease(Lease(holder="me", term=3, duration=10.0, version="1"))]
    assert leads == [Lead(3, retry + 7.0, False)]


def test_a_renewal_whose_answer_was_lost_goes_on_from_what_is_there() -> None:
    machine = leading()
    machine.advance(2.0)
    machine.step(LeaseWriteFailed(), 3.0)
    machine.advance(4.0)
    machine.step(LeaseWriteRefused(), 4.1)

    renews = machine.step(LeaseSeen(replace(OURS, version="2")), 4.2)
    keeps = machine.step(LeaseWritten(replace(OURS, version="3")), 4.3)

    assert renews == [WriteLease(replace(OURS, version="2"))]
    assert keeps == [KeepLeading(4.2 + 7.0)]


def test_a_lease_that_others_delete_ends_the_term_and_is_not_made_anew_at_once() -> None:
    """Whoever led by it may not know yet."""
    leader = leading()
    other = elector()
    other.advance(0.0)
    other.step(LeaseSeen(THEIRS), 0.0)

    stopped = leader.step(LeaseSeen(None), 1.0)
    waits = other.step(LeaseSeen(None), 1.0)
    takes = other.advance(11.6)

    assert stopped == [StopLeading("the lease was deleted")]
    assert waits == []
    assert takes == [WriteLease(replace(OURS, term=1))]


def test_reads_again_when_nothing_is_known() -> None:
    machine = elector()
    machine.advance(0.0)

    machine.step(LeaseReadFailed(), 1.0)
    due = machine.next_deadline()

    assert due is not None
    assert machine.advance(due) == [ReadLease()]


@pytest.mark.parametrize(("is_clean", "holder"), [(True, ""), (False, "me")])
def test_resigning_lets_another_take_over_soon(is_clean: bool, holder: str) -> None:
    """With calls on their way it is as a crash, only that nobody waits long."""
    machine = leading()

    releases = machine.step(ResignRequested(is_clean), 1.0)
    ends = machine.step(LeaseWritten(replace(OURS, holder=holder, duration=1.0, version="2")), 1.1)

    assert releases == [WriteLease(Lease(holder=holder, term=2, duration=1.0, version="1"))]
    assert ends == [Resigned()]
    assert machine.next_deadline() is None


def test_resigning_waits_for_the_answer_to_a_renewal() -> None:
    machine = leading()
    machine.advance(2.0)

    waits = machine.step(ResignRequested(True), 2.1)
    releases = machine.step(LeaseWritten(replace(OURS, version="2")), 2.2)

    assert waits == []
    assert releases == [WriteLease(Lease(holder="", term=2, duration=1.0, version="2"))]


def test_a_claim_that_comes_while_it_resigns_does_not_hide_a_crash() -> None:
    """It has fenced nothing off, so the next one must."""
    machine = elector()
    machine.advance(0.0)
    machine.step(LeaseSeen(THEIRS), 0.0)
    machine.advance(11.0)
    machine.step(ResignRequested(True), 11.1)

    releases = machine.step(LeaseWritten(Lease(holder="me", term=5, duration=10.0, version="8")), 11.2)

    assert releases == [WriteLease(Lease(holder="me", term=5, duration=1.0, version="8"))]


def test_whoever_does_not_lead_resigns_at_once() -> None:
    machine = elector()
    machine.advance(0.0)
    machine.step(LeaseSeen(THEIRS), 0.0)

    assert machine.step(ResignRequested(True), 1.0) == [Resigned()]


def test_timing_that_could_make_two_leaders_is_refused() -> None:
    with pytest.raises(ValueError, match="renew_deadline < lease_duration"):
        Timing(lease_duration=5.0, renew_deadline=5.0)
