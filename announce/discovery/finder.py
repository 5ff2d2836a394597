"""One link's search for the router at its other end.

    searching ──an advertisement──► found ──another router advertises, and this one is silent──► found (the other)

While it searches it solicits: at once, and then at growing intervals (RFC 7559), since the router may start later. All
the time it advertises this node, at once, every few seconds, and when it is solicited: so the router finds us as well.
A found router is not given up for its silence alone, which may last for minutes (RFC 4861 section 6.2.1): whether it lives
is for BGP to find out, and as long as there is a session with it, it does.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import TypeAlias, assert_never

SOLICIT_INTERVALS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Waits between solicitations; the last one repeats."""
ADVERTISE_INTERVAL = 10.0
"""As FRR does on links with unnumbered peers."""
ADVERTISE_MIN = 1.0
"""A router that solicits without pause is not answered more often."""
SILENCE_MAX = 3.5 * ADVERTISE_INTERVAL
"""A router that has not advertised itself for so long gives way to another one."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The link can be used from now on, or again."""


@dataclass(frozen=True, slots=True)
class AdvertisementHeard:
    source: IPv6Address
    """With the scope of the link."""


@dataclass(frozen=True, slots=True)
class SolicitationHeard:
    """Somebody looks for routers."""


@dataclass(frozen=True, slots=True)
class SessionBegan:
    """With the router that was found."""


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """For whatever reason; from now on its silence counts."""


@dataclass(frozen=True, slots=True)
class SendSolicitation:
    """To all routers on the link."""


@dataclass(frozen=True, slots=True)
class SendAdvertisement:
    """To all nodes on the link."""


@dataclass(frozen=True, slots=True)
class RouterFound:
    """This is the router now; there was none before, or another one."""

    address: IPv6Address


Event: TypeAlias = Opened | AdvertisementHeard | SolicitationHeard | SessionBegan | SessionEnded
Effect: TypeAlias = SendSolicitation | SendAdvertisement | RouterFound


class RouterFinder:
    """Finds the router, and lets it find this node."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._router: IPv6Address | None = None
        self._heard_at = 0.0
        self._has_session = False
        self._solicited = 0
        self._solicit_at: float | None = None
        self._advertise_at: float | None = None
        self._advertised_at: float | None = None

    @property
    def router(self) -> IPv6Address | None:
        return self._router

    def step(self, event: Event, now: float) -> list[Effect]:
        match event:
            case Opened():
                self._solicited = 0
                return [*self._solicit(now), *self._advertise(now)]
            case AdvertisementHeard(source):
                return self._hear(source, now)
            case SolicitationHeard():
                return self._answer(now)
            case SessionBegan():
                self._has_session = True
                return []
            case SessionEnded():
                self._has_session, self._heard_at = False, now
                return []
            case _:
                assert_never(event)

    def advance(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if self._solicit_at is not None and self._solicit_at <= now:
            effects += self._solicit(now)
        if self._advertise_at is not None and self._advertise_at <= now:
            effects += self._advertise(now)
        return effects

    def next_deadline(self) -> float | None:
        deadlines = (self._solicit_at, self._advertise_at)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _hear(self, source: IPv6Address, now: float) -> list[Effect]:
        is_there = self._has_session or now - self._heard_at < SILENCE_MAX
        if self._router not in (None, source) and is_there:
            return []  # A second router on the link: the first one stays.
        is_news = source != self._router
        self._router, self._heard_at, self._solicit_at = source, now, None
        return [RouterFound(source)] if is_news else []

    def _solicit(self, now: float) -> list[Effect]:
        if self._router is not None:
            self._solicit_at = None
            return [SendSolicitation()]  # It may be another one behind a link that was down.
        interval = SOLICIT_INTERVALS[min(self._solicited, len(SOLICIT_INTERVALS) - 1)]
        self._solicited += 1
        self._solicit_at = now + interval * self._rng.uniform(0.9, 1.1)
        return [SendSolicitation()]

    def _answer(self, now: float) -> list[Effect]:
        if self._advertised_at is None:
            return []  # The link has not been opened.
        allowed_at = self._advertised_at + ADVERTISE_MIN
        if now >= allowed_at:
            return self._advertise(now)
        self._advertise_at = min(allowed_at, self._advertise_at or allowed_at)
        return []

    def _advertise(self, now: float) -> list[Effect]:
        self._advertised_at = now
        self._advertise_at = now + ADVERTISE_INTERVAL * self._rng.uniform(0.75, 1.0)
        return [SendAdvertisement()]
