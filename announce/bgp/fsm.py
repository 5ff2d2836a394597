"""The BGP finite state machine of one peer (RFC 4271 section 8), without the routes.

- *Idle*: not started, stopped, or waiting after a session that ended (IdleHoldTimer, section 8.1.1). Starting,
  or the end of the wait, opens a TCP connection: *Connect*.
- *Connect*: once the connection is there, OPEN is sent: *OpenSent*. If it fails or takes too long: *Active*.
- *Active*: waiting for the ConnectRetryTimer, then *Connect*. (Here an inbound connection will be taken.)
- *OpenSent*: an acceptable OPEN of the peer is answered by KEEPALIVE: *OpenConfirm*. If the connection ends:
  *Active*.
- *OpenConfirm*: the peer's KEEPALIVE: *Established*.
- *Established*: every message restarts the HoldTimer; routes flow.

From the last three every other fault leads to *Idle*: one of the peer by way of a NOTIFICATION to it, one of
the connection without. The waits grow with each failure in a row and begin anew only after a session that was
Established for a while.
"""

from __future__ import annotations

import random

from announce.bgp.config import IpAddress, PeerConfig
from announce.bgp.effects import (
    CloseConnection,
    Connect,
    EndKind,
    EndReason,
    Send,
    SessionEnded,
    SessionEstablished,
)
from announce.bgp.errors import (
    ErrorCode,
    FsmError,
    HoldTimerError,
    NotificationError,
    OpenError,
    SendHoldTimerError,
    Subcode,
)
from announce.bgp.events import (
    BytesReceived,
    BytesSent,
    ConnectionClosed,
    ConnectionEstablished,
    ConnectionEvent,
    ConnectionFailed,
    Started,
)
from announce.bgp.framing import Framer
from announce.bgp.messages import (
    Keepalive,
    Message,
    Notification,
    Open,
    RouteRefresh,
    Update,
    decode_message,
    encode,
)
from announce.bgp.negotiation import check_open, negotiated, own_open, router_id
from announce.bgp.pacing import Backoff, jittered
from announce.bgp.states import (
    FsmEffect,
    FsmEvent,
    ManualStop,
    RouteRefreshRequested,
    State,
    Timer,
    UpdateReceived,
)

_WITH_SESSION = (State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED)
_UNEXPECTED = {
    State.OPEN_SENT: FsmError.UNEXPECTED_MESSAGE_IN_OPENSENT,
    State.OPEN_CONFIRM: FsmError.UNEXPECTED_MESSAGE_IN_OPENCONFIRM,
    State.ESTABLISHED: FsmError.UNEXPECTED_MESSAGE_IN_ESTABLISHED,
}


