"""The speaker hears somebody else claim an address that it announces."""

from __future__ import annotations

from ipaddress import ip_network

from swimlb.speaker.acquaintances import FAREWELL
from swimlb.speaker.conflicts import ASK_INTERVAL, DEFENCE_DELAY, REPORT_INTERVAL, RIVALS_MAX, SILENCE_MAX
from swimlb.speaker.core import Config, Phase, Speaker
from swimlb.speaker.effects import (
    Announce,
    AnnounceAgain,
    Ask,
    ConflictNoticed,
    Defend,
    Effect,
    OwnerChanged,
    Unwatch,
    Watch,
    Withdraw,
    Yielded,
)
from swimlb.speaker.events import (
    ClaimHeard,
    InventoryChanged,
    LinksChanged,
    MemberGone,
    MemberPresent,
    ReceptionChanged,
    RingJoined,
)
from swimlb.speaker.inventory import key_of
from swimlb.speaker.links import Link, name_id
from swimlb.speaker.presence import Presence
from tests.unit.swimlb.speaker.world import ON_LAN, POOL, VIP, allocation

# 192.0.2.10 is node-c's by hash, then node-b's, then node-a's.
MACS = {"node-a": "02:00:00:00:00:0a", "node-b": "02:00:00:00:00:0b", "node-c": "02:00:00:00:00:0c"}
STRANGER = ClaimHeard(VIP, "02:00:00:00:00:99", "eth0")


def link(name: str) -> Link:
    return Link(name_id("eth0"), bytes.fromhex(MACS[name].replace(":", "")), (ip_network("192.0.2.0/24"),))


def meta(name: str) -> bytes:
    return Presence.of(links=(link(name),)).encode()


def claim_of(name: str) -> ClaimHeard:
    return ClaimHeard(VIP, MACS[name], "eth0")


def running(node: str, *others: str) -> Speaker:
    """A speaker that knows its link, and others that tell theirs."""
    speaker = Speaker(Config(node=node))
    speaker.step(LinksChanged((link(node),)), 0.0)
    speaker.step(InventoryChanged((POOL, ON_LAN, allocation())), 0.0)
    for other in others:
        speaker.step(MemberPresent(other, meta(other)), 0.0)
    speaker.step(RingJoined(len(others)), 0.0)
    return speaker


def cut_off_from(node: str, *lost: str) -> Speaker:
    """A speaker whose gossip has lost the others, so that it has taken over."""
    speaker = running(node, *lost)
    for name in lost:
        speaker.step(MemberGone(name), 1.0)
    return speaker


def without_owners(effects: list[Effect]) -> list[Effect]:
    return [effect for effect in effects if not isinstance(effect, OwnerChanged)]


def test_yields_at_once_to_a_better_member_that_gossip_has_lost() -> None:
    """It is alive, and the other half of the LAN holds it for the owner."""
    speaker = cut_off_from("node-b", "node-c")

    assert speaker.step(claim_of("node-c"), 2.0) == [Withdraw(VIP), Watch(VIP)]
    assert speaker.announced == frozenset()


def test_keeps_the_address_against_a_worse_member_that_gossip_has_lost() -> None:
    """And announces at once, so that the winner's is the last announcement on the wire."""
    speaker = cut_off_from("node-c", "node-b")

    first = speaker.step(claim_of("node-b"), 2.0)
    second = speaker.step(claim_of("node-b"), 2.1)

    assert first == [ConflictNoticed(VIP, MACS["node-b"], "eth0", "node-b"), AnnounceAgain(VIP)]
    assert second == [AnnounceAgain(VIP)]
    assert speaker.announced == {VIP}


def test_both_halves_agree_on_who_yields() -> None:
    """Of any two, exactly one does."""
    for one, other in (("node-a", "node-b"), ("node-b", "node-c"), ("node-a", "node-c")):
        sides = cut_off_from(one, other), cut_off_from(other, one)

        sides[0].step(claim_of(other), 2.0)
        sides[1].step(claim_of(one), 2.0)

        assert sorted(len(side.announced) for side in sides) == [0, 1]


