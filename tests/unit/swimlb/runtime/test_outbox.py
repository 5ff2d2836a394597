from __future__ import annotations

import random
from typing import TypeAlias

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from swimlb.runtime.outbox import Discard, Done, Dropped, Failed, Outbox, Pace, Put, Send

Box: TypeAlias = Outbox[str, str]


def box(**pace: float) -> Box:
    return Outbox(random.Random(1), Pace(**pace))  # type: ignore[arg-type]


def test_sends_at_once_and_keeps_the_latest_of_what_comes_meanwhile() -> None:
    outbox = box()

    first = outbox.step(Put("a", "one"), 0.0)
    meanwhile = [*outbox.step(Put("a", "two"), 0.1), *outbox.step(Put("a", "three"), 0.2)]
    after = outbox.step(Done("a"), 0.3)

    assert first == [Send("a", "one")]
    assert meanwhile == []
    assert after == [Send("a", "three")]


def test_no_more_are_in_flight_than_the_pace_allows() -> None:
    outbox = box(in_flight_max=2)

    sends = [send for key in "abc" for send in outbox.step(Put(key, "x"), 0.0)]
    next_one = outbox.step(Done("a"), 1.0)

    assert sends == [Send("a", "x"), Send("b", "x")]
    assert next_one == [Send("c", "x")]


def test_a_failure_is_tried_again_after_a_pause_that_doubles() -> None:
    outbox = box(pause_min=1.0)
    outbox.step(Put("a", "x"), 0.0)

    pauses: list[float] = []
    now = 0.0
    for _ in range(3):
        assert outbox.step(Failed("a"), now) == []
        due = outbox.next_deadline()
        assert due is not None
        pauses.append(due - now)
        now = due
        assert outbox.advance(now) == [Send("a", "x")]

    assert [0.5 * 2**n <= pause <= 2**n for n, pause in enumerate(pauses)] == [True] * 3


def test_news_takes_the_place_of_what_failed_and_does_not_shorten_the_pause() -> None:
    outbox = box(pause_min=1.0)
    outbox.step(Put("a", "x"), 0.0)
    outbox.step(Failed("a"), 0.0)

    at_once = outbox.step(Put("a", "y"), 0.01)
    later = outbox.advance(1.0)

    assert at_once == []
    assert later == [Send("a", "y")]


def test_when_asked_to_wait_everybody_waits() -> None:
    outbox = box()
    outbox.step(Put("a", "x"), 0.0)

    during = [
        *outbox.step(Failed("a", retry_after=5.0), 0.0),
        *outbox.step(Put("b", "y"), 1.0),
        *outbox.advance(4.9),
    ]
    due = outbox.next_deadline()
    assert due is not None
    after = outbox.advance(due)

    assert during == []
    assert 5.0 < due <= 6.25
    assert {send.key for send in after} == {"a", "b"}
    assert outbox.next_deadline() is None


def test_what_is_discarded_is_not_tried_again() -> None:
    outbox = box()
    outbox.step(Put("a", "x"), 0.0)
    outbox.step(Discard("a"), 0.1)

    outbox.step(Failed("a"), 0.2)

    assert outbox.advance(100.0) == []
    assert outbox.next_deadline() is None


def test_what_changes_often_waits_for_the_rest() -> None:
    outbox = box()

    early = [*outbox.step(Put("a", "one", 1.0), 0.0), *outbox.step(Put("a", "two", 1.5), 0.5)]
    due = outbox.advance(1.0)

    assert early == []
    assert due == [Send("a", "two")]


class Writers(RuleBasedStateMachine):
    """Whatever happens: what was put last is sent in the end, unless it was discarded."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox: Box = box(in_flight_max=2)
        self.now = 0.0
        self.wanted: dict[str, str] = {}
        self.in_flight: dict[str, str] = {}
        self.count = 0

    def take(self, sends: list[Send[str, str]]) -> None:
        for send in sends:
            assert send.key not in self.in_flight
            self.in_flight[send.key] = send.item

    @rule(key=st.sampled_from("abcd"), wait=st.sampled_from([0.0, 0.0, 3.0]))
    def put(self, key: str, wait: float) -> None:
        self.count += 1
        self.wanted[key] = str(self.count)
        self.take(self.outbox.step(Put(key, str(self.count), self.now + wait), self.now))

    @rule(key=st.sampled_from("abcd"))
    def discard(self, key: str) -> None:
        self.wanted.pop(key, None)
        self.take(self.outbox.step(Discard(key), self.now))

    @rule(data=st.data(), kind=st.sampled_from(["done", "dropped", "failed", "busy"]))
    @precondition(lambda self: self.in_flight)
    def answer(self, data: st.DataObject, kind: str) -> None:
        key = data.draw(st.sampled_from(sorted(self.in_flight)))
        item = self.in_flight.pop(key)
        if kind in ("done", "dropped"):
            if self.wanted.get(key) == item:
                del self.wanted[key]
            self.take(self.outbox.step(Done(key) if kind == "done" else Dropped(key), self.now))
        else:
            self.take(self.outbox.step(Failed(key, 2.0 if kind == "busy" else None), self.now))

    @rule(seconds=st.sampled_from([0.1, 1.0, 50.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.take(self.outbox.advance(self.now))

    @invariant()
    def bounded(self) -> None:
        assert len(self.in_flight) <= 2
        assert self.outbox.in_flight == len(self.in_flight)

    def teardown(self) -> None:
        for _ in range(100):
            for key, item in list(self.in_flight.items()):
                del self.in_flight[key]
                if self.wanted.get(key) == item:
                    del self.wanted[key]
                self.take(self.outbox.step(Done(key), self.now))
            self.now += 100.0
            self.take(self.outbox.advance(self.now))
        assert self.wanted == {}
        assert self.outbox.next_deadline() is None


Writers.TestCase.settings = settings(stateful_step_count=30)
TestWriters = Writers.TestCase
