"""Whether a host is there whose speaker has said goodbye, in virtual time."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from swimlb.model import IpAddress
from swimlb.speaker.departed import MISSES, QUESTION_INTERVAL, Departed
from swimlb.speaker.effects import Effect, Solicit, Unwatch, Watch

HOST, OTHER_HOST = ip_address("192.0.2.1"), ip_address("2001:db8::2")
LONG = 30.0
FOUND_OUT = MISSES * QUESTION_INTERVAL
"""Seconds, from the first question that is not answered."""


class Lan:
    """Hosts that answer as long as they are on."""

    def __init__(self) -> None:
        self.departed = Departed(LONG)
        self.now = 100.0
        self.on: set[IpAddress] = {HOST, OTHER_HOST}
        self.watched: set[IpAddress] = set()
        self.asked: list[IpAddress] = []
        self.gone: dict[str, float] = {}

    def do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Watch(address):
                    assert address not in self.watched
                    self.watched.add(address)
                case Unwatch(address):
                    self.watched.remove(address)
                case Solicit(address):
                    assert address in self.watched, "the answer would not be heard"
                    self.asked.append(address)
                    if address in self.on:
                        self.departed.hear(address)
                case _:
                    raise AssertionError(effect)

    def leave(self, member: str = "there", address: IpAddress | None = HOST) -> None:
        self.do(self.departed.leave(member, address, self.now))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.departed.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            gone, effects = self.departed.advance(self.now)
            self.gone |= dict.fromkeys(gone, self.now)
            self.do(effects)
        self.now = end


def test_who_answers_is_there_until_its_time_is_over() -> None:
    lan = Lan()
    lan.leave()

    lan.run(LONG - 0.1)
    assert not lan.gone
    assert lan.watched == {HOST}

    lan.run(0.1)
    assert lan.gone == {"there": 100.0 + LONG}
    assert not lan.watched
    assert lan.departed.next_deadline() is None


def test_who_is_switched_off_is_found_out() -> None:
    lan = Lan()
    lan.leave()
    lan.run(9.9)

    lan.on.clear()
    lan.run(LONG)

    assert lan.gone == {"there": pytest.approx(110.0 + FOUND_OUT)}
    assert not lan.watched
    assert lan.departed.next_deadline() is None


def test_a_few_lost_answers_say_nothing() -> None:
    lan = Lan()
    lan.leave()
    for _ in range(4):
        lan.on.clear()
        lan.run((MISSES - 1) * QUESTION_INTERVAL)
        lan.on.add(HOST)
        lan.run(QUESTION_INTERVAL)

    assert not lan.gone


def test_of_who_never_answers_only_time_tells() -> None:
    """It may be where the questions do not get."""
    lan = Lan()
    lan.on.clear()
    lan.leave()

    lan.run(2 * LONG)

    assert lan.gone == {"there": 100.0 + LONG}


def test_a_pause_of_this_node_is_one_missed_question() -> None:
    lan = Lan()
    lan.leave()
    lan.now += 10.0

    gone, effects = lan.departed.advance(lan.now)

    assert (gone, effects) == ([], [Solicit(HOST)])


def test_who_comes_back_is_asked_no_more() -> None:
    lan = Lan()
    lan.leave()
    lan.run(5.0)

    lan.do(lan.departed.forget("there"))

    assert not lan.watched
    assert lan.departed.next_deadline() is None
    lan.leave()
    assert lan.watched == {HOST}


@pytest.mark.parametrize("address", [None, HOST])
def test_without_an_address_of_its_own_nobody_is_asked(address: IpAddress | None) -> None:
    """Or with one that another one had: whom would the answer tell of?"""
    lan = Lan()
    lan.leave("first")

    lan.leave("second", address)
    lan.on.clear()
    lan.run(2 * LONG)

    assert lan.gone == {
        "first": pytest.approx(100.0 + QUESTION_INTERVAL + FOUND_OUT),
        "second": 100.0 + LONG,
    }


def test_each_is_asked_for_itself() -> None:
    lan = Lan()
    lan.leave()
    lan.leave("other", OTHER_HOST)

    lan.on.remove(OTHER_HOST)
    lan.run(10.0)

    assert lan.gone.keys() == {"other"}
    assert lan.watched == {HOST}


def test_an_address_that_is_wanted_for_something_else_is_left_alone() -> None:
    lan = Lan()
    lan.leave()

    lan.do(lan.departed.leave_alone(HOST))
    lan.do(lan.departed.leave_alone(OTHER_HOST))
    lan.on.clear()
    lan.run(LONG)

    assert not lan.watched
    assert lan.gone == {"there": 100.0 + LONG}


def test_asks_nobody_when_it_is_told_so() -> None:
    lan = Lan()
    lan.leave()

    lan.do(lan.departed.ask_nobody())
    lan.leave("other", OTHER_HOST)

    assert not lan.watched
    lan.run(LONG)
    assert lan.gone.keys() == {"there", "other"}
