"""What the network does to what is sent: when it arrives, how often, and whether at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

_RETRANSMISSION_TIMEOUT = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The same for all links; packets suffer from them, streams are only delayed, as TCP's are."""

    latency: tuple[float, float] = (0.0002, 0.001)
    """Shortest and longest one-way delay; packets overtake each other within it."""

    jitter: float = 0.0
    """Mean of a further delay, exponentially distributed: most packets get little of it, a few get much."""

    loss: float = 0.0
    """Part of the packets lost, each way."""

    duplication: float = 0.0
    """Part of the packets that arrive twice, each time with a delay of its own."""

    reordering: float = 0.0
    """Part of the packets held back for `holdback`, so that those sent later come first."""

    holdback: float = 0.02


class Wire:
    """The links between all members, with their own chance."""

    def __init__(self, conditions: Conditions, rng: Random) -> None:
        self.conditions = conditions
        self._chance = rng.random
        self._rng = rng
        self._cuts: set[tuple[str, str]] = set()

    @property
    def is_cut_anywhere(self) -> bool:
        return bool(self._cuts)

    def cut(self, sender: str, receiver: str) -> None:
        self._cuts.add((sender, receiver))

    def partition(self, groups: Iterable[Iterable[str]]) -> None:
        sides = [list(group) for group in groups]
        for side in sides:
            others = [name for other in sides if other is not side for name in other]
            self._cuts |= {(sender, receiver) for sender in side for receiver in others}

    def heal(self) -> None:
        self._cuts.clear()

    def packet_delays(self, sender: str, receiver: str) -> tuple[float, ...]:
        """One for each time that the packet arrives: none when it is lost."""
        conditions = self.conditions
        if self._cuts and (sender, receiver) in self._cuts:
            return ()
        if conditions.loss and self._chance() < conditions.loss:
            return ()
        if conditions.duplication and self._chance() < conditions.duplication:
            return self._packet_delay(), self._packet_delay()
        return (self._packet_delay(),)

    def stream_delay(self, sender: str, receiver: str) -> float | None:
        """TCP: loss becomes delay, a cut in either direction becomes silence until the timeout."""
        if (sender, receiver) in self._cuts or (receiver, sender) in self._cuts:
            return None
        delay, timeout = self._delay(), _RETRANSMISSION_TIMEOUT
        while self._chance() < self.conditions.loss:
            delay += timeout
            timeout *= 2
        return delay

    def _packet_delay(self) -> float:
        conditions = self.conditions
        delay = self._delay()
        if conditions.reordering and self._chance() < conditions.reordering:
            delay += conditions.holdback
        return delay

    def _delay(self) -> float:
        conditions = self.conditions
        shortest, longest = conditions.latency
        delay = shortest + (longest - shortest) * self._chance()
        if conditions.jitter:
            delay += self._rng.expovariate(1 / conditions.jitter)
        return delay
