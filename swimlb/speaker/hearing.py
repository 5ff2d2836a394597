"""Does the owner of an address hear who asks for it? A few other members ask, now and then (`swimlb.speaker.deafness`).

A node may live, gossip, announce its addresses, and yet get no question of ARP or neighbor discovery: a filter, a switch that
polices broadcasts, a driver that lost its multicast list. Nobody who has not asked before can reach it.

Members stand in a circle, as for observing (`membership.circle`), and each asks those that it would observe: three at
most, whatever the size of the ring and the count of addresses. A round:

    resting ──interval──► asking ──five questions 0.3 s apart to who has not answered, 0.6 s of silence──► judged ──► resting

A question is missed when nobody has answered it, though

    - the member has been heard about this very address on an interface of ours, by announcement or answer: so both stand
      on one LAN, and it is no address that is announced elsewhere. It has to be one on which questions can be asked: by
      IPv6, not before it has an address of its own;
    - another member was heard on the same interface in the same round: so it is not us who do not hear. Where no other
      member has anything to be asked for, the member's own announcements must have been heard between the misses.
    - this node has run on time.

After three misses in a row the member is *unanswering*, which is told to the ring. It is asked on, and no longer so when
it answers, but for a minute at least. Whoever is said to be that by anybody is asked on by the others, too, although it
may own nothing any more: so the verdict does not end with one of those who found it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from typing import TypeAlias

from membership.circle import Circle
from swimlb.model import IpAddress
from swimlb.speaker.deafness import accusers, address_to_ask
from swimlb.speaker.effects import AnsweredAgain, Effect, Solicit, Unanswered, Unwatch, Watch
from swimlb.speaker.events import ClaimHeard
from swimlb.speaker.presence import UNANSWERING_MAX, Presence

ASKED_MEMBERS = 3

INTERVAL = 6.0
"""From one round to the next: three of them, and the time to agree, are about 20 s."""

QUESTIONS = 5
QUESTION_INTERVAL = 0.3
"""Of five questions in 1.2 s one is answered with 20 % of frames lost each way, but for 0.6 % of the rounds, and in spite
of a stall of 300 ms."""

SILENCE = 0.6
"""From the last question to the verdict of the round: longer than anybody stalls whom gossip takes for alive."""

MISSES = 3

HOLD = 60.0
"""How long a member is unanswering at least: an address that moves to and fro is worse than one that moves late."""

SETTLED_AFTER = 5.0
"""A member owns an address for so long before it is asked for it: takeovers are over then, and handovers, too."""

LATENESS_MAX = 0.25
"""A node that runs later than this may be the one that has missed the answers: the round is void."""

UNPROVEN_ROUNDS = 12
"""How long an address is asked for that its owner is never heard about, before another one is tried: longer than owners take
to refresh their announcements, after which there is either proof or no hope."""

_CHOICE_MAX = 16
"""Among so many addresses of a member a node chooses, so that three nodes hardly ever ask for the same one."""

_Key: TypeAlias = tuple[str, int]
"""A member, and a version of IP."""


@dataclass(slots=True)
class _Question:
    """What a member is asked for, by one version of IP."""

    address: IpAddress
    heard_on: set[str] = field(default_factory=set[str])
    """Interfaces on which the member itself was heard about the address, and can be asked."""
    is_answered: bool = False
    is_disputed: bool = False
    """In this round another member has spoken for the address: it is on the move."""
    rounds: int = 0
    misses: int = 0
    witnessed: int = 0
    """The last so many of the misses, in which others were heard. In the rest there was nobody else to be asked."""
    missing_since: float = 0.0
    has_announced: bool = False
    """Since the first miss: so this node hears."""


@dataclass(slots=True)
class _Unanswering:
    since: float
    versions: set[int]


class HearingChecks:
    """Asks, and knows who does not answer. The core tells it who is there and who owns what."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._presences: dict[str, Presence] = {}
        self._circle = Circle((node,), self._is_known)
        self._owned: dict[_Key, dict[IpAddress, float]] = {}
        """By owner: since when each address is its."""
        self._questions: dict[_Key, _Question] = {}
        self._keys: dict[IpAddress, _Key] = {}
        """Of the questions, by address: all that is watched."""
        self._unanswering: dict[str, _Unanswering] = {}
        self._witnesses: set[tuple[str, str]] = set()
        """Members that were heard in this round, each with the interface."""
        self._turn = int.from_bytes(sha256(node.encode()).digest()[:4], "big")
        self._next_round: float | None = None
        self._begun_at = 0.0
        self._asked = 0
        self._due: float | None = None
        """Within a round: the next question, or the verdict."""

    @property
    def unanswering(self) -> tuple[str, ...]:
        """Members that do not answer this node."""
        return tuple(self._unanswering)

    def is_asked_for(self, address: IpAddress) -> bool:
        """Whether it is watched because another member is asked for it."""
        return address in self._keys

    # What is known

    def start(self, now: float) -> None:
        """From now on this node asks. Nodes that start together do not ask together."""
        if self._next_round is None:
            self._next_round = now + INTERVAL * (1.0 + self._turn / 2**32)

    def stop(self) -> list[Effect]:
        """Ask no more, and accuse nobody."""
        self._next_round = self._due = None
        self._unanswering.clear()
        return [effect for key in list(self._questions) for effect in self._end(key)]

    def member_present(self, name: str, presence: Presence) -> None:
        was, self._presences[name] = self._presences.get(name), presence
        if was is None or not _may_ask(was):
            if _may_ask(presence):
                self._circle.add(name)
        elif not _may_ask(presence):
            self._circle.remove(name)
        if was is not None and was.links != presence.links:
            self._doubt(name)

    def member_gone(self, name: str) -> list[Effect]:
        was = self._presences.pop(name, None)
        if was is not None and _may_ask(was):
            self._circle.remove(name)
        self._unanswering.pop(name, None)
        return [effect for version in (4, 6) for effect in self._end((name, version))]

    def links_changed(self) -> None:
        """What was heard on an interface says nothing about another one, or about the same one elsewhere."""
        for name, _ in self._questions:
            self._doubt(name)

    def owner_changed(
        self, address: IpAddress, previous: str | None, owner: str | None, now: float
    ) -> list[Effect]:
        """An address is another node's by the plan. What was asked of the previous one is void."""
        if previous is not None and (owned := self._owned.get((previous, address.version))) is not None:
            owned.pop(address, None)
            if not owned:
                del self._owned[previous, address.version]
        if owner is not None and owner != self._node:
            self._owned.setdefault((owner, address.version), {})[address] = now
        key = self._keys.get(address)
        return self._end(key) if key is not None and key[0] != owner else []

    # What is heard

    def hear(self, claim: ClaimHeard, member: str | None) -> None:
        """Somebody has spoken for an address; `member` is who that was, None for a stranger."""
        key = self._keys.get(claim.address)
        if key is None:
            return
        question, name = self._questions[key], key[0]
        if member is not None:
            self._witnesses.add((member, claim.interface))
        if member not in (name, None):
            question.is_disputed = True
        elif claim.is_answer:
            question.is_answered = True
        if member == name:
            if claim.can_ask:
                question.heard_on.add(claim.interface)
            else:
                question.heard_on.discard(claim.interface)
            question.has_announced = not claim.is_answer or question.has_announced

    # Time

    def next_deadline(self) -> float | None:
        return self._due if self._due is not None else self._next_round

    def advance(self, now: float) -> list[Effect]:
        """Ask what is due, or judge. After a judgement `unanswering` may be another."""
        due = self.next_deadline()
        if due is None or now < due:
            return []
        if self._due is None:
            return self._begin(now)
        if now - due > LATENESS_MAX:
            self._rest(now)
            return []
        if self._asked < QUESTIONS:
            return self._ask(now)
        self._rest(now)
        return self._judge(now)

    def _begin(self, now: float) -> list[Effect]:
        self._begun_at, self._next_round = now, now + INTERVAL
        self._witnesses.clear()
        effects = list(self._revise(now))
        for question in self._questions.values():
            question.is_answered = question.is_disputed = False
        if not self._questions:
            return effects
        self._asked = 0
        return effects + self._ask(now)

    def _rest(self, now: float) -> None:
        assert self._next_round is not None
        self._due, self._next_round = None, max(self._next_round, now + SILENCE)

    def _ask(self, now: float) -> list[Effect]:
        self._asked += 1
        self._due = now + (QUESTION_INTERVAL if self._asked < QUESTIONS else SILENCE)
        return [
            Solicit(question.address) for question in self._questions.values() if not question.is_answered
        ]

    # Whom, and for what

    def _revise(self, now: float) -> Iterator[Effect]:
        """Decide what is asked for in this round. As long as nothing changes, it is what it was: a filter hangs on it."""
        wanted = dict(self._wanted(now))
        for key in [key for key, question in self._questions.items() if wanted.get(key) != question.address]:
            yield from self._end(key)
        for key, address in wanted.items():
            if key not in self._questions and address not in self._keys:
                self._questions[key], self._keys[address] = _Question(address), key
                yield Watch(address)

    def _wanted(self, now: float) -> Iterator[tuple[_Key, IpAddress]]:
        for name in {**dict.fromkeys(self._charges()), **self._unanswering}:
            is_accused = bool(accusers(name, self._presences))
            own = self._unanswering.get(name)
            for version in (4, 6):
                key = name, version
                address = self._choose(key, now)
                if address is None and (is_accused if own is None else version in own.versions):
                    address = address_to_ask(name, version)
                if address is not None:
                    yield key, address

    def _charges(self) -> list[str]:
        # Who knows of a stranger on its addresses need not answer for them.
        return [
            name
            for name in self._circle.charges_of(self._node, ASKED_MEMBERS)
            if not self._presences[name].is_in_doubt
        ]

    def _choose(self, key: _Key, now: float) -> IpAddress | None:
        owned = self._owned.get(key)
        if not owned:
            return None
        question = self._questions.get(key)
        if question is not None and question.address in owned:
            if question.heard_on or question.rounds < UNPROVEN_ROUNDS:
                return question.address
            self._turn += 1
        chosen = next(islice(owned, self._turn % min(len(owned), _CHOICE_MAX), None))
        return chosen if owned[chosen] + SETTLED_AFTER <= now else None

    def _is_known(self, name: str) -> bool:
        """Nobody else is in the circle, so there is nobody to be left out."""
        return name == self._node or name in self._presences

    def _doubt(self, name: str) -> None:
        for version in (4, 6):
            if (question := self._questions.get((name, version))) is not None:
                question.heard_on.clear()
                _forgive(question)

    def _end(self, key: _Key) -> list[Effect]:
        question = self._questions.pop(key, None)
        if question is None:
            return []
        del self._keys[question.address]
        return [Unwatch(question.address)]

    # The verdict

    def _judge(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for key, question in self._questions.items():
            question.rounds += 1
            if question.is_answered or question.is_disputed or not question.heard_on:
                _forgive(question)
            elif self._has_witness(key[0], question):
                self._miss(question, is_witnessed=True)
            elif self._could_have_witness(key[0], question):
                _forgive(question)
            else:
                self._miss(question, is_witnessed=False)
            if _is_certain(question):
                effects += self._accuse(key, question, now)
        return [*effects, *self._acquit(now)]

    def _miss(self, question: _Question, *, is_witnessed: bool) -> None:
        if question.misses == 0:
            question.missing_since, question.has_announced = self._begun_at, False
        question.misses += 1
        question.witnessed = question.witnessed + 1 if is_witnessed else 0

    def _has_witness(self, name: str, question: _Question) -> bool:
        return any(member != name and interface in question.heard_on for member, interface in self._witnesses)

    def _could_have_witness(self, name: str, question: _Question) -> bool:
        """Whether another member is asked that this node has heard where it hears this one."""
        return any(
            other != name and not one.heard_on.isdisjoint(question.heard_on)
            for (other, _), one in self._questions.items()
        )

    def _accuse(self, key: _Key, question: _Question, now: float) -> list[Effect]:
        name, version = key
        if (known := self._unanswering.get(name)) is not None:
            known.versions.add(version)
            return []
        if len(self._unanswering) >= UNANSWERING_MAX:
            return []
        self._unanswering[name] = _Unanswering(now, {version})
        return [Unanswered(name, question.address, now - question.missing_since)]

    def _acquit(self, now: float) -> list[Effect]:
        """Who has answered in this round, by all that it did not answer by, is done with."""
        effects: list[Effect] = []
        for name, one in list(self._unanswering.items()):
            asked = [self._questions.get((name, version)) for version in one.versions]
            has_answered = all(question is not None and question.is_answered for question in asked)
            if has_answered and now - one.since >= HOLD:
                del self._unanswering[name]
                effects.append(AnsweredAgain(name, now - one.since))
        return effects


def _may_ask(presence: Presence) -> bool:
    """Asks others, and is asked: a member that takes part, is at work, and has an interface."""
    return presence.is_hearing_checked and not (
        presence.is_joining or presence.is_leaving or presence.is_cut_off
    )


def _forgive(question: _Question) -> None:
    question.misses = question.witnessed = 0
    question.has_announced = False


def _is_certain(question: _Question) -> bool:
    """Three misses that somebody else was heard beside; or three, and announcements of its own among them."""
    return question.witnessed >= MISSES or (question.misses >= MISSES and question.has_announced)