def test_asks_for_a_yielded_address_and_takes_it_when_nobody_answers() -> None:
    """Gossip cannot tell of the death of a member that it holds for dead already."""
    speaker = cut_off_from("node-b", "node-c")
    speaker.step(claim_of("node-c"), 2.0)

    assert speaker.next_deadline() == 2.0 + ASK_INTERVAL
    assert speaker.advance(3.0) == [
        ConflictNoticed(VIP, MACS["node-c"], "eth0", "node-c"),
        Yielded(VIP, "node-c", MACS["node-c"]),
        Ask(VIP),
    ]
    assert speaker.step(claim_of("node-c"), 3.1) == []
    assert speaker.advance(4.0) == [Ask(VIP)]
    assert speaker.advance(5.0) == speaker.advance(6.0) == [Ask(VIP)]
    assert speaker.advance(3.1 + SILENCE_MAX) == [Unwatch(VIP), Announce(VIP, None)]


def test_stops_asking_when_gossip_has_found_the_owner_again() -> None:
    """From then on its death is told as any other. After a crash it announces as soon as it has joined: no conflict."""
    speaker = cut_off_from("node-b", "node-c")
    speaker.step(claim_of("node-c"), 2.0)

    effects = speaker.step(MemberPresent("node-c", meta("node-c")), 2.5)

    assert without_owners(effects) == [Unwatch(VIP)]
    assert speaker.next_deadline() is None


def test_waits_for_gossip_when_the_claimant_is_present() -> None:
    """One of the two is about to learn better: nobody is troubled with it."""
    speaker = running("node-c", "node-b")

    assert speaker.step(claim_of("node-b"), 1.0) == []
    assert speaker.step(claim_of("node-b"), 1.15) == []
    assert speaker.advance(1.0 + DEFENCE_DELAY) == [AnnounceAgain(VIP)]


def test_reports_a_member_that_goes_on_claiming() -> None:
    """Gossip has had its time; and again when that is over for long, from the start."""
    speaker = running("node-c", "node-b")
    speaker.step(claim_of("node-b"), 1.0)
    speaker.advance(1.0 + DEFENCE_DELAY)

    assert speaker.step(claim_of("node-b"), 2.0) == [ConflictNoticed(VIP, MACS["node-b"], "eth0", "node-b")]
    assert speaker.step(claim_of("node-b"), 2.1) == []
    assert speaker.step(claim_of("node-b"), 2.1 + REPORT_INTERVAL) == []


def test_defends_against_a_stranger() -> None:
    """At the rate that the responder allows; the report names the MAC, and comes now and then."""
    speaker = running("node-c", "node-b")
    noticed = ConflictNoticed(VIP, STRANGER.mac, "eth0")

    assert speaker.step(STRANGER, 1.0) == []
    assert speaker.step(STRANGER, 1.2) == []
    assert speaker.advance(1.0 + DEFENCE_DELAY) == [noticed, Defend(VIP)]
    assert speaker.step(STRANGER, 1.6) == []
    assert speaker.advance(1.6 + DEFENCE_DELAY) == [Defend(VIP)]
    assert speaker.step(STRANGER, 1.6 + REPORT_INTERVAL) == []
    assert speaker.advance(1.6 + REPORT_INTERVAL + DEFENCE_DELAY) == [noticed, Defend(VIP)]


def test_who_is_heard_before_gossip_tells_of_it_is_no_stranger() -> None:
    """A new member announces as soon as it has joined, and the others learn of it a moment later."""
    speaker = running("node-c")

    assert speaker.step(claim_of("node-b"), 1.0) == []
    speaker.step(MemberPresent("node-b", meta("node-b")), 1.1)

    assert speaker.advance(1.0 + DEFENCE_DELAY) == [AnnounceAgain(VIP)]


def test_reports_each_rival_but_not_any_number() -> None:
    """One that is reported must not hide another one, and made-up MACs must not fill the log."""
    speaker = running("node-c", "node-b")
    macs = [f"02:00:00:00:01:{number:02x}" for number in range(RIVALS_MAX + 3)]

    for mac in macs:
        assert speaker.step(ClaimHeard(VIP, mac, "eth0"), 1.0) == []

    reports = [ConflictNoticed(VIP, mac, "eth0") for mac in macs[:RIVALS_MAX]]
    assert speaker.advance(1.0 + DEFENCE_DELAY) == [*reports, Defend(VIP)]


def gone_with_goodbye(speaker: Speaker, name: str, at: float) -> None:
    leaving = Presence.of(is_leaving=True, links=(link(name),)).encode()
    speaker.step(MemberPresent(name, leaving), at)
    speaker.step(MemberGone(name), at)


