"""Members that were there once, and the MACs of all: whose announcement was that?

A member that gossip has lost may be dead, or alive behind a cut that lets ARP through. Only the second kind is ever
heard on the wire, and then it is good to know who speaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from swimlb.speaker.presence import Presence

LOST_MAX = 1024
"""Lost members that are remembered; of more than these the one lost first is a stranger again."""

FAREWELL = 2.0
"""Who has said goodbye may be heard for so long yet, in seconds: it hands over, and its frames cross with gossip."""


class Acquaintances:
    """Kept beside the inventory, which only knows who is present."""

    def __init__(self) -> None:
        self._lost: dict[str, Presence] = {}
        self._departed: dict[str, tuple[float, Presence]] = {}
        """Who has said goodbye, and when; some are forgotten later than they need be."""

    @property
    def lost(self) -> Mapping[str, Presence]:
        """As they were last seen; who said goodbye is not among them."""
        return MappingProxyType(self._lost)

    def has_just_left(self, mac: bytes, at: float) -> bool:
        """Whether what was heard from there at that moment may have been the last words of whoever said goodbye."""
        departed = {
            name: presence for name, (left_at, presence) in self._departed.items() if at <= left_at + FAREWELL
        }
        return member_with(mac, departed) is not None

    def found(self, name: str) -> None:
        self._lost.pop(name, None)

    def lose(self, name: str, presence: Presence, now: float) -> None:
        self._lost.pop(name, None)
        self._departed = {
            other: (left_at, known)
            for other, (left_at, known) in self._departed.items()
            if now <= left_at + 2 * FAREWELL
        }
        if presence.is_leaving:
            self._departed[name] = now, presence
            return
        self._lost[name] = replace(presence, is_joining=False)
        if len(self._lost) > LOST_MAX:
            del self._lost[next(iter(self._lost))]


def member_with(mac: bytes, presences: Mapping[str, Presence]) -> str | None:
    """The member that has an interface with this MAC."""
    return next(
        (name for name, presence in presences.items() if any(link.mac == mac for link in presence.links)),
        None,
    )
