"""Before an address is announced for the first time: has somebody got it already? (RFC 5227 section 2.1, RFC 4862)

    wanted ──► waiting ──a place is free──► asking ──two questions, then silence──► announced
                  ▲                           │ a stranger answers
                  └────────── 10 s ──── in use, told with the MAC

A node announces at once, and this machine has no part in it, what it has announced before in this life and what another
member held just before: that one has asked. Nobody has asked yet where all start together, and a member that knows
of a stranger on an address does not vouch for what it owns; both say so in their gossip meta.

A member that answers is no stranger: the address is announced, and `swimlb.speaker.conflicts` settles who keeps it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType

from swimlb.model import IpAddress
from swimlb.speaker.deadlines import Deadlines
from swimlb.speaker.effects import AddressFree, AddressInUse, Ask, Effect, Unwatch, Watch
from swimlb.speaker.events import ClaimHeard

QUESTIONS = 2
"""RFC 5227 asks three times within some seconds, for links whose switches are still waking up. These have been up for a
while, so the second question is there for a frame that was lost, and a third one would only be silence."""

QUESTION_INTERVAL = 0.1

SILENCE = 0.2
"""From the last question to being believed that nobody answers: kernels do within 1 ms, a small device within 100 ms."""

RETRY_INTERVAL = 10.0
"""How often an address that is in use is asked for again."""

ASKED_AT_ONCE = 250
"""So many addresses are in question at a time, which makes some 1,700 questions a second at most: switches police ARP."""


@dataclass(frozen=True, slots=True)
class Squatter:
    """A station that has an address of ours, and is no member."""

    mac: str
    interface: str


class _State(Enum):
    WAITING = auto()
    ASKING = auto()
    IN_USE = auto()


@dataclass(slots=True)
class _Probe:
    interfaces: frozenset[str] | None
    state: _State = _State.WAITING
    asked: int = 0
    told_at: float | None = None


class Probes:
    """The addresses that are this node's by the plan, and are not announced yet. The core holds the others."""

    def __init__(self) -> None:
        self._probes: dict[IpAddress, _Probe] = {}
        self._asking: set[IpAddress] = set()
        self._ask_at: Deadlines[IpAddress] = Deadlines()
        """Of those in question, and of those in use."""
        self._silent_at: Deadlines[IpAddress] = Deadlines()
        """Of those that all questions have been asked about."""
        self._queue: deque[IpAddress] = deque()
        """Those that wait; may name some that are gone, or come again."""
        self._fill_at: float | None = None
        """When a place that has come free is given to one that waits, if nothing else is due before."""
        self._squatters: dict[IpAddress, Squatter] = {}
        """The last ones that were heard; they stay while their addresses are asked for again."""
        self._vouched: set[IpAddress] = set()

    def __contains__(self, address: IpAddress) -> bool:
        return address in self._probes

    def __len__(self) -> int:
        return len(self._probes)

    @property
    def squatters(self) -> Mapping[IpAddress, Squatter]:
        """Who has the addresses that are in use."""
        return MappingProxyType(self._squatters)

    # Which addresses need it

    def has_vouched(self, address: IpAddress) -> bool:
        """Whether this node has announced the address in this life."""
        return address in self._vouched

    def vouch(self, address: IpAddress) -> None:
        self._vouched.add(address)

    def forget(self, address: IpAddress) -> None:
        """It is no Service's any more: it may be a stranger's when it comes back."""
        self._vouched.discard(address)

    # One address

    def start(self, address: IpAddress, interfaces: frozenset[str] | None, now: float) -> list[Effect]:
        """Ask for the address on these interfaces (None: on all); again with others: the answers there count."""
        known = self._probes.get(address)
        if known is not None:
            known.interfaces = interfaces
            return []
        self._probes[address] = _Probe(interfaces)
        self._queue.append(address)
        return [Watch(address), *self._fill(now)]

    def end(self, address: IpAddress, now: float) -> list[Effect]:
        """The address is not asked for any more."""
        del self._probes[address]
        self._squatters.pop(address, None)
        self._vacate(address, now)
        self._ask_at.discard(address)
        self._silent_at.discard(address)
        return [Unwatch(address)]

    def release(self, address: IpAddress, now: float) -> tuple[frozenset[str] | None, list[Effect]]:
        """The address may be announced, on these interfaces."""
        one = self._probes[address]
        told: list[Effect] = [AddressFree(address)] if address in self._squatters else []
        return one.interfaces, [*self.end(address, now), *told]

    def counts(self, claim: ClaimHeard) -> bool:
        """Whether the claim is about an address in question, heard where it would be announced."""
        one = self._probes.get(claim.address)
        return one is not None and (one.interfaces is None or claim.interface in one.interfaces)

    def found_in_use(self, claim: ClaimHeard, now: float) -> list[Effect]:
        """A stranger has the address. Told when it is another one than before, however often it speaks."""
        one = self._probes[claim.address]
        squatter = Squatter(claim.mac, claim.interface)
        is_other = squatter != self._squatters.get(claim.address)
        is_news = is_other and (one.told_at is None or now - one.told_at >= RETRY_INTERVAL)
        if one.state is not _State.IN_USE:
            one.state = _State.IN_USE
            self._vacate(claim.address, now)
            self._silent_at.discard(claim.address)
            self._ask_at.set(claim.address, now + RETRY_INTERVAL)
        if not is_news:
            return []
        self._squatters[claim.address], one.told_at = squatter, now
        return [AddressInUse(claim.address, claim.mac, claim.interface)]

    # Time

    def silent(self, now: float) -> list[IpAddress]:
        """Addresses that nobody has answered for, to be released."""
        return self._silent_at.take(now, ASKED_AT_ONCE)

    def advance(self, now: float) -> list[Effect]:
        """Questions that are due. To be called after the release of silent addresses."""
        effects: list[Effect] = []
        for address in self._ask_at.take(now, ASKED_AT_ONCE):
            one = self._probes[address]
            if one.state is _State.IN_USE:
                one.state = _State.WAITING
                self._queue.append(address)
            else:
                effects.append(self._ask(address, one, now))
        return effects + self._fill(now)

    def next_deadline(self) -> float | None:
        deadlines = (self._ask_at.next(), self._silent_at.next(), self._fill_at)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _fill(self, now: float) -> list[Effect]:
        """Ask for as many of those that wait as there are places."""
        effects: list[Effect] = []
        self._fill_at = None
        while self._queue and len(self._asking) < ASKED_AT_ONCE:
            address = self._queue.popleft()
            one = self._probes.get(address)
            if one is not None and one.state is _State.WAITING:
                one.state, one.asked = _State.ASKING, 0
                self._asking.add(address)
                effects.append(self._ask(address, one, now))
        return effects

    def _vacate(self, address: IpAddress, now: float) -> None:
        self._asking.discard(address)
        if self._queue and self._fill_at is None:
            # Not at once: answers can come in faster than questions may go out.
            self._fill_at = now + QUESTION_INTERVAL

    def _ask(self, address: IpAddress, one: _Probe, now: float) -> Ask:
        one.asked += 1
        if one.asked < QUESTIONS:
            self._ask_at.set(address, now + QUESTION_INTERVAL)
        else:
            self._silent_at.set(address, now + SILENCE)
        return Ask(address)