def test_the_last_words_of_whoever_says_goodbye_are_no_conflict() -> None:
    """It hands over, and its frames cross with gossip."""
    speaker = running("node-b", "node-c")
    gone_with_goodbye(speaker, "node-c", 1.5)

    speaker.step(claim_of("node-c"), 1.5 + FAREWELL)

    assert speaker.advance(1.5 + FAREWELL + DEFENCE_DELAY) == [AnnounceAgain(VIP)]


def test_a_restart_is_no_conflict() -> None:
    """What it claimed as it left does not count when it returns, and is heard before gossip tells that it may."""
    speaker = running("node-b", "node-c")
    leaving, joining = (
        Presence.of(is_leaving=is_leaving, is_joining=not is_leaving, links=(link("node-c"),)).encode()
        for is_leaving in (True, False)
    )
    turns = (
        (0.0, MemberPresent("node-c", leaving)),
        (0.01, claim_of("node-c")),
        (0.02, MemberGone("node-c")),
        (3.0, MemberPresent("node-c", joining)),
        (3.01, claim_of("node-c")),
        (3.02, MemberPresent("node-c", meta("node-c"))),
    )

    effects = [
        effect for begun in (1.0, 5.0) for at, event in turns for effect in speaker.step(event, begun + at)
    ]

    assert effects.count(Announce(VIP, None)) == effects.count(Withdraw(VIP)) == 2
    assert [effect for effect in effects if isinstance(effect, ConflictNoticed)] == []


def test_whoever_said_goodbye_is_a_stranger() -> None:
    """After its last words: a speaker that has left must not announce anything."""
    speaker = running("node-b", "node-c")
    gone_with_goodbye(speaker, "node-c", 1.5)

    speaker.step(claim_of("node-c"), 5.0)

    assert speaker.announced == {VIP}
    noticed = ConflictNoticed(VIP, MACS["node-c"], "eth0")
    assert speaker.advance(5.0 + DEFENCE_DELAY) == [noticed, Defend(VIP)]


class TestReception:
    """While the others do not hear this node."""

    def test_yields_to_a_member_that_claims(self) -> None:
        """Also to one that comes after it: the others cannot know that it is there."""
        speaker = running("node-c", "node-b")
        speaker.step(ReceptionChanged(is_heard=False), 1.0)

        effects = speaker.step(claim_of("node-b"), 2.0)

        assert effects == [Withdraw(VIP), Watch(VIP)]
        assert Yielded(VIP, "node-b", MACS["node-b"]) in speaker.advance(2.0 + ASK_INTERVAL)
        assert speaker.announced == frozenset()

    def test_yields_to_a_claim_of_a_moment_ago(self) -> None:
        """The successor has announced before this node could know that nobody hears it."""
        speaker = running("node-c", "node-b")
        speaker.step(claim_of("node-b"), 1.0)

        speaker.step(ReceptionChanged(is_heard=False), 1.3)

        assert Yielded(VIP, "node-b", MACS["node-b"]) in speaker.advance(1.3 + ASK_INTERVAL)
        assert speaker.announced == frozenset()

    def test_does_not_yield_to_a_claim_that_it_has_defended_against(self) -> None:
        """The other one may have heard that, and yielded: then nobody would have the address."""
        speaker = running("node-c", "node-b")
        speaker.step(claim_of("node-b"), 1.0)
        speaker.advance(1.0 + DEFENCE_DELAY)

        speaker.step(ReceptionChanged(is_heard=False), 1.7)
        assert speaker.announced == {VIP}
        speaker.step(claim_of("node-b"), 2.1)

        assert speaker.announced == frozenset()

    def test_keeps_what_nobody_else_claims(self) -> None:
        """Whoever hears it is served."""
        speaker = running("node-c", "node-b")

        speaker.step(ReceptionChanged(is_heard=False), 1.0)
        speaker.step(STRANGER, 2.0)
        speaker.advance(60.0)

        assert speaker.announced == {VIP}

    def test_learns_nothing_from_silence(self) -> None:
        """Its questions are not heard either, so nobody would answer them."""
        speaker = running("node-c", "node-b")
        speaker.step(ReceptionChanged(is_heard=False), 1.0)
        speaker.step(claim_of("node-b"), 2.0)

        while (due := speaker.next_deadline()) is not None and due < 60.0:
            speaker.advance(due)

        assert speaker.announced == frozenset()

    def test_takes_over_nothing(self) -> None:
        """Another one does, that does not know of this node."""
        speaker = running("node-b", "node-a", "node-c")
        speaker.step(ReceptionChanged(is_heard=False), 1.0)

        speaker.step(MemberGone("node-c"), 2.0)
        assert speaker.announced == frozenset()
        effects = speaker.step(ReceptionChanged(is_heard=True), 3.0)

        assert Announce(VIP, None) in effects

    def test_takes_its_own_back_when_it_is_heard_again(self) -> None:
        """At once: the others hear the claim, and know by it who comes first."""
        speaker = running("node-c", "node-b")
        speaker.step(ReceptionChanged(is_heard=False), 1.0)
        speaker.step(claim_of("node-b"), 2.0)

        effects = speaker.step(ReceptionChanged(is_heard=True), 30.0)

        assert effects == [Unwatch(VIP), Announce(VIP, None)]


