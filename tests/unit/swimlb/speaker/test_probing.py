"""Before an address is announced for the first time, a stranger that has it is found."""

from __future__ import annotations

from ipaddress import ip_address

from swimlb.model import IpAddress, L2Advertisement
from swimlb.speaker.core import Config, Speaker
from swimlb.speaker.effects import (
    AddressFree,
    AddressInUse,
    Announce,
    Ask,
    Effect,
    OwnerChanged,
    PublishMeta,
    Unwatch,
    Watch,
)
from swimlb.speaker.events import (
    ClaimHeard,
    InventoryChanged,
    LinksChanged,
    MemberGone,
    MemberPresent,
    RingJoined,
)
from swimlb.speaker.planner import Reason, Withheld
from swimlb.speaker.presence import Presence
from swimlb.speaker.probing import (
    ASKED_AT_ONCE,
    QUESTION_INTERVAL,
    QUESTIONS,
    RETRY_INTERVAL,
    SILENCE,
    Probes,
    Squatter,
)
from tests.unit.swimlb.speaker.test_conflicts import STRANGER, claim_of, link, meta
from tests.unit.swimlb.speaker.world import ON_LAN, OTHER_VIP, POOL, VIP, allocation

LAST = (QUESTIONS - 1) * QUESTION_INTERVAL
"""When the last question is asked, counted from the first one."""


def joining(node: str) -> Speaker:
    speaker = Speaker(Config(node=node, is_probing=True))
    speaker.step(LinksChanged((link(node),)), 0.0)
    speaker.step(InventoryChanged((POOL, ON_LAN, allocation())), 0.0)
    return speaker


def alone() -> Speaker:
    """A speaker that has just found an address to be its own, and has asked the first question at 0.0."""
    speaker = joining("node-c")
    speaker.step(RingJoined(0), 0.0)
    return speaker


def main_effects(effects: list[Effect]) -> list[Effect]:
    return [effect for effect in effects if not isinstance(effect, OwnerChanged | PublishMeta)]


def in_doubt(name: str) -> bytes:
    return Presence.of(links=(link(name),), is_in_doubt=True).encode()


def says_that_it_is_in_doubt(effects: list[Effect]) -> list[bool]:
    return [Presence.decode(effect.meta).is_in_doubt for effect in effects if isinstance(effect, PublishMeta)]


def test_asks_twice_and_announces_when_nobody_answers() -> None:
    """A free address is announced 0.3 s later than without asking."""
    speaker = joining("node-c")

    assert main_effects(speaker.step(RingJoined(0), 0.0)) == [Watch(VIP), Ask(VIP)]
    assert speaker.advance(QUESTION_INTERVAL) == [Ask(VIP)]
    assert speaker.advance(LAST + SILENCE - 0.01) == []
    assert main_effects(speaker.advance(LAST + SILENCE)) == [Unwatch(VIP), Announce(VIP, None)]
    assert speaker.next_deadline() is None


def test_withholds_an_address_that_a_stranger_has() -> None:
    """And says who that is, once, and why to whoever looks."""
    speaker = alone()

    effects = speaker.step(STRANGER, 0.01)

    assert main_effects(effects) == [AddressInUse(VIP, STRANGER.mac, "eth0")]
    assert speaker.step(STRANGER, 0.02) == []
    assert speaker.announced == frozenset()
    assert speaker.withheld == (Withheld("default/web", "l2", Reason.ADDRESS_IN_USE),)
    assert speaker.squatters == {VIP: Squatter(STRANGER.mac, "eth0")}


def test_asks_again_until_the_stranger_is_gone() -> None:
    """The status goes on to name it while the address is asked for again."""
    speaker = alone()
    speaker.step(STRANGER, 0.0)

    assert speaker.advance(RETRY_INTERVAL - 0.1) == []
    assert speaker.advance(RETRY_INTERVAL) == [Ask(VIP)]
    assert speaker.squatters
    assert speaker.step(STRANGER, RETRY_INTERVAL + 0.01) == []
    again = 2 * RETRY_INTERVAL + 0.01
    assert speaker.advance(again) == [Ask(VIP)]
    assert speaker.advance(again + LAST) == [Ask(VIP)]
    effects = speaker.advance(again + LAST + SILENCE)

    assert main_effects(effects) == [Unwatch(VIP), AddressFree(VIP), Announce(VIP, None)]
    assert speaker.withheld == ()


def test_does_not_wait_where_it_has_asked_before() -> None:
    """An endpoint that fails for a moment must not cost more than it costs."""
    speaker = alone()
    speaker.advance(LAST)
    speaker.advance(LAST + SILENCE)
    speaker.step(InventoryChanged((), ("L2Advertisement/lan",)), 2.0)

    assert speaker.announced == frozenset()
    # No advertisement, no duty: the address may have become anybody's.
    assert main_effects(speaker.step(InventoryChanged((ON_LAN,)), 3.0)) == [Watch(VIP), Ask(VIP)]


def test_does_not_wait_when_an_owner_dies() -> None:
    """It has held the address just before, so no stranger had it."""
    speaker = joining("node-b")
    speaker.step(MemberPresent("node-c", meta("node-c")), 0.0)
    speaker.step(RingJoined(1), 0.0)

    effects = speaker.step(MemberGone("node-c"), 5.0)

    assert main_effects(effects) == [Announce(VIP, None)]


