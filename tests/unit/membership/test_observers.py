from __future__ import annotations

from dataclasses import replace

import pytest

from membership import (
    Cause,
    Effect,
    MemberFailed,
    MemberSuspected,
    Observation,
    PaceChanged,
    PacketUnsendable,
    Profile,
    normal,
)
from membership.circle import Circle
from membership.wire.messages import Ack, Alive, Dead, Ping, Suspect
from tests.unit.membership.playbook import VERSIONS, Playbook, alive, endpoint, number_of, sent, told

PROFILE = replace(normal(), probe_interval=1000.0, push_pull_interval=1000.0, reconnect_interval=1000.0)


def pings(effects: list[Effect]) -> list[Ping]:
    return [message for _, message in sent(effects) if isinstance(message, Ping)]


class Watch(Playbook):
    """Others answer every ping at once, but for those that are silent."""

    def __init__(self, *others: str, profile: Profile = PROFILE) -> None:
        self.silent: set[str] = set()
        super().__init__(*others, profile=profile)

    def run_until(self, end: float) -> list[Effect]:
        effects: list[Effect] = []
        while (due := self.memberlist.next_deadline()) is not None and due <= end:
            effects += self.advance(due)
        return effects

    def advance(self, now: float) -> list[Effect]:
        effects = self.memberlist.advance(now)
        for ping in pings(effects):
            if ping.node not in self.silent:
                source = endpoint(number_of(ping.node))
                effects += self.hear(now, Ack(ping.sequence), source=source)
        return effects


def test_pings_those_it_observes_all_the_time() -> None:
    """Each once in an interval; nothing else is sent at rest."""
    watch = Watch("node-b", "node-c")

    effects = watch.run_until(2.0 + 10 * PROFILE.observe_interval)

    counts = {name: [ping.node for ping in pings(effects)].count(name) for name in ("node-b", "node-c")}
    assert set(counts.values()) == {10}
    assert len(sent(effects)) == 20


def test_its_round_falls_together_with_that_of_others() -> None:
    """A ping that comes shortly before the round lets it begin at once; one that comes just after it does not."""
    watch = Watch("node-b", "node-c")
    due = watch.memberlist.next_deadline()
    assert due is not None

    early = watch.hear(due - 0.3 * PROFILE.observe_interval, Ping(1, "node-a"))
    nearly = watch.hear(due - 0.1 * PROFILE.observe_interval, Ping(2, "node-a"))

    assert [len(pings(effects)) for effects in (early, nearly)] == [0, 2]


def test_accuses_the_silent_and_says_what_it_has_seen() -> None:
    """After as many misses, and as long a silence, as the profile says; the accused and its observers hear first."""
    watch = Watch("node-b", "node-c")
    watch.silent = {"node-c"}

    effects = watch.run_until(3.0)

    (suspected,) = told(effects, MemberSuspected)
    assert (suspected.name, suspected.accuser) == ("node-c", "node-a")
    assert suspected.observation is not None
    assert suspected.observation.misses >= PROFILE.observe_misses
    assert suspected.observation.silent_for >= PROFILE.observe_silence
    accusation = Suspect(1, "node-c", "node-a")
    assert {target for target, message in sent(effects) if message == accusation} == {
        endpoint(2),
        endpoint(3),
    }
    # One of two observers is no majority.
    assert told(effects, MemberFailed) == []


def test_a_majority_of_the_observers_decides() -> None:
    """With its fellow observer's word the verdict comes at once, but for the time to refute."""
    watch = Watch("node-b", "node-c")
    watch.silent = {"node-c"}
    watch.run_until(3.0)

    effects = watch.hear(3.0, Suspect(1, "node-c", "node-b"))
    effects += watch.run_until(3.0 + PROFILE.observe_timeout)

    (failed,) = told(effects, MemberFailed)
    assert (failed.name, set(failed.accusers), failed.cause) == (
        "node-c",
        {"node-a", "node-b"},
        Cause.OBSERVERS,
    )
    assert failed.observation is not None
    assert Dead(1, "node-c", "node-a") in [message for _, message in sent(effects)]


def test_two_members_judge_each_other_alone() -> None:
    """There is nobody else; within half a second it is over."""
    watch = Watch("node-b")
    watch.silent = {"node-b"}

    effects = watch.run_until(2.6)

    assert [(failed.name, failed.accusers) for failed in told(effects, MemberFailed)] == [
        ("node-b", ("node-a",))
    ]


def test_a_refutation_cancels_the_votes() -> None:
    """Then it takes new accusations, of the new incarnation."""
    watch = Watch("node-b", "node-c")
    watch.silent = {"node-c"}
    watch.run_until(2.5)

    effects = watch.hear(2.5, alive("node-c", incarnation=2), source=endpoint(3))
    watch.silent = set()
    effects += watch.hear(2.5, Suspect(1, "node-c", "node-b"))
    effects += watch.run_until(4.0)

    assert told(effects, MemberFailed) == []
    assert told(effects, MemberSuspected) == []