def back_after_losing(*others: str) -> Speaker:
    """Node-b, whose link went at 1 s and has come back at 10 s. Gossip has lost the others in between."""
    speaker = running("node-b", *others)
    speaker.step(LinksChanged(()), 1.0)
    for name in others:
        speaker.step(MemberGone(name), 5.0)
    speaker.step(LinksChanged((link("node-b"),)), 10.0)
    return speaker


class TestOwnLinks:
    def test_gives_addresses_up_at_once_when_nobody_can_hear_it(self) -> None:
        """There is nothing to hand over, and nobody to hear the successor from."""
        speaker = running("node-c", "node-b")

        effects = speaker.step(LinksChanged(()), 1.0)

        assert Withdraw(VIP) in effects
        assert speaker.announced == frozenset()

    def test_takes_its_addresses_again_when_the_link_is_back_soon(self) -> None:
        """Nobody has been lost meanwhile."""
        speaker = running("node-c", "node-b")
        speaker.step(LinksChanged(()), 1.0)

        effects = speaker.step(LinksChanged((link("node-c"),)), 1.2)

        assert Announce(VIP, None) in effects

    def test_asks_the_ring_first_when_it_has_lost_the_others(self) -> None:
        """They have found a successor, which it cannot know yet: it joins like a speaker that starts."""
        speaker = running("node-b", "node-c")
        speaker.step(LinksChanged(()), 1.0)
        speaker.step(MemberGone("node-c"), 5.0)

        effects = speaker.step(LinksChanged((link("node-b"),)), 10.0)

        assert Announce(VIP, None) not in effects
        assert speaker.phase is Phase.JOINING
        speaker.step(MemberPresent("node-c", meta("node-c")), 10.1)
        speaker.advance(13.0)
        assert speaker.phase is Phase.RUNNING
        assert speaker.announced == frozenset()

    def test_waits_a_little_for_the_others_when_the_first_one_is_back(self) -> None:
        """It was this node that was away; who is not heard of yet may serve what it would announce."""
        speaker = back_after_losing("node-a", "node-c")

        speaker.step(MemberPresent("node-a", meta("node-a")), 10.0)
        speaker.advance(11.4)
        # The kernel asks for a MAC once a second, and the first question may be lost.
        assert speaker.phase is Phase.JOINING
        speaker.step(MemberPresent("node-c", meta("node-c")), 11.5)
        effects = speaker.advance(11.8)

        assert speaker.phase is Phase.RUNNING
        assert Announce(VIP, None) not in effects

    def test_waits_no_longer_for_one_that_does_not_come_back(self) -> None:
        speaker = back_after_losing("node-a", "node-c")
        speaker.step(MemberPresent("node-a", meta("node-a")), 10.0)

        speaker.advance(10.0 + Config(node="node-b").return_settle)

        assert speaker.phase is Phase.RUNNING
        assert VIP in speaker.announced

    def test_serves_its_own_segment_when_the_ring_does_not_come_back(self) -> None:
        """In bounded time."""
        speaker = back_after_losing("node-c")

        speaker.advance(10.0 + Config(node="node-b").join_max)

        assert speaker.announced == {VIP}

    def test_tells_of_an_address_that_nobody_has_any_more_when_it_has_asked_the_ring(self) -> None:
        """Its Service was deleted meanwhile. Else its last owner would be asked for it ever after."""
        speaker = running("node-b", "node-a", "node-c")
        speaker.step(MemberGone("node-a"), 1.0)
        speaker.step(LinksChanged(()), 2.0)
        speaker.step(LinksChanged((link("node-b"),)), 10.0)

        speaker.step(InventoryChanged((), (key_of(allocation()),)), 11.0)
        effects = speaker.advance(10.0 + Config(node="node-b").join_max)

        assert speaker.phase is Phase.RUNNING
        assert OwnerChanged(VIP, "node-c", None) in effects