def test_does_not_wait_when_it_comes_back_to_a_ring() -> None:
    """A planned move: the present owner answers until it hears this node."""
    speaker = joining("node-c")
    speaker.step(MemberPresent("node-b", meta("node-b")), 0.0)

    effects = speaker.step(RingJoined(1), 0.1)

    assert main_effects(effects) == [Announce(VIP, None)]


def test_asks_after_an_owner_that_does_not_vouch() -> None:
    """Its death must not put the address over the stranger's."""
    speaker = joining("node-b")
    speaker.step(MemberPresent("node-c", in_doubt("node-c")), 0.0)
    speaker.step(RingJoined(1), 0.0)

    effects = speaker.step(MemberGone("node-c"), 5.0)

    assert main_effects(effects) == [Watch(VIP), Ask(VIP)]


def test_says_whether_it_vouches_for_what_it_owns() -> None:
    """Not before it has asked, and not while a stranger is there; whoever leaves says so to the end."""
    speaker = joining("node-c")

    assert says_that_it_is_in_doubt(speaker.step(RingJoined(0), 0.0)) == [True]
    speaker.advance(LAST)
    assert says_that_it_is_in_doubt(speaker.advance(LAST + SILENCE)) == [False]

    records = InventoryChanged((allocation("other", OTHER_VIP),))
    assert says_that_it_is_in_doubt(speaker.step(records, 1.0)) == []
    claim = ClaimHeard(OTHER_VIP, STRANGER.mac, "eth0")
    assert says_that_it_is_in_doubt(speaker.step(claim, 1.1)) == [True]


def test_a_member_that_answers_is_no_stranger() -> None:
    """The address is announced; who keeps it is the business of conflicts."""
    speaker = joining("node-c")
    speaker.step(MemberPresent("node-b", in_doubt("node-b")), 0.0)
    speaker.step(RingJoined(1), 0.0)

    effects = speaker.step(claim_of("node-b"), 0.01)

    assert main_effects(effects) == [Unwatch(VIP), Announce(VIP, None)]


def test_a_stranger_on_another_network_does_not_count() -> None:
    """The advertisement names the interfaces; what is on others is another LAN's business."""
    speaker = Speaker(Config(node="node-c", is_probing=True))
    on_eth1 = L2Advertisement(name="lan", interfaces=("eth1",))
    speaker.step(InventoryChanged((POOL, on_eth1, allocation())), 0.0)
    speaker.step(RingJoined(0), 0.0)

    assert speaker.step(STRANGER, 0.01) == []
    assert speaker.squatters == {}


def test_forgets_an_address_that_the_plan_takes_away() -> None:
    """Another node has come that is its owner."""
    speaker = joining("node-b")
    speaker.step(RingJoined(0), 0.0)

    effects = speaker.step(MemberPresent("node-c", meta("node-c")), 0.01)

    assert main_effects(effects) == [Unwatch(VIP)]
    assert speaker.next_deadline() is None


def test_asks_for_few_addresses_at_a_time() -> None:
    """The others wait for a place, so that a switch does not take thousands of questions for an attack."""
    probes = Probes()
    addresses = [ip_address("192.0.2.0") + number for number in range(ASKED_AT_ONCE + 3)]

    asked = [effect for address in addresses for effect in probes.start(address, None, 0.0)]
    probes.advance(LAST)
    silent = probes.silent(LAST + SILENCE)
    for address in silent:
        probes.release(address, LAST + SILENCE)
    then = probes.advance(LAST + SILENCE)

    assert sum(isinstance(effect, Ask) for effect in asked) == ASKED_AT_ONCE
    assert silent == addresses[:ASKED_AT_ONCE]
    assert then == [Ask(address) for address in addresses[ASKED_AT_ONCE:]]


def test_those_that_wait_are_asked_about_when_all_others_are_gone() -> None:
    """Every address in question may be another node's, or nobody's, before anybody has answered."""
    names = {str(number): ip_address("192.0.2.0") + number for number in range(ASKED_AT_ONCE + 3)}
    speaker = Speaker(Config(node="node-c", is_probing=True, work_per_turn=1_000_000))
    speaker.step(LinksChanged((link("node-c"),)), 0.0)
    allocations = [allocation(name, address) for name, address in names.items()]
    speaker.step(InventoryChanged((POOL, ON_LAN, *allocations)), 0.0)
    asked = {effect.address for effect in speaker.step(RingJoined(0), 0.0) if isinstance(effect, Ask)}
    gone = tuple(f"Allocation/default/{name}" for name, address in names.items() if address in asked)

    speaker.step(InventoryChanged((), gone), 0.01)
    announced: set[IpAddress] = set()
    while (due := speaker.next_deadline()) is not None and due < 1.0:
        announced |= {effect.address for effect in speaker.advance(due) if isinstance(effect, Announce)}

    assert len(gone) == ASKED_AT_ONCE
    assert announced == {*names.values()} - asked


def test_many_squatters_do_not_fill_the_log() -> None:
    """Somebody may be making MACs up."""
    speaker = alone()
    macs = [f"02:00:00:00:01:{number:02x}" for number in range(20)]

    effects = [effect for mac in macs for effect in speaker.step(ClaimHeard(VIP, mac, "eth0"), 0.01)]

    assert main_effects(effects) == [AddressInUse(VIP, macs[0], "eth0")]
