"""The addresses that this node answers for on the LAN, and how it lets go of one without losing traffic.

    held ──the plan names another owner──► handing over ──heard its announcement, or 1 s──► free
     ▲                                          │
     └────────the plan names this node again────┘

An address that no Service has any more, or that no node can serve, is freed at once: there is nobody to wait for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from swimlb.model import IpAddress
from swimlb.speaker.config import Config
from swimlb.speaker.effects import Announce, Effect, HandOver, Withdraw


@dataclass(frozen=True, slots=True)
class _Handover:
    ends_at: float
    nudge_at: float | None

    @property
    def deadline(self) -> float:
        return self.ends_at if self.nudge_at is None else self.nudge_at


class Holdings:
    """Kept equal to what was ordered of the responder."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._announced: dict[IpAddress, frozenset[str] | None] = {}
        self._handing_over: dict[IpAddress, _Handover] = {}
        """A subset of `_announced`."""
        self._claims: dict[IpAddress, float] = {}
        """When a foreign claim was last heard."""

    @property
    def announced(self) -> Mapping[IpAddress, frozenset[str] | None]:
        """What is answered for right now, and on which interfaces (None: on all)."""
        return MappingProxyType(self._announced)

    def is_handing_over(self, address: IpAddress) -> bool:
        return address in self._handing_over

    def announce(self, address: IpAddress, interfaces: frozenset[str] | None) -> list[Effect]:
        """Hold the address from now on; nothing is said again of one that is held as it should be."""
        is_taken_back = self._handing_over.pop(address, None) is not None
        if not is_taken_back and self._announced.get(address, ()) == interfaces:
            return []
        self._announced[address] = interfaces
        return [Announce(address, interfaces)]

    def hand_over(self, address: IpAddress, now: float) -> list[Effect]:
        """Another node is about to announce the address."""
        if address in self._handing_over:
            return []
        config = self._config
        self._handing_over[address] = _Handover(now + config.handover_max, now + config.handover_nudge)
        return [HandOver(address)]

    def free(self, address: IpAddress) -> list[Effect]:
        del self._announced[address]
        self._handing_over.pop(address, None)
        self._claims.pop(address, None)
        return [Withdraw(address)]

    def note_claim(self, address: IpAddress, now: float) -> None:
        self._claims[address] = now

    def is_claimed(self, address: IpAddress, now: float) -> bool:
        """Whether somebody has claimed the address so lately that it was its next owner."""
        heard = self._claims.get(address)
        return heard is not None and now - heard <= self._config.claim_memory

    def ended(self, now: float) -> list[IpAddress]:
        """Addresses whose handover has taken as long as it may: to be freed."""
        return [address for address, handover in self._handing_over.items() if handover.ends_at <= now]

    def advance(self, now: float) -> list[Effect]:
        """Nudge the successors that were not heard. To be called after the end of handovers."""
        effects: list[Effect] = []
        for address, handover in self._handing_over.items():
            if handover.deadline <= now:
                self._handing_over[address] = replace(handover, nudge_at=None)
                effects += [Announce(address, self._announced[address]), HandOver(address)]
        return effects

    def next_deadline(self) -> float | None:
        return min((handover.deadline for handover in self._handing_over.values()), default=None)
