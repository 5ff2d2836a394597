"""Why addresses came to this node, and how long it took to announce them."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from swimlb.speaker import effects as fx
from swimlb.speaker import events as ev
from swimlb.speaker.presence import Presence
from swimlb.wire import moves
from swimlb.wire.moves import TAKEOVER_BOUNDS, Cause, Moves

VIP, OTHER = IPv4Address("192.0.2.10"), IPv4Address("192.0.2.11")


class Story:
    """What `node-a` hears and orders, with the members that it knows."""

    def __init__(self) -> None:
        self.moves = Moves("node-a")
        self.presences = {"node-a": Presence(), "node-b": Presence()}
        self.deaf: dict[str, object] = {}

    def hear(self, event: ev.Event, now: float = 0.0) -> None:
        self.moves.hear(event, now)

    def order(self, *effects: fx.Effect, now: float = 0.0) -> None:
        for effect in effects:
            self.moves.note(effect, self.presences, self.deaf, now)

    def causes(self) -> dict[str, int]:
        return {cause: count for cause, count in self.moves.told()["causes"].items() if count}

    def takeovers(self) -> list[tuple[float, int]]:
        counts = zip((*TAKEOVER_BOUNDS, float("inf")), self.moves.told()["takeovers"], strict=True)
        return [(bound, count) for bound, count in counts if count]


def moved(address: IPv4Address = VIP, previous: str | None = "node-b") -> fx.OwnerChanged:
    return fx.OwnerChanged(address, previous, "node-a")


def test_a_takeover_is_timed_from_the_news_to_the_announcement() -> None:
    """The announcement is ordered before the owner's change is told, so that nothing delays it."""
    story = Story()

    story.hear(ev.MemberGone("node-b"), now=10.0)
    story.order(fx.Announce(VIP, None), moved(), now=10.004)

    assert story.causes() == {Cause.FAILURE: 1}
    assert story.takeovers() == [(0.005, 1)]
    assert story.moves.told()["takeover_seconds"] == pytest.approx(0.004)


def test_an_announcement_that_has_to_wait_ends_the_takeover() -> None:
    """Somebody may have to be asked first whether a stranger has the address."""
    story = Story()

    story.hear(ev.MemberGone("node-b"), now=10.0)
    story.order(moved(), now=10.0)
    before = story.takeovers()
    story.order(fx.Announce(VIP, None), now=10.2)

    assert before == []
    assert story.takeovers() == [(0.25, 1)]


def test_an_address_that_was_announced_all_along_was_not_taken_over() -> None:
    """As when this node is told late that the owner it had handed the address to is dead."""
    story = Story()

    story.order(fx.Announce(VIP, None), now=1.0)
    story.hear(ev.MemberGone("node-b"), now=10.0)
    story.order(moved(), now=10.0)

    assert story.causes() == {Cause.FAILURE: 1}
    assert story.takeovers() == []


def test_what_waits_for_another_reason_is_no_takeover() -> None:
    """A stranger that has the address keeps it from being announced for as long as it likes."""
    story = Story()

    story.hear(ev.MemberGone("node-b"), now=10.0)
    story.order(moved(), now=10.0)
    story.order(fx.Announce(VIP, None), now=100.0)

    assert story.takeovers() == []


def test_each_cause_is_told_apart() -> None:
    """By what is known of the owner before."""
    story = Story()
    story.presences |= {"node-c": Presence(is_leaving=True), "node-e": Presence()}
    story.deaf["node-e"] = object()
    story.hear(ev.MemberGone("node-d", has_failed=False))

    story.order(*(moved(previous=name) for name in (None, "node-b", "node-c", "node-d", "node-e")))

    assert story.causes() == {Cause.FIRST: 1, Cause.PREFERRED: 1, Cause.PLANNED: 2, Cause.DEAF: 1}


def test_a_member_that_is_back_has_not_failed() -> None:
    """An address that moves from it later moves for another reason."""
    story = Story()

    story.hear(ev.MemberGone("node-b"))
    story.hear(ev.MemberPresent("node-b", b""))
    story.order(moved())

    assert story.causes() == {Cause.PREFERRED: 1}


def test_moves_between_others_are_theirs_to_count() -> None:
    """So that the sum over all nodes is the number of moves."""
    story = Story()

    story.order(fx.OwnerChanged(VIP, "node-b", "node-c"), fx.OwnerChanged(OTHER, "node-b", None))
    story.order(fx.OwnerChanged(OTHER, "node-a", None))

    assert story.causes() == {}
    assert story.moves.told()["withdrawn"] == 1


def test_conflicts_are_counted_by_kind() -> None:
    """Strangers are the operator's to find, members settle it among themselves."""
    story = Story()

    story.order(
        fx.ConflictNoticed(VIP, "02:00:00:00:00:01", "eth0", None),
        fx.ConflictNoticed(VIP, "02:00:00:00:00:02", "eth0", "node-b"),
        fx.Yielded(VIP, "node-b", "02:00:00:00:00:02"),
        fx.AddressInUse(VIP, "02:00:00:00:00:01", "eth0"),
    )

    assert story.moves.told()["conflicts"] == {"member": 1, "stranger": 1, "yielded": 1, "in_use": 1}


def test_members_that_never_come_back_are_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes of a cluster that grows and shrinks have ever new names. Those gone last are remembered."""
    monkeypatch.setattr(moves, "GONE_MAX", 2)
    story = Story()
    for name in ("node-b", "node-c", "node-d"):
        story.hear(ev.MemberGone(name, has_failed=name != "node-c"), now=10.0)

    for name in ("node-b", "node-c", "node-d"):
        story.order(moved(previous=name), now=10.0)

    assert story.causes() == {Cause.PREFERRED: 1, Cause.PLANNED: 1, Cause.FAILURE: 1}


def test_who_failed_and_is_then_said_to_have_left_has_failed_no_more() -> None:
    story = Story()
    story.hear(ev.MemberGone("node-b"), now=10.0)
    story.hear(ev.MemberGone("node-b", has_failed=False), now=11.0)

    story.order(moved(), now=11.0)

    assert story.causes() == {Cause.PLANNED: 1}
