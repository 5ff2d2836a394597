"""How a session is doing, for people and metrics."""

from __future__ import annotations

from dataclasses import dataclass

from announce.bfd.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatus:
    """Times are on the clock of `now`."""

    state: State
    since: float
    diagnostic: int
    """Why it last left Up, by our own judgement."""
    remote_diagnostic: int
    remote_state: State | None
    """None: the peer is not heard."""
    transmit_interval: float | None
    """Between our packets, before jitter; None: none are due."""
    detection_time: float | None
    """After so much silence the peer is down."""
    is_polling: bool
    is_echo_active: bool
    """Echo packets go out and come back, so that Control packets go slower."""
    packets_sent: int
    packets_received: int
    echo_sent: int
    echo_received: int
    ups: int
    downs: int
    """Times the session left Up, but not by our stop."""
    send_gap_max: float
    """The longest time between two packets of ours while Up: above the peer's detection time it gives us up."""
    receive_gap_max: float
    """The longest time between two packets of the peer while Up."""


class Gap:
    """The longest time between two packets in a row."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._last: float | None = None

    def note(self, now: float) -> None:
        if self._last is not None:
            self.longest = max(self.longest, now - self._last)
        self._last = now

    def pause(self) -> None:
        """What follows is not measured against what was before."""
        self._last = None
