from __future__ import annotations

import random

from swimlb.allocator import PoolCounts
from swimlb.controller.records import State
from swimlb.controller.upkeep import (
    STATE,
    AddressesChanged,
    Count,
    Counted,
    Judged,
    LeadershipChanged,
    PoolsShown,
    StateShown,
    Upkeep,
)
from swimlb.runtime.outbox import Done, Failed, Send

COUNTS = PoolCounts("lab", 1, 9, 0, 0)
VALID, INVALID = State(True), State(False, "configuration error: IPAddressPool/metallb-system/lab: no")


def leading() -> Upkeep:
    upkeep = Upkeep(random.Random(1))
    upkeep.step(LeadershipChanged(True), 0.0)
    return upkeep


def test_counts_are_taken_at_most_once_a_second() -> None:
    upkeep = leading()

    effects = [effect for _ in range(100) for effect in upkeep.step(AddressesChanged(), 0.5)]

    assert effects == []
    assert upkeep.next_deadline() == 1.5
    assert upkeep.advance(1.5) == [Count()]
    assert upkeep.next_deadline() is None


def test_only_what_a_pool_does_not_show_is_written() -> None:
    upkeep = leading()
    upkeep.step(PoolsShown({"lab": None, "other": PoolCounts("other", 0, 5, 0, 0)}), 0.0)

    effects = upkeep.step(Counted((COUNTS, PoolCounts("other", 0, 5, 0, 0))), 1.0)

    assert effects == [Send("pool/lab", COUNTS)]


def test_a_pool_that_is_gone_is_not_written_to() -> None:
    upkeep = leading()

    assert upkeep.step(Counted((COUNTS,)), 1.0) == []


def test_a_pool_that_goes_while_its_counts_are_on_their_way_is_not_tried_again() -> None:
    """What comes back is that it is not there, and that for ever."""
    upkeep = leading()
    upkeep.step(PoolsShown({"lab": None}), 0.0)
    upkeep.step(Counted((COUNTS,)), 1.0)

    gone = upkeep.step(PoolsShown({}), 1.1)
    refused = upkeep.step(Failed("pool/lab"), 1.2)

    assert gone == refused == []
    assert upkeep.next_deadline() is None


def test_the_verdict_is_written_when_it_is_another_one_or_gone() -> None:
    upkeep = leading()

    first = upkeep.step(Judged(VALID), 1.0)
    upkeep.step(StateShown(VALID), 1.1)
    upkeep.step(Done(STATE), 1.2)
    same = upkeep.step(Judged(VALID), 2.0)
    worse = upkeep.step(Judged(INVALID), 3.0)
    upkeep.step(StateShown(INVALID), 3.1)
    upkeep.step(Done(STATE), 3.2)
    deleted = upkeep.step(StateShown(None), 4.0)

    assert first == [Send(STATE, VALID)]
    assert same == []
    assert worse == [Send(STATE, INVALID)]
    assert deleted == [Send(STATE, INVALID)]


def test_a_follower_writes_nothing_and_a_new_leader_what_is_missing() -> None:
    upkeep = Upkeep(random.Random(1))

    before = [*upkeep.step(Judged(INVALID), 0.0), *upkeep.step(StateShown(VALID), 0.0), *upkeep.advance(9.0)]
    after = upkeep.step(LeadershipChanged(True), 10.0)

    assert before == []
    assert after == [Send(STATE, INVALID)]
