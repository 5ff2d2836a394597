"""The attempt to connect to a peer, and the waits between attempts (RFC 4271 section 8.1.1).

The states are those in which there is no connection: *Idle*, *Connect* and *Active*. When one stands, by our attempt or by
the peer's, `fsm` says so here; when the last one has ended, too.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from announce.bgp.config import CONNECT_RETRY, PeerConfig
from announce.bgp.effects import CloseConnection, Connect
from announce.bgp.pacing import Backoff
from announce.bgp.states import State, Timer

CALL_AGAIN_AFTER = 0.5
"""A call this old when the path is back was most likely made into a dead one; TCP itself repeats it after 1, 3, 7 s."""


def _waits(config: PeerConfig) -> tuple[float, ...]:
    """Between attempts; who makes none only waits until it takes those of the peer again, which has no setting."""
    return config.connect_retry if config.is_active else CONNECT_RETRY


class Calling:
    """One attempt at a time, and one timer: that of the attempt, or of the wait for the next one."""

    def __init__(
        self, config: PeerConfig, rng: random.Random, emit: Callable[[Connect | CloseConnection], None]
    ) -> None:
        self.state = State.IDLE
        """In Connect we are calling."""
        self.number = 0
        """Of the latest attempt, which goes on in Connect."""
        self._config = config
        self._emit = emit
        self._called_at = 0.0
        self._timers: dict[Timer, float] = {}
        self._backoff = Backoff(_waits(config), config.stable_after, rng)

    @property
    def is_calling(self) -> bool:
        return self.state is State.CONNECT

    @property
    def is_left_to_the_peer(self) -> bool:
        """Active, and without an end: we never call."""
        return self.state is State.ACTIVE and not self._timers

    def reconfigure(self, config: PeerConfig, now: float) -> None:
        """From now on; a wait that has begun is no longer than the longest there is now."""
        self._config = config
        self._backoff.reconfigure(_waits(config), config.stable_after)
        if (due := self._timers.get(Timer.CONNECT_RETRY)) is not None:
            self._timers[Timer.CONNECT_RETRY] = min(due, now + max(_waits(config)))

    def next_deadline(self) -> float | None:
        return min(self._timers.values(), default=None)

    def advance(self, now: float) -> str | None:
        """Begin the attempt that is due; or why the one that goes on has come to nothing."""
        if min(self._timers.values(), default=now + 1) > now:
            return None
        if not self.is_calling:
            self.begin(now)
            return None
        self._emit(CloseConnection(self.number))
        return f"no answer within {self._config.connect_timeout:g} s{self._config.reasons_for_silence}"

    def begin(self, now: float) -> None:
        """Idle or Active -> Connect; or Active, where it is for the peer to call."""
        self._timers = {}
        if not self._config.is_active:
            self.state = State.ACTIVE
            return
        self.number += 1
        self._called_at = now
        config = self._config
        self._emit(
            Connect(
                connection=self.number,
                address=config.peer_address,
                port=config.peer_port,
                source=config.source_address,
                password=config.password,
            )
        )
        self._timers = {Timer.CONNECT: now + config.connect_timeout}
        self.state = State.CONNECT

    def path_up(self, now: float) -> None:
        """Neither waits that grew while the path was dead make sense now, nor one for an answer to what was sent into it."""
        self._backoff.begin_anew()
        if self.is_calling and now - self._called_at >= CALL_AGAIN_AFTER:
            self._emit(CloseConnection(self.number))
            self.begin(now)
        elif Timer.CONNECT_RETRY in self._timers:
            self.begin(now)

    def end_attempt(self) -> None:
        """Connect -> Active: it has led to a connection, or to nothing."""
        self._timers.pop(Timer.CONNECT, None)
        self.state = State.ACTIVE

    def give_up(self) -> None:
        """There is a connection, so there is no need for another one."""
        if self.is_calling:
            self._emit(CloseConnection(self.number))
        self._timers = {}
        self.state = State.ACTIVE

    def end_wait(self) -> None:
        """The peer has called."""
        self._timers.pop(Timer.CONNECT_RETRY, None)

    def wait(self, state: State, lasted: float, now: float) -> float:
        """Nothing is left, after a session that lasted so long: how long it is to the next attempt."""
        wait = self._backoff.wait_after(lasted)
        self._timers = {Timer.CONNECT_RETRY: now + wait}
        self.state = state
        return wait

    def stop(self) -> None:
        """Any state -> Idle, and no way back but by `begin`."""
        self._timers = {}
        self.state = State.IDLE

    def leave_alone(self, wait: float, now: float) -> None:
        """Any state -> Idle, for so long, whatever is heard of the path."""
        self._timers = {Timer.REFUSED: now + wait}
        self.state = State.IDLE
