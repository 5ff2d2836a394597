"""Other stations that claim an address which is this node's by the plan, and what is done about each kind.

    a member, present     gossip is about to tell one of us otherwise, as when all start at once and each knows only a
                          few yet: announce again in a moment, and report it if it goes on after that
    a member gossip lost  the cut is in gossip only, nobody will tell us: the better-ranked one keeps the address and
                          announces again at once, the other one yields, and reports it if gossip does not find the member
                          in a moment: it may have just come back
    any member, while     nobody will hear this node's claims either: yield what the other claims, and take over nothing,
    this node is not      until somebody hears this node again (`membership.reception`)
    heard by the others
    who has just left     its last words: announce again in a moment
    a stranger            in a moment, if gossip has not told by then that it is a member: report, and defend at the rate
                          of RFC 5227 section 2.4

    announced ──a better member is heard──► yielded ──the plan moves on──► (another's)
        ▲                                      │ asks on the LAN once a second
        └────────nobody has answered for a while┘

While an address is yielded it is announced by a node that this one's gossip does not know to be alive, so nobody would
tell that node's death: that is why it is asked for on the wire.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from swimlb.model import IpAddress
from swimlb.speaker.config import Config
from swimlb.speaker.deadlines import Deadlines
from swimlb.speaker.effects import (
    AnnounceAgain,
    Ask,
    ConflictNoticed,
    Defend,
    Effect,
    Unwatch,
    Watch,
    Yielded,
)
from swimlb.speaker.events import ClaimHeard

DEFENCE_DELAY = 0.5
"""From hearing a claim to announcing again, where gossip may be about to name the claimant as the better owner: who has just
joined is heard on the LAN first now and then.