def test_the_word_of_others_is_no_vote() -> None:
    """Only observers decide; with 20 members node-a need not believe the first three that come along."""
    others = [f"node-{letter}" for letter in "bcdefghijk"]
    watch = Watch(*others)
    suspect = "node-k"
    observers = set(Circle(["node-a", *others], lambda name: True).observers_of(suspect, 3))
    bystanders = [name for name in others if name not in observers and name != suspect][:4]

    effects: list[Effect] = []
    for name in bystanders:
        effects += watch.hear(3.0, Suspect(1, suspect, name))
    effects += watch.run_until(3.2)

    assert told(effects, MemberFailed) == []


def test_anything_that_is_heard_from_a_member_counts() -> None:
    """A member whose acks are lost, but that asks after us itself, is not accused."""
    watch = Watch("node-b", "node-c")
    watch.silent = {"node-c"}

    effects: list[Effect] = []
    for number in range(20):
        now = 2.0 + number * 0.1
        effects += watch.hear(now, Ping(number + 1, "node-a"), source=endpoint(3))

    assert told(effects, MemberSuspected) == []


def test_whoever_is_perhaps_not_heard_accuses_nobody() -> None:
    """Not to the other observers either; and it has its vote again when it is heard."""
    watch = Watch("node-b", "node-c", "node-d")
    watch.silent = {"node-b", "node-c", "node-d"}

    effects = watch.hear(2.1, Suspect(1, "node-a", "node-b"))
    for tenth in range(22, 32):
        effects += watch.hear(tenth / 10, alive("node-b"), alive("node-d"), source=endpoint(2))
    accusations = [message for _, message in sent(effects) if isinstance(message, Suspect)]
    watch.silent = {"node-c"}
    watch.run_until(3.4)
    effects = watch.run_until(5.0)

    assert accusations == []
    assert [one.name for one in told(effects, MemberSuspected)] == ["node-c"]


def test_it_accuses_anew_who_has_refuted_unheard() -> None:
    """The accusation of a higher incarnation is all that it hears of the refutation."""
    watch = Watch("node-b", "node-c")
    watch.silent = {"node-c"}
    watch.run_until(3.0)

    effects = watch.hear(3.0, Suspect(2, "node-c", "node-b"))
    effects += watch.run_until(5.0)

    assert told(effects, MemberFailed)[0].incarnation == 2
    assert Suspect(2, "node-c", "node-a") in [message for _, message in sent(effects)]


@pytest.mark.parametrize("count", [20, 60])
def test_many_deaths_at_once_are_judged_as_one_is(count: int) -> None:
    """Though not each of them anew with every accusation, when there are many."""
    names = [f"node-{number:03}" for number in range(100)]
    watch = Playbook(profile=PROFILE)
    watch.hear(
        2.0, *(Alive(1, name, bytes((10, 0, 0, at)), 7946, b"", VERSIONS) for at, name in enumerate(names))
    )
    circle = Circle(["node-a", *names], lambda name: True)
    observers = {name: circle.observers_of(name, PROFILE.observers) for name in names}
    dead = [name for name in names if "node-a" not in observers[name]][:count]
    accusers = {name: [one for one in observers[name] if one not in dead] for name in dead}

    effects = watch.hear(2.01, *(Suspect(1, name, one) for name in dead for one in accusers[name]))
    effects += watch.run_until(2.01 + PROFILE.observe_timeout)

    judged = {one.name for one in told(effects, MemberFailed) if one.cause == Cause.OBSERVERS}
    assert judged == {name for name in dead if len(accusers[name]) > PROFILE.observers // 2}
    assert len(judged) > count / 3


def test_whoever_was_late_itself_accuses_nobody() -> None:
    """All that was missed while it slept starts over."""
    watch = Watch("node-b", "node-c")
    watch.silent = {"node-c"}
    effects = watch.run_until(2.3)

    for start in (2.3, 2.6, 2.9, 3.2):
        effects += watch.memberlist.advance(start + 0.29)

    assert told(effects, MemberSuspected) == []


@pytest.mark.parametrize(("reason", "is_sooner"), [("ECONNREFUSED", True), ("EMSGSIZE", False)])
def test_a_refusal_is_evidence(reason: str, is_sooner: bool) -> None:
    """A host that says that nobody listens is believed three times as soon; not every error says that."""
    watch = Watch("node-b", "node-c")
    watch.silent = {"node-c"}
    effects: list[Effect] = []

    for step in range(50):
        effects += watch.run_until(2.1 + step * 0.005)
        effects += watch.at(2.1 + step * 0.005, PacketUnsendable(endpoint(3), reason))

    found = [suspected.observation for suspected in told(effects, MemberSuspected)]
    assert bool(found) == is_sooner
    assert all(isinstance(seen, Observation) and seen.is_refused for seen in found)


def test_memberlists_pace_while_others_are_in_the_ring() -> None:
    """As soon as somebody is there that does not say it can keep ours, and until it has gone."""
    play = Playbook(profile=PROFILE, capability_prefix=b"quick")

    effects = play.hear(3.0, alive("node-b", meta=b"quick and more"), alive("node-c"))
    assert told(effects, PaceChanged) == [PaceChanged("lan", ("node-c",))]
    effects = play.hear(4.0, Dead(1, "node-c", "node-c"))
    assert told(effects, PaceChanged) == [PaceChanged("normal", ())]
