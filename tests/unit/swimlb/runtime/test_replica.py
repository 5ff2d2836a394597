"""The keyed table that two processes share."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from swimlb.runtime.replica import Batch, LinkError, Publisher, Subscriber, hello, is_hello

SCHEMA = 7


def frames(publisher: Publisher) -> list[bytes]:
    sent: list[bytes] = []
    while (frame := publisher.next_frame()) is not None:
        sent.append(frame)
    return sent


def batches(subscriber: Subscriber, sent: list[bytes]) -> list[Batch]:
    return [batch for frame in sent if (batch := subscriber.receive(frame)) is not None]


def published(table: dict[str, bytes]) -> Publisher:
    publisher = Publisher(SCHEMA)
    publisher.replace(table)
    return publisher


def test_hands_over_the_whole_table_first_and_then_the_changes() -> None:
    """Each time as one batch."""
    publisher, subscriber = published({"a": b"1", "b": b"2"}), Subscriber(SCHEMA)

    first = batches(subscriber, frames(publisher))
    publisher.replace({"b": b"3", "c": b"4"})
    second = batches(subscriber, frames(publisher))

    assert first == [Batch({"a": b"1", "b": b"2"}, frozenset())]
    assert second == [Batch({"b": b"3", "c": b"4"}, frozenset({"a"}))]


def test_says_nothing_when_nothing_changed() -> None:
    """Publishing the same table again costs nothing."""
    publisher = published({"a": b"1"})
    frames(publisher)

    publisher.replace({"a": b"1"})

    assert frames(publisher) == []


def test_says_nothing_before_its_first_table() -> None:
    """A restarted publisher that does not know yet must not take everything away."""
    publisher = Publisher(SCHEMA)

    publisher.begin()

    assert frames(publisher) == []


def test_a_new_publisher_takes_away_what_it_does_not_have() -> None:
    """The subscriber learns what was deleted while nobody watched."""
    subscriber = Subscriber(SCHEMA)
    batches(subscriber, frames(published({"a": b"1", "b": b"2"})))

    after = batches(subscriber, frames(published({"b": b"2"})))

    assert after == [Batch({"b": b"2"}, frozenset({"a"}))]


def test_a_new_subscriber_ignores_what_was_meant_for_its_predecessor() -> None:
    """Frames of a batch whose beginning it has not seen."""
    publisher = published({"a": b"1"})
    frames(publisher)
    publisher.replace({"a": b"2"})
    stale = frames(publisher)
    subscriber = Subscriber(SCHEMA)

    assert batches(subscriber, stale) == []
    publisher.begin()
    assert batches(subscriber, frames(publisher)) == [Batch({"a": b"2"}, frozenset())]


def test_a_publisher_that_dies_in_the_middle_leaves_nothing_half_done() -> None:
    """The next one begins anew."""
    subscriber = Subscriber(SCHEMA)
    torn = frames(published({"a": b"1", "b": b"2"}))[:2]

    assert batches(subscriber, torn) == []
    assert batches(subscriber, frames(published({"c": b"3"}))) == [Batch({"c": b"3"}, frozenset())]


def test_one_change_among_thousands_takes_no_copy_of_them() -> None:
    """Every changed Service is such a batch, in a process that must not stall: memory tells what was copied."""
    publisher = published({f"Allocation/default/web-{number:05}": b"1" for number in range(20_000)})
    subscriber = Subscriber(SCHEMA)
    batches(subscriber, frames(publisher))
    publisher.put("Allocation/default/web-00007", b"2")
    change = frames(publisher)

    tracemalloc.start()
    try:
        after = batches(subscriber, change)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert after == [Batch({"Allocation/default/web-00007": b"2"}, frozenset())]
    assert peak < 50_000


def test_refuses_another_schema() -> None:
    """Both ends must run the same code."""
    with pytest.raises(LinkError):
        batches(Subscriber(SCHEMA + 1), frames(published({"a": b"1"})))


def test_tells_a_hello_from_the_rest() -> None:
    """And refuses what is no frame at all."""
    assert is_hello(hello())
    assert not is_hello(frames(published({}))[0])
    with pytest.raises(LinkError):
        is_hello(b"\xff garbage")


class Replication(RuleBasedStateMachine):
    """Whatever is edited, lost by a death on either side, or still under way: in the end both tables are equal."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: dict[str, bytes] = {}
        self.publisher = Publisher(SCHEMA)
        self.publisher.replace({})
        self.channel: list[bytes] = []
        self.subscriber = Subscriber(SCHEMA)
        self.table: dict[str, bytes] = {}

    @rule(key=st.sampled_from("abcd"), value=st.binary(max_size=2))
    def put(self, key: str, value: bytes) -> None:
        self.wanted[key] = value
        self.publisher.replace(self.wanted)

    @rule(key=st.sampled_from("abcd"))
    def remove(self, key: str) -> None:
        self.wanted.pop(key, None)
        self.publisher.replace(self.wanted)

    @rule(count=st.integers(1, 4))
    def send(self, count: int) -> None:
        for _ in range(count):
            if (frame := self.publisher.next_frame()) is not None:
                self.channel.append(frame)

    @rule(count=st.integers(1, 4))
    def receive(self, count: int) -> None:
        for frame in self.channel[:count]:
            self.take(frame)
        del self.channel[:count]

    @rule()
    def publisher_dies(self) -> None:
        self.publisher = Publisher(SCHEMA)
        self.publisher.replace(self.wanted)

    @rule()
    def subscriber_dies(self) -> None:
        self.subscriber, self.table = Subscriber(SCHEMA), {}
        # Its hello reaches the publisher while old frames are still in the channel.
        self.publisher.begin()

    def take(self, frame: bytes) -> None:
        batch = self.subscriber.receive(frame)
        if batch is not None:
            for key in batch.removed:
                del self.table[key]
            self.table |= batch.put

    @invariant()
    def keeps_no_more_than_the_table_waiting(self) -> None:
        assert len(self.publisher._changed) <= 4

    def teardown(self) -> None:
        for frame in [*self.channel, *frames(self.publisher)]:
            self.take(frame)
        assert self.table == self.wanted


TestReplication = Replication.TestCase