At once would be wrong: then the last announcement on the wire would be that of a node which is about to let go.
"""

REPORT_INTERVAL = 10.0
"""The same rival is reported at most this often: it may be as talkative as it likes."""

RIVALS_MAX = 4
"""So many rivals for one address are told apart within an interval: somebody may be making MACs up."""

RIVAL_MEMORY = 5.0
"""A member that claimed an address this short a time ago announces it still: takeovers take as long."""

ASK_INTERVAL = 1.0
SILENCE_MAX = 3.5
"""A yielded address that nobody has claimed or answered for this long, three questions, has no owner."""


class Claimant(Enum):
    """Who claims an address, from where this node stands."""

    STRANGER = auto()
    DEPARTED = auto()
    PRESENT = auto()
    LOST_WORSE = auto()
    LOST_BETTER = auto()
    HEARD_INSTEAD = auto()
    """Any member, while the others do not hear this node."""


Recognize = Callable[[ClaimHeard, float], tuple[Claimant, str | None]]
"""Who claims that, and which member that is, as far as it is known by now; with the time when it was heard."""


class Conflicts:
    """What is going on about which address. The core holds the addresses themselves."""

    def __init__(self, config: Config) -> None:
        self._changes_per_turn = config.changes_per_turn
        self._defend_at: Deadlines[IpAddress] = Deadlines()
        self._first_heard: dict[IpAddress, tuple[float, str]] = {}
        """Claims of members that are present: since when, and whose was the first."""
        self._suspicions: dict[IpAddress, dict[str, tuple[float, ClaimHeard]]] = {}
        """First claims of those that nobody knows so far, by MAC, until the address is defended."""
        self._reported_at: dict[IpAddress, dict[str, float]] = {}
        """By address and MAC."""
        self._yielded: dict[IpAddress, bool] = {}
        """Whether it was because nobody hears this node, and not because the other one is better."""
        self._untold: dict[IpAddress, tuple[ClaimHeard, str]] = {}
        """What was yielded just now, to whose claim: gossip may be about to find that member again."""
        self._ask_at: Deadlines[IpAddress] = Deadlines()
        self._silent_at: Deadlines[IpAddress] = Deadlines()
        """Of the yielded ones, unless somebody is heard. It does not count while this node is not heard itself."""
        self._rivals: dict[IpAddress, tuple[float, ClaimHeard, str]] = {}
        """The last claim of a member to an address that is announced here, if this node has not answered to it yet."""
        self._is_heard = True

    def is_yielded(self, address: IpAddress) -> bool:
        return address in self._yielded

    def hear(self, claim: ClaimHeard, claimant: Claimant, member: str | None, now: float) -> list[Effect]:
        """A claim to an announced address. If it is yielded, it is the core's part to withdraw the address."""
        address = claim.address
        if member is None:
            if claimant is not Claimant.DEPARTED:
                self._suspect(claim, now)
            self._defend_later(address, now)
            return []
        self._rivals[address] = now, claim, member
        match claimant:
            case Claimant.LOST_BETTER | Claimant.HEARD_INSTEAD:
                self.forget(address)
                self._yielded[address] = claimant is Claimant.HEARD_INSTEAD
                self._untold[address] = claim, member
                self._ask_at.set(address, now + ASK_INTERVAL)
                self._silent_at.set(address, now + SILENCE_MAX)
                return [Watch(address)]
            case Claimant.LOST_WORSE:
                # The last announcement on the wire has to be the winner's.
                self._rivals.pop(address, None)
                return [*self._report(claim, member, now), AnnounceAgain(address)]
            case _:
                self._defend_later(address, now)
                return [] if self._is_first(address, member, now) else self._report(claim, member, now)

    def _report(self, claim: ClaimHeard, member: str | None, now: float) -> list[Effect]:
        """To people, unless that has been done a short time ago."""
        if not self._is_news(claim, now):
            return []
        return [ConflictNoticed(claim.address, claim.mac, claim.interface, member)]

    def _suspect(self, claim: ClaimHeard, now: float) -> None:
        suspicions = self._suspicions.setdefault(claim.address, {})
        if len(suspicions) < RIVALS_MAX:
            suspicions.setdefault(claim.mac, (now, claim))

    def _defend_later(self, address: IpAddress, now: float) -> None:
        if address not in self._defend_at:
            self._defend_at.set(address, now + DEFENCE_DELAY)

    def _is_first(self, address: IpAddress, member: str, now: float) -> bool:
        """Whether members have not claimed the address before, or only in this moment."""
        first, _ = self._first_heard.get(address, (None, ""))
        if first is None or now - first >= REPORT_INTERVAL:
            first = now
            self._first_heard[address] = first, member
        return now - first < DEFENCE_DELAY

    def _is_news(self, claim: ClaimHeard, now: float) -> bool:
        reported = {
            mac: at
            for mac, at in self._reported_at.get(claim.address, {}).items()
            if now - at < REPORT_INTERVAL
        }
        self._reported_at[claim.address] = reported
        if claim.mac in reported or len(reported) >= RIVALS_MAX:
            return False
        reported[claim.mac] = now
        return True

    def forgive(self, member: str) -> None:
        """What this member has claimed so far does not count against it."""
        for address in [address for address, (_, first) in self._first_heard.items() if first == member]:
            del self._first_heard[address]

    def hear_yielded(self, address: IpAddress, now: float) -> None:
        """The address is in good hands still."""
        self._silent_at.set(address, now + SILENCE_MAX)

    def forget(self, address: IpAddress) -> None:
        """The address is not announced any more: there is nothing to defend."""
        self._defend_at.discard(address)
        self._first_heard.pop(address, None)
        self._suspicions.pop(address, None)
        self._rivals.pop(address, None)
        self._reported_at.pop(address, None)

    def end_yield(self, address: IpAddress) -> list[Effect]:
        del self._yielded[address]
        self._untold.pop(address, None)
        self._ask_at.discard(address)
        self._silent_at.discard(address)
        return [Unwatch(address)]

    def yielded(self) -> tuple[IpAddress, ...]:
        return tuple(self._yielded)

    # Whether this node is heard

    @property
    def is_heard(self) -> bool:
        return self._is_heard

    def end_reception(self, now: float) -> list[tuple[ClaimHeard, str]]:
        """Nobody hears this node: these claims of a moment ago are to be yielded to.

        Not those that it has defended an address against since: if the other one heard that, it has yielded itself.
        """
        self._is_heard = False
        return [(claim, member) for at, claim, member in self._rivals.values() if now - at <= RIVAL_MEMORY]

    def begin_reception(self, now: float) -> list[Effect]:
        """Somebody hears this node again: what it yielded for that reason is its own."""
        self._is_heard = True
        effects: list[Effect] = []
        for address, is_unheard in list(self._yielded.items()):
            self._silent_at.set(address, now + SILENCE_MAX)
            if is_unheard:
                effects += self.end_yield(address)
        return effects

    def silent(self, now: float) -> list[IpAddress]:
        """Yielded addresses that nobody has, to be yielded no more. Who is not heard asks in vain, and learns nothing
        from silence."""
        return self._silent_at.take(now, self._changes_per_turn) if self._is_heard else []

    def advance(self, now: float, recognize: Recognize) -> list[Effect]:
        """Defences and questions that are due. To be called after the end of silent yields."""
        effects: list[Effect] = []
        for address in self._defend_at.take(now, self._changes_per_turn):
            self._rivals.pop(address, None)
            suspicions = self._suspicions.pop(address, {}).values()
            found = [(claim, *recognize(claim, heard_at)) for heard_at, claim in suspicions]
            for claim, claimant, member in found:
                if member is None and claimant is not Claimant.DEPARTED:
                    effects += self._report(claim, None, now)
            is_strangers = any(claimant is Claimant.STRANGER for _, claimant, _ in found)
            effects.append(Defend(address) if is_strangers else AnnounceAgain(address))
        for address in self._ask_at.take(now, self._changes_per_turn):
            self._ask_at.set(address, now + ASK_INTERVAL)
            if untold := self._untold.pop(address, None):
                claim, member = untold
                effects += [*self._report(claim, member, now), Yielded(address, member, claim.mac)]
            effects.append(Ask(address))
        return effects

    def next_deadline(self) -> float | None:
        silence = self._silent_at.next() if self._is_heard else None
        deadlines = (self._defend_at.next(), self._ask_at.next(), silence)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)
