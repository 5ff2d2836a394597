"""The addresses that this node answers for on the LAN, and how it lets go of one without losing traffic.

    held ──the plan names another owner──► handing over ──heard its announcement, or 1 s──► free
     ▲                                          │
     └────────the plan names this node again────┘

An address that no Service has any more, or that no node can serve, is freed at once: there is nobody to wait for.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from swimlb.model import IpAddress
from swimlb.speaker.config import Config
from swimlb.speaker.deadlines import Deadlines
from swimlb.speaker.effects import Announce, Effect, HandOver, Withdraw


class Holdings:
    """Kept equal to what was ordered of the responder."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._announced: dict[IpAddress, frozenset[str] | None] = {}
        self._ends_at: Deadlines[IpAddress] = Deadlines()
        """Of the addresses that are being handed over: a subset of `_announced`."""
        self._nudge_at: Deadlines[IpAddress] = Deadlines()
        """Of those whose successor has not been nudged yet."""
        self._claims: dict[IpAddress, float] = {}
        """When a foreign claim was last heard."""

    @property
    def announced(self) -> Mapping[IpAddress, frozenset[str] | None]:
        """What is answered for right now, and on which interfaces (None: on all)."""
        return MappingProxyType(self._announced)

    def addresses(self) -> dict[IpAddress, None]:
        """All that is answered for. A copy, for which no address is hashed anew: there may be thousands."""
        return dict.fromkeys(self._announced)

    def is_handing_over(self, address: IpAddress) -> bool:
        return address in self._ends_at

    def announce(self, address: IpAddress, interfaces: frozenset[str] | None) -> list[Effect]:
        """Hold the address from now on; nothing is said again of one that is held as it should be."""
        if not self.is_handing_over(address) and self._announced.get(address, ()) == interfaces:
            return []
        self._end_handover(address)
        self._announced[address] = interfaces
        return [Announce(address, interfaces)]

    def hand_over(self, address: IpAddress, now: float) -> list[Effect]:
        """Another node is about to announce the address."""
        if self.is_handing_over(address):
            return []
        self._ends_at.set(address, now + self._config.handover_max)
        self._nudge_at.set(address, now + self._config.handover_nudge)
        return [HandOver(address)]

    def free(self, address: IpAddress) -> list[Effect]:
        del self._announced[address]
        self._end_handover(address)
        self._claims.pop(address, None)
        return [Withdraw(address)]

    def _end_handover(self, address: IpAddress) -> None:
        self._ends_at.discard(address)
        self._nudge_at.discard(address)

    def note_claim(self, address: IpAddress, now: float) -> None:
        self._claims[address] = now

    def is_claimed(self, address: IpAddress, now: float) -> bool:
        """Whether somebody has claimed the address so lately that it was its next owner."""
        heard = self._claims.get(address)
        return heard is not None and now - heard <= self._config.claim_memory

    def ended(self, now: float) -> list[IpAddress]:
        """Addresses whose handover has taken as long as it may, as many as a turn may have: to be freed."""
        return self._ends_at.take(now, self._config.changes_per_turn)

    def advance(self, now: float) -> list[Effect]:
        """Nudge the successors that were not heard. To be called after the end of handovers."""
        return [
            effect
            for address in self._nudge_at.take(now, self._config.changes_per_turn)
            for effect in (Announce(address, self._announced[address]), HandOver(address))
        ]

    def next_deadline(self) -> float | None:
        deadlines = (self._ends_at.next(), self._nudge_at.next())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)