class Fsm:
    """One peer's state, timers and connection."""

    def __init__(self, config: PeerConfig, rng: random.Random) -> None:
        self._config = config
        self._rng = rng
        self._state = State.IDLE
        self._since = 0.0
        self._timers: dict[Timer, float] = {}
        self._effects: list[FsmEffect] = []
        self._connection = 0
        self._framer = Framer()
        self._local_address: IpAddress | None = None
        self._session: SessionEstablished | None = None
        """What OPEN settled; in force from OpenConfirm on."""
        self._octets_unsent = 0
        self._backoff = Backoff(config.connect_retry, config.stable_after, rng)
        self.messages_received = 0
        self.messages_sent = 0

    @property
    def state(self) -> State:
        return self._state

    @property
    def since(self) -> float:
        """When the state was entered."""
        return self._since

    @property
    def session(self) -> SessionEstablished | None:
        """None unless Established."""
        return self._session if self._state is State.ESTABLISHED else None

    @property
    def room(self) -> int:
        """Octets of UPDATEs that may be sent now."""
        return max(0, self._config.send_octets_max - self._octets_unsent) if self.session else 0

    def next_deadline(self) -> float | None:
        return min(self._timers.values(), default=None)

    def step(self, event: FsmEvent, now: float) -> list[FsmEffect]:
        match event:
            case Started():
                if self._state is State.IDLE:
                    self._connect(now)
            case ManualStop(communication):
                self._manual_stop(communication, now)
            case _ if event.connection == self._connection:
                self._connection_event(event, now)
            case _:
                pass  # Of a connection that was given up.
        return self._taken()

    def advance(self, now: float) -> list[FsmEffect]:
        for timer in Timer:
            if self._timers.get(timer, now + 1) <= now:
                del self._timers[timer]
                self._expire(timer, now)
        return self._taken()

    def send(self, message: bytes, now: float) -> Send:
        """Account for an octet string that is one whole message, and hand it out."""
        self.messages_sent += 1
        self._octets_unsent += len(message)
        self._timers.setdefault(Timer.SEND_HOLD, now + self._config.send_hold_time)
        if Timer.KEEPALIVE in self._timers:
            self._start_keepalive_timer(now)
        return Send(self._connection, message)

    # The transitions.

    def _connect(self, now: float) -> None:
        """Idle or Active -> Connect."""
        self._connection += 1
        config = self._config
        self._effects.append(
            Connect(
                connection=self._connection,
                address=config.peer_address,
                port=config.peer_port,
                source=config.source_address,
                password=config.password,
            )
        )
        self._timers = {Timer.CONNECT: now + config.connect_timeout}
        self._become(State.CONNECT, now)

    def _connection_event(self, event: ConnectionEvent, now: float) -> None:
        match self._state, event:
            case State.CONNECT, ConnectionEstablished(_, local_address):
                self._send_open(local_address, now)
            case State.CONNECT, ConnectionFailed(_, reason) | ConnectionClosed(_, reason):
                self._fail_to_connect(reason, now)
            case State.OPEN_SENT | State.OPEN_CONFIRM | State.ESTABLISHED, BytesReceived(_, data):
                self._receive(data, now)
            case State.OPEN_SENT | State.OPEN_CONFIRM | State.ESTABLISHED, BytesSent(_, octets):
                self._account_sent(octets, now)
            case State.OPEN_SENT, ConnectionClosed(_, reason):
                self._finish(State.ACTIVE, _closed(reason), now)
            case State.OPEN_CONFIRM | State.ESTABLISHED, ConnectionClosed(_, reason):
                self._finish(State.IDLE, _closed(reason), now)
            case _:
                pass  # Left over from before the state changed; the property test walks all pairs.

    def _fail_to_connect(self, reason: str, now: float) -> None:
        """Connect -> Active."""
        text = f"no connection to {self._config.peer_address} port {self._config.peer_port}: {reason}"
        self._finish(State.ACTIVE, EndReason(EndKind.CONNECT_FAILED, text), now)

    def _send_open(self, local_address: IpAddress, now: float) -> None:
        """Connect -> OpenSent."""
        self._framer = Framer()
        self._octets_unsent = 0
        self._local_address = local_address
        self._timers = {Timer.OPEN: now + self._config.open_timeout}
        self._become(State.OPEN_SENT, now)
        self._effects.append(self.send(encode(own_open(self._config, local_address)), now))

    def _receive(self, data: bytes, now: float) -> None:
        """Every message of a chunk, until one of them ends the session."""
        connection = self._connection
        try:
            for kind, body in self._framer.feed(data):
                self.messages_received += 1
                is_four_octet_as = self._session is not None and self._session.is_four_octet_as
                self._hear(decode_message(kind, body, four_octet_as=is_four_octet_as), now)
                if self._state not in _WITH_SESSION or connection != self._connection:
                    return
        except NotificationError as error:
            text = f"the peer broke the protocol: {error.reason}"
            self._refuse(EndReason(EndKind.PROTOCOL_ERROR, text, Notification.answering(error)), now)

    def _hear(self, message: Message, now: float) -> None:
        if Timer.HOLD in self._timers:
            self._start_hold_timer(now)
        match self._state, message:
            case _, Notification():
                reason = EndReason(
                    EndKind.NOTIFICATION_RECEIVED, _received_text(message, self._config), message
                )
                self._end(reason, now)
            case State.OPEN_SENT, Open():
                self._accept_open(message, now)
            case State.OPEN_CONFIRM, Keepalive():
                self._establish(now)
            case State.ESTABLISHED, Update():
                self._effects.append(UpdateReceived(message))
            case State.ESTABLISHED, RouteRefresh(family, 0):
                self._effects.append(RouteRefreshRequested(family))
            case State.ESTABLISHED, Keepalive() | RouteRefresh():
                pass
            case _:
                words = f"{type(message).__name__} in state {self._state}"
                raise NotificationError(_UNEXPECTED[self._state], words)

    def _accept_open(self, message: Open, now: float) -> None:
        """OpenSent -> OpenConfirm."""
        assert self._local_address is not None
        check_open(message, self._config, router_id(self._config, self._local_address))
        self._session = negotiated(self._config, message, self._local_address)
        self._become(State.OPEN_CONFIRM, now)
        self._effects.append(self.send(encode(Keepalive()), now))
        if self._session.hold_time:
            self._start_hold_timer(now)
            self._start_keepalive_timer(now)

    def _establish(self, now: float) -> None:
        """OpenConfirm -> Established."""
        assert self._session is not None
        del self._timers[Timer.OPEN]
        self._become(State.ESTABLISHED, now)
        self._effects.append(self._session)

    def _manual_stop(self, communication: str, now: float) -> None:
        """Any state -> Idle, and no way back but by Started."""
        notification = Notification.shutdown(communication)
        reason = EndReason(EndKind.STOPPED, "stopped by us", notification)
        if self._state in _WITH_SESSION:
            self._effects.append(self.send(encode(notification), now))
        if self._state in (*_WITH_SESSION, State.CONNECT):
            self._effects.append(CloseConnection(self._connection))
        if self._state in _WITH_SESSION:
            was_established = self._state is State.ESTABLISHED
            self._effects.append(SessionEnded(reason, was_established, retry_in=None))
        self._forget_session()
        self._timers = {}
        self._become(State.IDLE, now)

    def _expire(self, timer: Timer, now: float) -> None:
        match timer:
            case Timer.CONNECT_RETRY:
                self._connect(now)
            case Timer.CONNECT:
                self._effects.append(CloseConnection(self._connection))
                hint = "; is the password the same on both sides?" if self._config.password else ""
                self._fail_to_connect(f"no answer within {self._config.connect_timeout:g} s{hint}", now)
            case Timer.OPEN:
                text = f"the peer did not complete the session within {self._config.open_timeout:g} s"
                self._refuse_timer(EndKind.OPEN_TIMEOUT, HoldTimerError.UNSPECIFIC, text, now)
            case Timer.HOLD:
                hold_time = self._session.hold_time if self._session else 0
                text = f"nothing heard from the peer for the hold time of {hold_time} s"
                self._refuse_timer(EndKind.HOLD_TIMER_EXPIRED, HoldTimerError.UNSPECIFIC, text, now)
            case Timer.SEND_HOLD:
                text = f"the peer took nothing of what we sent for {self._config.send_hold_time:g} s"
                self._refuse_timer(EndKind.SEND_HOLD_TIMER_EXPIRED, SendHoldTimerError.UNSPECIFIC, text, now)
            case Timer.KEEPALIVE:
                self._start_keepalive_timer(now)
                # To a peer that has stopped to read, a KEEPALIVE says no more than what is queued before it.
                if self._octets_unsent < self._config.send_octets_max:
                    self._effects.append(self.send(encode(Keepalive()), now))

    def _refuse_timer(self, kind: EndKind, subcode: Subcode, text: str, now: float) -> None:
        notification = Notification.answering(NotificationError(subcode))
        self._refuse(EndReason(kind, text, notification), now)

    def _refuse(self, reason: EndReason, now: float) -> None:
        """OpenSent, OpenConfirm or Established -> Idle, telling the peer why."""
        assert reason.notification is not None
        self._effects.append(self.send(encode(reason.notification), now))
        self._end(reason, now)

    def _end(self, reason: EndReason, now: float) -> None:
        """OpenSent, OpenConfirm or Established -> Idle, closing the connection."""
        self._effects.append(CloseConnection(self._connection))
        self._finish(State.IDLE, reason, now)

    def _finish(self, state: State, reason: EndReason, now: float) -> None:
        """Wait for the next attempt."""
        was_established = self._state is State.ESTABLISHED
        wait = self._backoff.wait_after(now - self._since if was_established else 0.0)
        self._effects.append(SessionEnded(reason, was_established, retry_in=wait))
        self._forget_session()
        self._timers = {Timer.CONNECT_RETRY: now + wait}
        self._become(state, now)

    # What the transitions need.

    def _become(self, state: State, now: float) -> None:
        self._state = state
        self._since = now

    def _forget_session(self) -> None:
        self._framer = Framer()
        self._session = None
        self._local_address = None
        self._octets_unsent = 0

    def _account_sent(self, octets: int, now: float) -> None:
        self._octets_unsent = max(0, self._octets_unsent - octets)
        self._timers.pop(Timer.SEND_HOLD, None)
        if self._octets_unsent:
            self._timers[Timer.SEND_HOLD] = now + self._config.send_hold_time

    def _start_hold_timer(self, now: float) -> None:
        assert self._session is not None
        self._timers[Timer.HOLD] = now + self._session.hold_time

    def _start_keepalive_timer(self, now: float) -> None:
        assert self._session is not None
        third = self._session.hold_time / 3
        interval = min(self._config.keepalive_time or third, third)
        self._timers[Timer.KEEPALIVE] = now + jittered(interval, self._rng)

    def _taken(self) -> list[FsmEffect]:
        effects, self._effects = self._effects, []
        return effects


def _closed(reason: str) -> EndReason:
    return EndReason(EndKind.CONNECTION_CLOSED, f"the peer closed the connection: {reason}")


def _received_text(notification: Notification, config: PeerConfig) -> str:
    text = f"the peer ended the session: {notification}"
    if (notification.code, notification.subcode) == (ErrorCode.OPEN_MESSAGE, OpenError.BAD_PEER_AS):
        text += f"; it expects another AS of us than {config.local_asn}"
    return text
