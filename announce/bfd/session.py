"""One BFD session (RFC 5880 section 6), in asynchronous mode.

- *Down*: the peer is not heard, or does not hear us. We send once a second; in the passive role only once the peer
  has spoken.
- *Init*: the peer is heard, and says Down: it has not heard us yet.
- *Up*: both hear each other; packets go at the agreed intervals. No packet for the detection time, lost Echo packets,
  or the peer's word: *Down*.
- *AdminDown*: we have been told to stop, and tell the peer, so that it does not take our silence for a death.

We never ask for demand mode. A peer that does is sent no periodic packets while both are Up, and polled when
something changes.
"""

from __future__ import annotations

import random
from typing import assert_never

from announce.bfd.config import SessionConfig
from announce.bfd.echo import EchoFunction
from announce.bfd.effects import Effect, SendEcho, SendPacket, SessionDown, SessionUp, Stopped, TimingAgreed
from announce.bfd.events import EchoReceived, Event, PacketReceived, Retimed, Started, StopRequested
from announce.bfd.intervals import US, Intervals, Offer
from announce.bfd.packet import ControlPacket, encode, encode_echo
from announce.bfd.states import Diagnostic, State
from announce.bfd.status import Gap, SessionStatus

SLOW_US = 1_000_000
"""bfd.DesiredMinTxInterval while not Up: at least a second, so that a dead path is not flooded (section 6.8.3).

Also bfd.RequiredMinRxInterval while the Echo function does the measuring (section 6.8.9).
"""

GOODBYE_TIME = 1.0
"""Telling the peer of AdminDown takes no longer, whatever the intervals."""


