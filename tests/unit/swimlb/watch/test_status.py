"""What *watch* says of *wire*, by what it has heard of it last."""

from __future__ import annotations

import time

import msgpack

from swimlb.runtime.replica import Batch
from swimlb.watch.status import Facts


def batch(**facts: object) -> Batch:
    return Batch({key: msgpack.packb(fact) for key, fact in facts.items()}, frozenset())


def test_a_wire_that_is_heard_no_more_is_silent() -> None:
    """Whatever it told last; and it is what it tells as soon as it does."""
    facts = Facts(silence_max=0.05)
    assert facts.speaker == {}

    facts.learn(batch(speaker={"phase": "running", "pid": 7}))
    assert facts.speaker == {"phase": "running", "pid": 7}
    time.sleep(0.06)
    assert facts.speaker == facts.current()["speaker"] == {"phase": "silent", "pid": None}
    facts.learn(batch(counts={"at": 1.0}))
    assert facts.speaker == {"phase": "running", "pid": 7}


def test_a_wire_that_was_never_heard_is_starting_and_not_silent() -> None:
    assert Facts(silence_max=0.0).current()["speaker"] == {}


def test_what_a_silent_wire_told_is_not_known_to_be_so() -> None:
    """Another node has its addresses by now, and no two are to be seen announcing them; people are told what it said last."""
    facts = Facts(silence_max=0.05)
    address = {"l2/192.0.2.10": {"is_announced_here": True}}

    facts.learn(batch(speaker={"phase": "running"}, **address))
    before = facts.current()
    time.sleep(0.06)
    silent = facts.current()
    told_last = facts.of_kind("l2")
    facts.learn(batch())

    assert before == {"speaker": {"phase": "running"}, **address}
    assert silent == {"speaker": {"phase": "silent", "pid": None}}
    assert told_last == [{"is_announced_here": True}]
    assert facts.current() == before
