"""A session in virtual time, and its peer as packets."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any

from announce.bfd import (
    ControlPacket,
    Effect,
    Event,
    PacketReceived,
    SendPacket,
    Session,
    SessionConfig,
    Started,
    State,
    Timing,
)
from announce.bfd.packet import decode

PEER = IPv4Address("192.0.2.1")
MINE, THEIRS = 0x01020304, 0x0A0B0C0D
FAST = Timing(desired_min_tx_us=50_000, required_min_rx_us=50_000)
CONFIG = SessionConfig(peer_address=PEER, timing=FAST)


class Latest(random.Random):
    """Chance that always takes the upper bound: intervals are shortened as little as may be."""

    def uniform(self, a: float, b: float) -> float:
        return b


def packet(state: State, **changes: Any) -> ControlPacket:
    """What a peer with 50 ms in both directions says; it has heard us."""
    said = ControlPacket(
        state=state,
        detect_multiplier=3,
        my_discriminator=THEIRS,
        your_discriminator=MINE,
        desired_min_tx_us=50_000 if state is State.UP else 1_000_000,
        required_min_rx_us=50_000,
    )
    return replace(said, **changes)


def sent(effects: Iterable[Effect]) -> list[ControlPacket]:
    """What the peer reads."""
    return [decode(effect.payload) for effect in effects if isinstance(effect, SendPacket)]


def news(effects: Iterable[Effect]) -> list[Effect]:
    """All but the packets."""
    return [effect for effect in effects if not isinstance(effect, SendPacket)]


@dataclass
class Playbook:
    """`play.at(1.0, event, ...)` steps and returns the effects; `play.until(2.0)` lets time pass to there."""

    session: Session
    now: float = 0.0

    def at(self, now: float, *events: Event) -> list[Effect]:
        effects = self.until(now)
        for event in events:
            effects += self.session.step(event, now)
        return effects

    def until(self, now: float) -> list[Effect]:
        return [effect for _, effect in self.timed_until(now)]

    def timed_until(self, now: float) -> list[tuple[float, Effect]]:
        """With the time of each."""
        assert now >= self.now
        effects: list[tuple[float, Effect]] = []
        while (deadline := self.session.next_deadline()) is not None and deadline <= now:
            effects += [(deadline, effect) for effect in self.session.advance(deadline)]
            assert self.session.next_deadline() != deadline, "a deadline that does not pass"
        self.now = now
        return effects

    def hears(self, now: float, *packets: ControlPacket) -> list[Effect]:
        return self.at(now, *map(PacketReceived, packets))

    def hears_up(self, begin: float, end: float, **changes: Any) -> list[Effect]:
        """The peer keeps on saying Up, every 40 ms."""
        effects: list[Effect] = []
        for number in range(round((end - begin) / 0.04) + 1):
            effects += self.hears(begin + 0.04 * number, packet(State.UP, **changes))
        return effects


def down(**changes: Any) -> Playbook:
    play = Playbook(Session(replace(CONFIG, **changes), MINE, Latest(0)))
    play.at(0.0, Started())
    return play


def up(timing: Timing = FAST, **remote: Any) -> Playbook:
    """Up since 0.0 s, with the first Poll Sequence answered."""
    play = down(timing=timing)
    play.hears(0.0, packet(State.INIT, **remote))
    play.hears(0.0, packet(State.UP, is_final=True, **remote))
    assert play.session.state is State.UP
    return play
