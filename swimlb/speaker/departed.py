"""Is a host still there whose speaker has said goodbye? Its kernel knows connections until it is switched off.

    said goodbye ──asked twice a second, and answers──► there ──six questions without an answer──► gone
         └──────────────────────────── at the latest after 30 s ──────────────────────────────────► gone

Who has never answered may be where the questions do not get, or answers none of their kind: of that one only time tells.
"""

from __future__ import annotations

from dataclasses import dataclass

from swimlb.model import IpAddress
from swimlb.speaker.deadlines import Deadlines
from swimlb.speaker.effects import Effect, Solicit, Unwatch, Watch

QUESTION_INTERVAL = 0.5
MISSES = 6
"""In a row, three seconds: with 20 % of frames lost each way a host that is there misses so many once in 450 times."""


@dataclass(slots=True)
class _Question:
    address: IpAddress
    has_answered: bool = False
    missed: int = 0
    """Since the last answer."""


class Departed:
    """Members that have left the ring, until they come back or are gone for good."""

    def __init__(self, goodbye_max: float) -> None:
        """`goodbye_max`: seconds after which who has left is gone, whether it answers or not."""
        self._goodbye_max = goodbye_max
        self._until: Deadlines[str] = Deadlines()
        self._ask_at: Deadlines[str] = Deadlines()
        self._questions: dict[str, _Question] = {}
        self._members: dict[IpAddress, str] = {}
        """Of the questions, by address: all that is watched."""
        self._is_over = False

    def next_deadline(self) -> float | None:
        deadlines = (self._until.next(), self._ask_at.next())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def leave(self, member: str, address: IpAddress | None, now: float) -> list[Effect]:
        """`address`: the host's own, to be asked for; None: it is not asked."""
        effects = self.forget(member)
        self._until.set(member, now + self._goodbye_max)
        if address is None or address in self._members or self._is_over:
            return effects
        self._questions[member], self._members[address] = _Question(address), member
        return [*effects, Watch(address), *self._ask(member, now)]

    def forget(self, member: str) -> list[Effect]:
        """It has come back, or is of no interest any more."""
        self._until.discard(member)
        return self._end(member)

    def leave_alone(self, address: IpAddress) -> list[Effect]:
        """Nobody is asked for it any more: it is wanted for something else."""
        member = self._members.get(address)
        return [] if member is None else self._end(member)

    def ask_nobody(self) -> list[Effect]:
        """From now on only time tells."""
        self._is_over = True
        return [effect for member in list(self._questions) for effect in self._end(member)]

    def hear(self, address: IpAddress) -> None:
        """Whoever has the address has said so."""
        if (member := self._members.get(address)) is not None:
            question = self._questions[member]
            question.has_answered, question.missed = True, 0

    def advance(self, now: float) -> tuple[list[str], list[Effect]]:
        """Who is gone, and the questions that are due."""
        gone = self._until.take(now, len(self._until))
        effects = [effect for member in gone for effect in self._end(member)]
        for member in self._ask_at.take(now, len(self._ask_at)):
            question = self._questions[member]
            if question.has_answered and question.missed >= MISSES:
                gone.append(member)
                effects += self.forget(member)
            else:
                effects += self._ask(member, now)
        return gone, effects

    def _ask(self, member: str, now: float) -> list[Effect]:
        question = self._questions[member]
        question.missed += 1
        self._ask_at.set(member, now + QUESTION_INTERVAL)
        return [Solicit(question.address)]

    def _end(self, member: str) -> list[Effect]:
        question = self._questions.pop(member, None)
        if question is None:
            return []
        self._ask_at.discard(member)
        del self._members[question.address]
        return [Unwatch(question.address)]
