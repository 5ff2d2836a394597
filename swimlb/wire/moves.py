"""Why addresses come to this node, and how long that takes: what people want to see of months, not of one log line.

Every speaker sees every address change its owner; each counts what comes to itself, so that the sum over the nodes is
the number of moves. A takeover's time runs from the moment this node knows that the owner is dead to the moment its own
first announcement has been handed to the kernel; how long it took to find out is told by the log and by gossip.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from swimlb.model import IpAddress
from swimlb.speaker import effects as fx
from swimlb.speaker import events as ev
from swimlb.speaker.presence import Presence

TAKEOVER_BOUNDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the histogram's buckets, in seconds; the last bucket has none."""

ANNOUNCE_MAX = 5.0
"""An address announced later than this after its owner died had another reason to wait, as a stranger that has it."""

GONE_MAX = 1024
"""Members that are remembered when they are gone; of more than these, what the one gone first leaves behind is taken for
preferred. Where nodes come and go for months, each has a name of its own."""


class Cause(StrEnum):
    """Why an address changed its owner."""

    FIRST = "first"
    """Nobody had it."""
    FAILURE = "failure"
    """The ring took its owner for dead."""
    PLANNED = "planned"
    """Its owner leaves, or has left."""
    DEAF = "deaf"
    """Its owner does not answer on the LAN."""
    PREFERRED = "preferred"
    """This node comes first now: it is back, or the configuration says so."""


class Moves:
    """Listens to what the speaker's core hears and orders."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._gone: dict[str, float | None] = {}
        """Members that are not back yet: since when they have failed; None: they have left."""
        self._announced_at: dict[IpAddress, float] = {}
        self._awaited: dict[IpAddress, float] = {}
        """Come here by a failure, and not announced yet: when that was known."""
        self._causes: Counter[Cause] = Counter()
        self._conflicts: Counter[str] = Counter()
        self._withdrawn = 0
        self._takeovers = [0] * (len(TAKEOVER_BOUNDS) + 1)
        self._takeover_seconds = 0.0

    def hear(self, event: ev.Event, now: float) -> None:
        """Before the core does."""
        match event:
            case ev.MemberGone(name, has_failed):
                self._gone.pop(name, None)
                self._gone[name] = now if has_failed else None
                if len(self._gone) > GONE_MAX:
                    del self._gone[next(iter(self._gone))]
            case ev.MemberPresent(name):
                self._gone.pop(name, None)
            case _:
                pass

    def note(
        self, effect: fx.Effect, presences: Mapping[str, Presence], deaf: Mapping[str, object], now: float
    ) -> None:
        """After the effect has been performed. `presences` and `deaf` are the inventory's."""
        match effect:
            case fx.Announce(address):
                self._announced_at.setdefault(address, now)
                if (known_at := self._awaited.pop(address, None)) is not None:
                    self._observe(now - known_at)
            case fx.Withdraw(address):
                self._announced_at.pop(address, None)
            case fx.OwnerChanged(address, previous, owner):
                self._awaited.pop(address, None)
                if owner == self._node:
                    self._count_come(address, previous, presences, deaf)
                elif owner is None and previous == self._node:
                    self._withdrawn += 1
            case fx.ConflictNoticed(member=member):
                self._conflicts["stranger" if member is None else "member"] += 1
            case fx.Yielded():
                self._conflicts["yielded"] += 1
            case fx.AddressInUse():
                self._conflicts["in_use"] += 1
            case _:
                pass

    def told(self) -> dict[str, Any]:
        """As *watch* gets it. Counts only grow."""
        return {
            "causes": {str(cause): self._causes[cause] for cause in Cause},
            "withdrawn": self._withdrawn,
            "conflicts": {
                kind: self._conflicts[kind] for kind in ("member", "stranger", "yielded", "in_use")
            },
            "takeovers": list(self._takeovers),
            "takeover_bounds": list(TAKEOVER_BOUNDS),
            "takeover_seconds": self._takeover_seconds,
        }

    def _count_come(
        self,
        address: IpAddress,
        previous: str | None,
        presences: Mapping[str, Presence],
        deaf: Mapping[str, object],
    ) -> None:
        cause = self._cause(previous, presences, deaf)
        self._causes[cause] += 1
        known_at = None if previous is None else self._gone.get(previous)
        if known_at is None:
            return
        announced_at = self._announced_at.get(address)
        # The announcement comes first, so that nothing delays it, or later, when somebody has to be asked before.
        if announced_at is None:
            self._awaited[address] = known_at
        elif announced_at >= known_at:
            self._observe(announced_at - known_at)

    def _cause(
        self, previous: str | None, presences: Mapping[str, Presence], deaf: Mapping[str, object]
    ) -> Cause:
        if previous is None:
            return Cause.FIRST
        if previous in self._gone:
            return Cause.PLANNED if self._gone[previous] is None else Cause.FAILURE
        presence = presences.get(previous)
        if presence is not None and presence.is_leaving:
            return Cause.PLANNED
        return Cause.DEAF if previous in deaf else Cause.PREFERRED

    def _observe(self, seconds: float) -> None:
        if seconds <= ANNOUNCE_MAX:
            self._takeovers[bisect_left(TAKEOVER_BOUNDS, seconds)] += 1
            self._takeover_seconds += seconds