class Session:
    """Watches the path to one peer."""

    def __init__(self, config: SessionConfig, discriminator: int, rng: random.Random) -> None:
        assert discriminator != 0, "0 is how a packet says that it knows none"
        self.config = config
        self.discriminator = discriminator
        self._rng = rng
        self._timing = config.timing
        self._state = State.DOWN
        self._since = 0.0
        self._diagnostic = Diagnostic.NONE
        self._is_started = False
        self._is_stopped = False
        self._remote: ControlPacket | None = None
        """The last packet: bfd.RemoteDiscr and its like. None: nothing came for a detection time."""
        self._remote_diagnostic = 0
        self._heard_at = 0.0
        self._intervals = Intervals(Offer(SLOW_US, SLOW_US))
        self._echo = EchoFunction(discriminator, rng)
        self._effects: list[Effect] = []
        self._owes_final = False
        self._has_news = False
        """The next packet differs from the last one, so it goes at once (section 6.8.7)."""
        self._interval: float | None = None
        """What `_send_at` was drawn from."""
        self._sent_at = 0.0
        self._send_at: float | None = None
        self._goodbye_interval: float | None = None
        self._stops_at: float | None = None
        self._send_gap, self._receive_gap = Gap(), Gap()
        self._sent = self._received = self._ups = self._downs = 0

    def step(self, event: Event, now: float) -> list[Effect]:
        match event:
            case _ if self._is_stopped:
                pass
            case Started():
                if not self._is_started:
                    self._is_started = self._has_news = True
                    self._since = now
            case PacketReceived(packet):
                self._receive(packet, now)
            case EchoReceived(echo):
                self._echo.hear(echo, now)
            case Retimed(timing):
                self._has_news |= timing.detect_multiplier != self._timing.detect_multiplier
                self._timing = timing
            case StopRequested():
                self._stop(now)
            case _:
                assert_never(event)
        return self._settled(now)

    def advance(self, now: float) -> list[Effect]:
        if (detect_at := self._detect_at()) is not None and detect_at <= now:
            self._lose(now)
        elif self._echo.has_failed(now):
            self._become(State.DOWN, Diagnostic.ECHO_FUNCTION_FAILED, now)
        if self._stops_at is not None and self._stops_at <= now:
            self._finish()
        if (echo := self._echo.take(now)) is not None:
            self._effects.append(SendEcho(encode_echo(echo)))
        return self._settled(now)

    def next_deadline(self) -> float | None:
        deadlines = (self._send_at, self._detect_at(), self._stops_at, self._echo.next_deadline)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    @property
    def state(self) -> State:
        return self._state

    def status(self) -> SessionStatus:
        return SessionStatus(
            state=self._state,
            since=self._since,
            diagnostic=self._diagnostic,
            remote_diagnostic=self._remote_diagnostic,
            remote_state=None if self._remote is None else self._remote.state,
            transmit_interval=self._transmit_interval(),
            detection_time=self._detection_time(),
            is_polling=self._intervals.is_polling,
            is_echo_active=self._echo.is_proven,
            packets_sent=self._sent,
            packets_received=self._received,
            echo_sent=self._echo.sent,
            echo_received=self._echo.received,
            ups=self._ups,
            downs=self._downs,
            send_gap_max=self._send_gap.longest,
            receive_gap_max=self._receive_gap.longest,
        )

    # The transitions.

    def _hear(self, remote: State, now: float) -> None:
        """Section 6.2, the diagram row by row."""
        match self._state, remote:
            case State.DOWN, State.DOWN:
                self._become(State.INIT, Diagnostic.NONE, now)
            case (State.DOWN, State.INIT) | (State.INIT, State.INIT | State.UP):
                self._become(State.UP, Diagnostic.NONE, now)
            case (State.INIT, State.ADMIN_DOWN) | (State.UP, State.DOWN | State.ADMIN_DOWN):
                self._become(State.DOWN, Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN, now)
            case _:
                pass  # Every other pair keeps the state; the property test walks them all.

    def _lose(self, now: float) -> None:
        """Nothing was heard for the detection time (sections 6.8.1 and 6.8.4)."""
        if self._state in (State.INIT, State.UP):
            self._become(State.DOWN, Diagnostic.CONTROL_DETECTION_TIME_EXPIRED, now)
        self._remote = None

    def _stop(self, now: float) -> None:
        """Section 6.8.16, with an end: the peer's answer, or a detection time of the peer."""
        if self._state is State.ADMIN_DOWN:
            return
        if self._remote is None:
            self._finish()
            return
        # Slower than this, a single lost packet would let our silence be taken for a death.
        self._goodbye_interval = self._transmit_interval() or GOODBYE_TIME
        self._stops_at = now + min(GOODBYE_TIME, self._timing.detect_multiplier * self._goodbye_interval)
        self._become(State.ADMIN_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN, now)

    def _finish(self) -> None:
        self._is_stopped = True
        self._remote = None
        self._send_at = self._stops_at = None
        self._echo.run(None, 1, 0.0)
        self._effects.append(Stopped())

    def _become(self, state: State, diagnostic: Diagnostic, now: float) -> None:
        """The only writer of the state."""
        before, self._state = self._state, state
        self._diagnostic = diagnostic
        self._since = now
        self._has_news = True
        self._send_gap.pause()
        self._receive_gap.pause()
        if state is State.UP:
            self._ups += 1
            self._effects.append(SessionUp())
        elif before is State.UP and state is State.DOWN:
            self._downs += 1
            self._effects.append(self._why_down())

    def _why_down(self) -> SessionDown:
        remote = self._remote
        assert remote is not None, "a session that was Up has heard its peer"
        has_signaled = self._diagnostic is Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN
        return SessionDown(
            diagnostic=self._diagnostic,
            remote_diagnostic=remote.diagnostic if has_signaled else Diagnostic.NONE,
            is_administrative=has_signaled and remote.state is State.ADMIN_DOWN,
            is_fate_shared=not remote.is_control_plane_independent,
        )

    # What is heard.

    def _receive(self, packet: ControlPacket, now: float) -> None:
        """Section 6.8.6, from the selection of the session on."""
        if not self._is_started:
            return
        self._received += 1
        if self._state is State.ADMIN_DOWN:
            # "The packet MUST be discarded"; but one that says Down tells us that the goodbye has arrived.
            if packet.state in (State.DOWN, State.ADMIN_DOWN):
                self._finish()
            return
        self._remote = packet
        self._remote_diagnostic = packet.diagnostic
        self._heard_at = now
        if packet.is_final and (agreed := self._intervals.finish()) is not None:
            self._effects.append(TimingAgreed(*agreed))
            self._has_news |= self._intervals.is_polling
        self._hear(packet.state, now)
        self._owes_final = packet.is_poll
        if self._state is State.UP:
            self._receive_gap.note(now)

    # What is agreed.

    def _negotiate(self, now: float) -> None:
        """Bring Echo function and intervals in line with the state and with what is wanted."""
        self._echo.run(self._echo_interval(), self._timing.detect_multiplier, now)
        before = self._intervals.offered
        desired, required = self._timing.desired_min_tx_us, self._timing.required_min_rx_us
        if self._state is State.UP:
            self._intervals.want(Offer(desired, max(required, SLOW_US) if self._echo.is_proven else required))
        else:
            self._intervals.settle(Offer(max(desired, SLOW_US), required))
        self._has_news |= self._intervals.offered != before

    def _echo_interval(self) -> float | None:
        wanted, remote = self._timing.echo_interval_us, self._remote
        if wanted is None or remote is None or self._state is not State.UP:
            return None
        # "If zero, the transmitting system does not support the receipt of BFD Echo packets."
        return max(wanted, remote.required_min_echo_rx_us) * US if remote.required_min_echo_rx_us else None

    def _transmit_interval(self) -> float | None:
        """Between periodic packets (section 6.8.7); None: there must be none."""
        remote, desired_us = self._remote, self._intervals.in_force.desired_min_tx_us
        if not self._is_started or self._is_stopped or (remote is None and self.config.is_passive):
            return None
        if self._goodbye_interval is not None:
            return self._goodbye_interval
        if remote is None:
            return desired_us * US
        is_silence_wanted = remote.is_demand and self._state is remote.state is State.UP
        if remote.required_min_rx_us == 0 or (is_silence_wanted and not self._intervals.is_polling):
            return None
        return max(desired_us, remote.required_min_rx_us) * US

    def _detection_time(self) -> float | None:
        """Section 6.8.4, asynchronous mode."""
        if self._remote is None:
            return None
        required_us = self._intervals.in_force.required_min_rx_us
        return self._remote.detect_multiplier * max(required_us, self._remote.desired_min_tx_us) * US

    def _detect_at(self) -> float | None:
        detection_time = self._detection_time()
        if detection_time is None or self._state is State.ADMIN_DOWN:
            return None
        return self._heard_at + detection_time

    # What is sent.

    def _settled(self, now: float) -> list[Effect]:
        """Send what must not wait, and hand out the effects."""
        if not self._is_stopped:
            self._negotiate(now)
            if self._owes_final:
                self._answer(now)
            self._pace(now)
            if (self._has_news and self._is_started) or (self._send_at is not None and self._send_at <= now):
                self._send(now)
        effects, self._effects = self._effects, []
        return effects

    def _answer(self, now: float) -> None:
        """A Final at once, "without respect to the transmission timer or any other restriction" (section 6.5)."""
        self._owes_final = False
        self._emit(now, is_final=True)
        # It tells the news as well, unless there is a question to ask.
        self._has_news &= self._intervals.is_polling

    def _send(self, now: float) -> None:
        """A packet that is due or has news, unless we must be silent (section 6.8.7)."""
        self._has_news = False
        self._sent_at = now
        self._interval = None
        self._pace(now)
        if self._remote is not None or not self.config.is_passive:
            self._emit(now)

    def _pace(self, now: float) -> None:
        """The next packet is due an interval after the last one, also when the interval has just changed."""
        interval = self._transmit_interval()
        if interval == self._interval and interval is not None:
            return
        self._interval = interval
        self._send_at = None if interval is None else max(now, self._sent_at + self._jittered(interval))

    def _emit(self, now: float, *, is_final: bool = False) -> None:
        remote = self._remote
        self._sent += 1
        if self._state is State.UP:
            self._send_gap.note(now)
        if self._transmit_interval() is None:
            self._send_gap.pause()
        packet = ControlPacket(
            state=self._state,
            diagnostic=self._diagnostic,
            is_poll=self._intervals.is_polling and not is_final,
            is_final=is_final,
            detect_multiplier=self._timing.detect_multiplier,
            my_discriminator=self.discriminator,
            your_discriminator=0 if remote is None else remote.my_discriminator,
            desired_min_tx_us=self._intervals.offered.desired_min_tx_us,
            required_min_rx_us=self._intervals.offered.required_min_rx_us,
            required_min_echo_rx_us=self._timing.echo_interval_us or 0,
        )
        self._effects.append(SendPacket(encode(packet)))

    def _jittered(self, interval: float) -> float:
        """Shorten by up to a quarter, and for a multiplier of 1 by at least a tenth (section 6.8.7)."""
        return interval * self._rng.uniform(0.75, 0.9 if self._timing.detect_multiplier == 1 else 1.0)
