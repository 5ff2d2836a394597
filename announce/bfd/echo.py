"""The Echo function of one session (RFC 5880 sections 5, 6.4 and 6.8.9): our packets, looped back by the peer.

It finds out sooner than Control packets that the peer forwards nothing any more, and costs the peer's control plane
nothing. It runs only while the session is Up and the peer says that it loops Echo packets, and it is relied on only
once the first of them has come back: many routers say so and then do not forward them, which is no broken path.
"""

from __future__ import annotations

import random

from announce.bfd.packet import EchoPacket

NUMBERS = 1 << 32


class EchoFunction:
    """When to send the next Echo packet, and whether enough of them have come back."""

    def __init__(self, discriminator: int, rng: random.Random) -> None:
        self._discriminator = discriminator
        self._rng = rng
        self._tag = rng.getrandbits(64)
        self._number = 0
        self._interval: float | None = None
        self._multiplier = 0
        self._send_at = 0.0
        self._heard_at = 0.0
        self._is_proven = False
        self.sent = 0
        self.received = 0

    @property
    def is_proven(self) -> bool:
        """Echo packets come back: their absence means something."""
        return self._is_proven

    @property
    def next_deadline(self) -> float | None:
        if self._interval is None:
            return None
        return min(self._send_at, self._fails_at) if self._is_proven else self._send_at

    def run(self, interval: float | None, multiplier: int, now: float) -> None:
        """With this interval and multiplier from now on, or not at all (None)."""
        if interval != self._interval:
            self._send_at = self._heard_at = now
        if interval is None:
            self._is_proven = False
        self._interval, self._multiplier = interval, multiplier

    def hear(self, echo: EchoPacket, now: float) -> None:
        """Only what was sent in this life of the function counts, in whatever order it comes back."""
        is_ours = (echo.discriminator, echo.tag) == (self._discriminator, self._tag)
        age = (self._number - echo.number) % NUMBERS
        if self._interval is not None and is_ours and age <= self._multiplier:
            self._heard_at = now
            self._is_proven = True
            self.received += 1

    def has_failed(self, now: float) -> bool:
        return self._is_proven and now >= self._fails_at

    def take(self, now: float) -> EchoPacket | None:
        """The packet that is due."""
        if self._interval is None or now < self._send_at:
            return None
        self._send_at = now + self._interval * self._rng.uniform(0.75, 1.0)
        self._number = (self._number + 1) % NUMBERS
        self.sent += 1
        return EchoPacket(self._discriminator, self._tag, self._number)

    @property
    def _fails_at(self) -> float:
        assert self._interval is not None
        return self._heard_at + self._multiplier * self._interval
