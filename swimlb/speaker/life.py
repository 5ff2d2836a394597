"""The life of a speaker, from its first inventory to its end.

    starting ──first inventory──► joining ──the ring answered──► running ──stop──► draining ──► leaving ──► stopped
                                     ▲                              │
                                     └── cut off, and back again ───┘

starting: BGP waits for nothing but its configuration. joining: the node is a member, but announces nothing on the
LAN until the ring has told it who else is alive, and says so in its gossip meta, so that nobody hands an address
over to it before it is ready. draining: the others are told by gossip, every address is handed
over and every route withdrawn. leaving: the ring is told goodbye. Both ends are bounded in time.
"""

from __future__ import annotations

from enum import Enum, auto

from swimlb.speaker.config import Config


class Phase(Enum):
    STARTING = auto()
    JOINING = auto()
    RUNNING = auto()
    DRAINING = auto()
    LEAVING = auto()
    STOPPED = auto()


class Life:
    """Which phase the speaker is in, and until when. The core performs what each beginning and end asks for."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._phase = Phase.STARTING
        self._ends_at: float | None = None

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def is_joining(self) -> bool:
        """Nothing is announced on the LAN yet."""
        return self._phase in (Phase.STARTING, Phase.JOINING)

    @property
    def is_stopping(self) -> bool:
        return self._phase in (Phase.DRAINING, Phase.LEAVING, Phase.STOPPED)

    def next_deadline(self) -> float | None:
        return self._ends_at

    def is_over(self, now: float) -> bool:
        """Whether the time of the phase is up."""
        return self._ends_at is not None and self._ends_at <= now

    def join(self, now: float) -> None:
        """The ring is to be asked who is there, for the first time or again."""
        self._become(Phase.JOINING, now + self._config.join_max)

    def settle(self, within: float, now: float) -> None:
        """A member has answered: joining ends this soon."""
        if self._phase is Phase.JOINING and self._ends_at is not None:
            self._ends_at = min(self._ends_at, now + within)

    def run(self) -> None:
        self._become(Phase.RUNNING)

    def drain(self, longer: float, now: float) -> None:
        """Everything is to be let go of, which may take so much longer than usual."""
        self._become(Phase.DRAINING, now + self._config.drain_max + longer)

    def leave(self, now: float) -> None:
        self._become(Phase.LEAVING, now + self._config.leave_max)

    def linger(self, now: float) -> None:
        """The ring knows: what is still on its way is answered for a moment."""
        if self._phase is Phase.LEAVING and self._ends_at is not None:
            self._ends_at = min(self._ends_at, now + self._config.linger)

    def stop(self) -> None:
        self._become(Phase.STOPPED)

    def _become(self, phase: Phase, ends_at: float | None = None) -> None:
        self._phase, self._ends_at = phase, ends_at
