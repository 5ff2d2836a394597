"""The speaker's core and verdicts on deaf members: who lets go, who takes over, who answers askers."""

from __future__ import annotations

from ipaddress import ip_network

from swimlb.model import Intent
from swimlb.speaker.core import Config, Speaker
from swimlb.speaker.deafness import address_to_ask
from swimlb.speaker.effects import (
    Announce,
    AnswerAskers,
    ChainTo,
    DeafnessChanged,
    Effect,
    EndAnswer,
    HandOver,
    OwnerChanged,
    Solicit,
    Unanswered,
    Unwatch,
    Watch,
    Withdraw,
)
from swimlb.speaker.events import (
    ClaimHeard,
    InventoryChanged,
    LinksChanged,
    MemberGone,
    MemberPresent,
    RingJoined,
    StopRequested,
)
from swimlb.speaker.links import Link, name_id
from swimlb.speaker.presence import Presence
from tests.unit.swimlb.speaker.world import ON_LAN, POOL, VIP, allocation

NODES = ("node-a", "node-b", "node-c")
"""192.0.2.10 is node-c's by hash, then node-b's, then node-a's."""


def link(name: str) -> Link:
    return Link(name_id("eth0"), bytes([2, 0, 0, 0, 0, NODES.index(name)]), (ip_network("192.0.2.0/24"),))


def said_by(name: str, *unanswering: str) -> MemberPresent:
    presence = Presence.of(links=(link(name),), unanswering=unanswering)
    return MemberPresent(name, presence.encode())


def running(node: str, *, is_chaining: bool = False) -> Speaker:
    """A speaker in a ring of three."""
    speaker = Speaker(Config(node=node, is_hearing_checked=True, is_chaining=is_chaining))
    speaker.step(LinksChanged((link(node),)), 0.0)
    speaker.step(InventoryChanged((POOL, ON_LAN, allocation())), 0.0)
    for other in NODES:
        if other != node:
            speaker.step(said_by(other), 0.0)
    speaker.step(RingJoined(2), 0.0)
    return speaker


def run_until(speaker: Speaker, end: float) -> list[Effect]:
    effects: list[Effect] = []
    while (due := speaker.next_deadline()) is not None and due <= end:
        effects += speaker.advance(due)
    return effects


ANSWERS = [AnswerAskers(address_to_ask("node-c", version)) for version in (4, 6)]
END_OF_ANSWERS = [EndAnswer(address_to_ask("node-c", version)) for version in (4, 6)]


def test_a_deaf_owner_lets_go_at_once() -> None:
    """It would wait in vain to hear its successor, and must not announce against it."""
    speaker = running("node-c")
    speaker.step(said_by("node-a", "node-c"), 1.0)

    effects = speaker.step(said_by("node-b", "node-c"), 2.0)

    assert Withdraw(VIP) in effects
    assert HandOver(VIP) not in effects
    assert DeafnessChanged("node-c", ("node-a", "node-b")) in effects
    assert speaker.announced == frozenset()


def test_the_next_one_takes_over_from_a_deaf_owner() -> None:
    """When a second one says so, here this node itself, and not before."""
    speaker = running("node-b")
    run_until(speaker, 12.5)
    speaker.step(ClaimHeard(VIP, link("node-c").mac.hex(":"), "eth0"), 12.5)
    speaker.step(said_by("node-a", "node-c"), 13.0)
    assert speaker.announced == frozenset()

    # The owner is the only one with an address: its own announcements show that this node hears.
    effects = run_until(speaker, 26.0)
    speaker.step(ClaimHeard(VIP, link("node-c").mac.hex(":"), "eth0"), 26.0)
    effects += run_until(speaker, 33.0)

    assert [effect.member for effect in effects if isinstance(effect, Unanswered)] == ["node-c"]
    assert Announce(VIP, None) in effects


def test_connections_of_an_owner_that_hears_again_are_sent_on_to_it_again() -> None:
    """Also when it owned the address all the time, as nobody else could: then nothing about the plan is new."""
    speaker = running("node-b", is_chaining=True)
    speaker.step(InventoryChanged((Intent(drained_by="label:maintenance"),)), 1.0)
    content = Presence.of(is_leaving=True, unanswering=()).encode()
    accusing = Presence.of(is_leaving=True, unanswering=("node-c",)).encode()

    speaker.step(MemberPresent("node-a", accusing), 2.0)
    deaf = speaker.step(MemberPresent("node-d", accusing), 2.0)
    hearing = speaker.step(MemberPresent("node-d", content), 3.0)

    assert not [effect for effect in (*deaf, *hearing) if isinstance(effect, OwnerChanged)]
    assert [effect for effect in deaf if isinstance(effect, ChainTo)] == [ChainTo({VIP: None})]
    assert [effect for effect in hearing if isinstance(effect, ChainTo)] == [ChainTo({VIP: "node-c"})]


def test_whoever_is_accused_answers_askers() -> None:
    """From the first accusation to the end of the last one; that is no verdict yet, and no address moves."""
    speaker = running("node-c")

    assert speaker.step(said_by("node-a", "node-c"), 1.0) == ANSWERS
    assert speaker.announced == {VIP}
    assert speaker.step(said_by("node-a"), 2.0) == END_OF_ANSWERS


def test_whoever_stops_answers_nobody() -> None:
    """Also when it is accused only then."""
    speaker = running("node-c")
    speaker.step(said_by("node-a", "node-c"), 1.0)

    assert speaker.step(StopRequested(), 2.0)[:2] == END_OF_ANSWERS
    assert not [effect for effect in speaker.step(said_by("node-b", "node-c"), 2.1) if effect in ANSWERS]


def test_the_end_of_a_verdict_is_told_with_its_duration() -> None:
    """And the owner has its address again."""
    speaker = running("node-c")
    speaker.step(said_by("node-a", "node-c"), 1.0)
    speaker.step(said_by("node-b", "node-c"), 2.0)

    effects = speaker.step(said_by("node-b"), 62.0)

    assert DeafnessChanged("node-c", (), 60.0) in effects
    assert Announce(VIP, None) in effects


def test_asks_for_what_others_own_until_it_is_its_own() -> None:
    """Then it is this node that answers, and there is nobody to ask."""
    speaker = running("node-b")

    asked = run_until(speaker, 12.0)
    taken_over = speaker.step(MemberGone("node-c"), 12.5)

    assert [effect for effect in asked if isinstance(effect, Watch)] == [Watch(VIP)]
    assert Solicit(VIP) in asked
    assert taken_over.index(Unwatch(VIP)) < taken_over.index(Announce(VIP, None))
    assert Solicit(VIP) not in run_until(speaker, 40.0)


def test_asks_nobody_when_it_is_not_to() -> None:
    """`--no-hearing-check`."""
    speaker = Speaker(Config(node="node-b"))
    speaker.step(InventoryChanged((POOL, ON_LAN, allocation())), 0.0)
    speaker.step(said_by("node-c"), 0.0)
    speaker.step(RingJoined(1), 0.0)

    assert not [effect for effect in run_until(speaker, 40.0) if isinstance(effect, Solicit)]
