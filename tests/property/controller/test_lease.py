"""One replica against whatever an API server and other replicas may do."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from swimlb.controller import lease as ls

TIMING = ls.Timing()
ADVANCES_MAX = 20
"""More turns than these at one moment would be a replica that spins."""


class Replica(RuleBasedStateMachine):
    """Writes are done or lost, answers come late or never, others write in between, watches lag."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.version = 0
        self.there: ls.Lease | None = None
        self.history: list[ls.Lease | None] = [None]
        self.elector = ls.Elector("me", random.Random(1), TIMING)
        self.reading = False
        self.writing: tuple[ls.Lease, float] | None = None
        self.until = 0.0
        self.leads = False
        self.has_resigned = False
        self.changed_at = 0.0
        """When another replica last wrote."""

    def take(self, effects: list[ls.Effect]) -> None:
        for effect in effects:
            match effect:
                case ls.ReadLease():
                    self.reading = True
                case ls.WriteLease(lease):
                    assert self.writing is None, "two writes at once"
                    self.writing = lease, self.now
                case ls.Lead(_, until, _):
                    assert not self.leads
                    assert until > self.now
                    self.leads, self.until = True, until
                case ls.KeepLeading(until):
                    assert self.leads
                    self.until = until
                case ls.StopLeading():
                    assert self.leads
                    self.leads = False
                case ls.Resigned():
                    self.leads, self.has_resigned = False, True

    def feed(self, event: ls.Event) -> None:
        self.take(self.elector.step(event, self.now))

    def store(self, lease: ls.Lease | None) -> None:
        self.version += 1
        self.there = None if lease is None else replace(lease, version=str(self.version))
        self.history.append(self.there)

    # What the replica asked for

    @precondition(lambda self: self.reading)
    @rule(is_lost=st.booleans())
    def a_read_is_answered(self, is_lost: bool) -> None:
        self.reading = False
        self.feed(ls.LeaseReadFailed() if is_lost else ls.LeaseSeen(self.there))

    @precondition(lambda self: self.writing is not None)
    @rule(is_lost=st.booleans(), is_done=st.booleans())
    def a_write_is_answered(self, is_lost: bool, is_done: bool) -> None:
        assert self.writing is not None
        (lease, _), self.writing = self.writing, None
        if not is_done and is_lost:
            self.feed(ls.LeaseWriteFailed())
            return
        if lease.version != (self.there.version if self.there is not None else ""):
            self.feed(ls.LeaseWriteFailed() if is_lost else ls.LeaseWriteRefused())
            return
        self.store(lease)
        assert self.there is not None
        self.feed(ls.LeaseWriteFailed() if is_lost else ls.LeaseWritten(self.there))

    # What others do

    @rule(holder=st.sampled_from(["other", "third", ""]))
    def another_writes(self, holder: str) -> None:
        term = self.there.term + 1 if self.there is not None else 1
        self.store(ls.Lease(holder=holder, term=term, duration=TIMING.lease_duration))

    @rule()
    def somebody_deletes_it(self) -> None:
        if self.there is not None:
            self.store(None)

    @rule(age=st.integers(0, 3))
    def the_watch_tells(self, age: int) -> None:
        self.feed(ls.LeaseSeen(self.history[max(0, len(self.history) - 1 - age)]))

    @rule(is_clean=st.booleans(), chance=st.integers(0, 9))
    def the_process_is_told_to_stop(self, is_clean: bool, chance: int) -> None:
        if chance == 0:
            self.feed(ls.ResignRequested(is_clean))

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 5.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        end = self.now + seconds
        for _ in range(ADVANCES_MAX):
            deadline = self.elector.next_deadline()
            if deadline is None or deadline > end:
                break
            self.now = max(self.now, deadline)
            self.take(self.elector.advance(self.now))
        else:
            raise AssertionError("it spins")
        self.now = end

    # What must hold

    @invariant()
    def it_agrees_with_what_it_has_told(self) -> None:
        assert self.elector.is_leading == self.leads or self.has_resigned or self.writing is not None

    @invariant()
    def it_leads_only_within_its_time(self) -> None:
        if self.elector.is_leading:
            deadline = self.elector.next_deadline()
            assert deadline is not None
            assert deadline <= self.until

    @invariant()
    def it_waits_for_something(self) -> None:
        """For an answer, or for a time: never for ever."""
        if not self.has_resigned:
            assert self.reading or self.writing is not None or self.elector.next_deadline() is not None


Replica.TestCase.settings = settings(stateful_step_count=40)
TestReplica = Replica.TestCase
