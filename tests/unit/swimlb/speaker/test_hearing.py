"""Asking others whether they hear, in virtual time."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address

import pytest

from swimlb.model import IpAddress
from swimlb.speaker.deafness import address_to_ask
from swimlb.speaker.effects import AnsweredAgain, Effect, Solicit, Unanswered, Unwatch, Watch
from swimlb.speaker.events import ClaimHeard
from swimlb.speaker.hearing import (
    HOLD,
    INTERVAL,
    LATENESS_MAX,
    MISSES,
    QUESTIONS,
    UNPROVEN_ROUNDS,
    HearingChecks,
)
from swimlb.speaker.links import Link, name_id
from swimlb.speaker.presence import Presence

LINK = Link(name_id("eth0"), bytes((2, 0, 0, 0, 0, 9)))
HERE = Presence.of(links=(LINK,), unanswering=())
NODES = ("node-b", "node-c", "node-d")


def address_of(name: str, version: int = 4) -> IpAddress:
    number = 10 + NODES.index(name)
    return ip_address(f"192.0.2.{number}" if version == 4 else f"2001:db8::{number}")


class Lan:
    """What node-a asks, and who answers it: by default everybody for what it owns."""

    def __init__(self, *others: str, version: int = 4) -> None:
        self.checks = HearingChecks("node-a")
        self.now = 0.0
        self.owners = {address_of(name, version): name for name in others}
        self.told: list[Effect] = []
        self.asked: list[IpAddress] = []
        self.watched: set[IpAddress] = set()
        self.deaf: Collection[str] = ()
        self.interface = "eth0"
        self.can_ask = True
        self.checks.start(0.0)
        for name in others:
            self.checks.member_present(name, HERE)
        for address, owner in self.owners.items():
            self.perform(self.checks.owner_changed(address, None, owner, 0.0))

    def perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Watch(address):
                    assert address not in self.watched
                    self.watched.add(address)
                case Unwatch(address):
                    self.watched.remove(address)
                case Solicit(address):
                    assert address in self.watched
                    self.asked.append(address)
                    if (owner := self.owners.get(address)) is not None and owner not in self.deaf:
                        self.hear(address, owner)
                case _:
                    self.told.append(effect)

    def hear(self, address: IpAddress, member: str | None, *, is_answer: bool = True) -> None:
        claim = ClaimHeard(
            address, "02:00:00:00:00:09", self.interface, is_answer=is_answer, can_ask=self.can_ask
        )
        self.checks.hear(claim, member)

    def announce(self, name: str) -> None:
        """As owners do once a minute."""
        for address in [address for address, owner in self.owners.items() if owner == name]:
            if address in self.watched:
                self.hear(address, name, is_answer=False)

    def run(self, rounds: int = 1) -> None:
        """So many whole rounds."""
        end = self.now + rounds * INTERVAL
        while (due := self.checks.next_deadline()) is not None and due <= end:
            self.now = due
            self.perform(self.checks.advance(due))
        self.now = end


def settled(*others: str, version: int = 4) -> Lan:
    lan = Lan(*(others or NODES), version=version)
    lan.run(3)
    return lan


def test_asks_once_who_answers() -> None:
    """One question for each of three members in a round; all stay watched, so that no filter changes."""
    lan = settled()
    watched, lan.asked = set(lan.watched), []

    lan.run(10)

    assert sorted(lan.asked, key=int) == sorted([*lan.owners] * 10, key=int)
    assert lan.watched == watched == set(lan.owners)
    assert lan.told == []


def test_asks_no_more_members_in_a_large_ring() -> None:
    """And no more often where they own thousands of addresses."""
    checks = HearingChecks("node-a")
    for number in range(100):
        checks.member_present(f"node-{number}", HERE)
    for number in range(10_000):
        address = ip_address("10.0.0.0") + number
        checks.owner_changed(address, None, f"node-{number % 100}", 0.0)
    checks.start(0.0)

    due = checks.next_deadline()
    assert due is not None
    effects = checks.advance(due)

    assert len([effect for effect in effects if isinstance(effect, Solicit)]) == 3


@pytest.mark.parametrize("version", [4, 6])
def test_tells_after_three_rounds_without_an_answer(version: int) -> None:
    """With who it is, what it was asked for, and how long it has not answered."""
    lan = settled(version=version)

    lan.deaf = ["node-c"]
    lan.run(MISSES - 1)
    assert lan.told == []
    lan.run()

    (told,) = lan.told
    assert isinstance(told, Unanswered)
    assert (told.member, told.address) == ("node-c", address_of("node-c", version))
    assert (MISSES - 1) * INTERVAL < told.lasted < MISSES * INTERVAL
    assert lan.checks.unanswering == ("node-c",)


def test_asks_several_times_in_a_round() -> None:
    """One lost frame is nothing."""
    lan = settled()
    lan.asked, lan.deaf = [], ["node-c"]

    lan.run()

    assert lan.asked.count(address_of("node-c")) == QUESTIONS
    assert lan.asked.count(address_of("node-b")) == 1


def test_an_answer_in_time_ends_the_count() -> None:
    """Three misses have to follow each other."""
    lan = settled()
    for _ in range(5):
        lan.deaf = ["node-c"]
        lan.run(MISSES - 1)
        lan.deaf = []
        lan.run()

    assert lan.told == []


def test_an_announcement_is_no_answer() -> None:
    """Who does not hear can speak."""
    lan = settled()
    lan.deaf = ["node-c"]

    for _ in range(MISSES):
        lan.announce("node-c")
        lan.run()

    assert lan.checks.unanswering == ("node-c",)


def test_has_no_vote_when_it_hears_nobody() -> None:
    """Then it is rather this node that does not hear."""
    lan = settled()

    lan.deaf = NODES
    lan.run(20)

    assert lan.told == []


def test_has_no_vote_on_an_interface_where_it_hears_nobody_else() -> None:
    """The cable of eth0 is one thing, that of eth1 another."""
    lan = settled()
    lan.deaf, lan.interface = ["node-c"], "eth1"

    lan.run(20)

    assert lan.told == []


def test_has_no_vote_about_whom_it_has_never_heard() -> None:
    """That one may announce elsewhere, or not have begun."""
    lan = Lan(*NODES)
    lan.deaf = ["node-c"]

    lan.run(3 * UNPROVEN_ROUNDS)

    assert lan.told == []


def test_an_announcement_proves_that_both_stand_on_one_lan() -> None:
    """So who has been deaf from the start is found, too."""
    lan = Lan(*NODES)
    lan.deaf = ["node-c"]
    lan.run(3)

    lan.announce("node-c")
    lan.run(MISSES)

    assert lan.checks.unanswering == ("node-c",)


def test_has_no_vote_when_it_is_late() -> None:
    """Who did not run may have missed the answers."""
    lan = settled()
    lan.deaf = ["node-c"]

    for _ in range(20):
        due = lan.checks.next_deadline()
        assert due is not None
        lan.perform(lan.checks.advance(due))
        due = lan.checks.next_deadline()
        assert due is not None
        lan.now = due + LATENESS_MAX + 0.01
        lan.perform(lan.checks.advance(lan.now))

    assert lan.told == []


def test_of_two_members_the_announcements_of_the_other_are_the_witness() -> None:
    """Nobody else is there who could be heard."""
    lan = settled("node-b")
    lan.deaf = ["node-b"]
    lan.run(10)
    assert lan.told == []

    lan.announce("node-b")
    lan.run()

    assert lan.checks.unanswering == ("node-b",)


def test_two_members_that_do_not_hear_each_other_accuse_nobody() -> None:
    """One hears nothing at all from the other: it may be itself who is deaf."""
    lan = settled("node-b")

    lan.deaf = ["node-b"]
    lan.run(30)

    assert lan.told == []


@pytest.mark.parametrize("could_ask", [False, True])
def test_who_cannot_ask_accuses_nobody(could_ask: bool) -> None:
    """A node without an IPv6 address on an interface hears announcements there, but its questions are never sent."""
    lan = settled("node-b", version=6) if could_ask else Lan("node-b", version=6)
    lan.can_ask = False
    lan.deaf = ["node-b"]

    for _ in range(3 * MISSES):
        lan.run()
        lan.announce("node-b")

    assert lan.told == []


def test_an_address_on_the_move_counts_for_nothing() -> None:
    """Another member answers: the address is served, and the plan will say so in a moment."""
    lan = settled()
    lan.deaf = ["node-c"]

    for _ in range(10):
        lan.hear(address_of("node-c"), "node-d")
        due = lan.checks.next_deadline()
        assert due is not None
        lan.now = due
        lan.perform(lan.checks.advance(due))
        lan.hear(address_of("node-c"), "node-d")
        lan.run()

    assert lan.told == []


def test_what_was_asked_of_the_last_owner_is_void() -> None:
    """The next one is given time, and is asked anew."""
    lan = settled()
    lan.deaf = ["node-c"]
    lan.run(MISSES - 1)

    lan.owners[address_of("node-c")] = "node-d"
    lan.perform(lan.checks.owner_changed(address_of("node-c"), "node-c", "node-d", lan.now))
    lan.run(5)

    assert lan.told == []


@pytest.mark.parametrize("whose", ["node-a", "node-c"])
def test_new_links_void_what_was_heard(whose: str) -> None:
    """Of this node, or of the other one."""
    lan = settled()
    lan.deaf = ["node-c"]
    lan.run(MISSES - 1)

    if whose == "node-a":
        lan.checks.links_changed()
    else:
        lan.checks.member_present("node-c", Presence.of(links=(), unanswering=()))
    lan.run(5)

    assert lan.told == []


def test_an_unanswering_member_is_asked_by_its_own_name() -> None:
    """It owns nothing any more. It is believed again when it answers, a minute later at the soonest."""
    lan = settled()
    lan.deaf = ["node-c"]
    lan.run(MISSES)
    lan.told = []
    asked_for = address_to_ask("node-c", 4)
    lan.perform(lan.checks.owner_changed(address_of("node-c"), "node-c", "node-d", lan.now))
    lan.owners = {**lan.owners, address_of("node-c"): "node-d", asked_for: "node-c"}

    lan.run(20)
    assert lan.checks.unanswering == ("node-c",)
    assert asked_for in lan.watched
    lan.deaf = []
    lan.run(2)

    (told,) = lan.told
    assert isinstance(told, AnsweredAgain)
    assert told.member == "node-c"
    assert told.lasted >= HOLD
    assert lan.checks.unanswering == ()
    assert asked_for not in lan.watched


def test_asks_whom_another_one_accuses_although_it_owns_nothing() -> None:
    """So there are more than the two who found it, should one of these go."""
    lan = settled()
    asked_for = address_to_ask("node-c", 4)
    lan.perform(lan.checks.owner_changed(address_of("node-c"), "node-c", "node-d", lan.now))
    lan.owners = {**lan.owners, address_of("node-c"): "node-d", asked_for: "node-c"}
    lan.deaf = ["node-c"]

    lan.checks.member_present("node-b", Presence.of(links=(LINK,), unanswering=("node-c",)))
    lan.run(2)
    assert asked_for in lan.watched
    lan.announce("node-c")
    lan.run(MISSES)

    assert lan.checks.unanswering == ("node-c",)


def test_holds_what_it_says_for_a_minute() -> None:
    """Although the member answers at once."""
    lan = settled()
    lan.deaf = ["node-c"]
    lan.run(MISSES)

    lan.deaf = []
    lan.run(int(HOLD / INTERVAL) - 1)
    assert lan.checks.unanswering == ("node-c",)
    lan.run(2)

    assert lan.checks.unanswering == ()


def test_forgets_who_is_gone() -> None:
    """When it is back it begins anew."""
    lan = settled()
    lan.deaf = ["node-c"]
    lan.run(MISSES)

    lan.perform(lan.checks.member_gone("node-c"))

    assert lan.checks.unanswering == ()
    assert address_of("node-c") not in lan.watched


def test_asks_nobody_that_takes_no_part() -> None:
    """Members of another make, those that join, leave, or have no interface, and those that know of a stranger."""
    for presence in (
        Presence(),
        Presence.of(is_joining=True, links=(LINK,), unanswering=()),
        Presence.of(is_leaving=True, links=(LINK,), unanswering=()),
        Presence.of(links=(), unanswering=()),
        Presence.of(is_in_doubt=True, links=(LINK,), unanswering=()),
    ):
        lan = settled()
        lan.asked = []

        lan.checks.member_present("node-c", presence)
        lan.run(3)

        assert address_of("node-c") not in lan.asked


def test_ends() -> None:
    """Nothing is watched, and nobody accused."""
    lan = settled()
    lan.deaf = ["node-c"]
    lan.run(MISSES)

    lan.perform(lan.checks.stop())

    assert lan.watched == set()
    assert lan.checks.unanswering == ()
    assert lan.checks.next_deadline() is None
