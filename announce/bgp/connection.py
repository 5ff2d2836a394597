"""One BGP connection, from the moment that TCP stands to its end (RFC 4271 section 8, from OpenSent on).

- Before OPEN is sent there may be a while in which the peer can send its own first (DelayOpenTimer); the state
  is then still *Connect*, or *Active* where the peer opened the connection.
- *OpenSent*: an acceptable OPEN of the peer is answered by KEEPALIVE: *OpenConfirm*, unless this is one
  connection too many (`collision`).
- *OpenConfirm*: the peer's KEEPALIVE: *Established*.
- *Established*: every message restarts the HoldTimer; routes flow.

A fault of the peer ends the connection by a NOTIFICATION to it. What follows is decided by `fsm`, which looks
at `ended` after each event.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from announce.bgp.config import PeerConfig
from announce.bgp.effects import CloseConnection, EndKind, EndReason, Send, SessionEstablished
from announce.bgp.errors import (
    ErrorCode,
    FsmError,
    HoldTimerError,
    NotificationError,
    OpenError,
    SendHoldTimerError,
    Subcode,
)
from announce.bgp.framing import Framer
from announce.bgp.messages import (
    EXTENDED_OCTETS_MAX,
    MESSAGE_OCTETS_MAX,
    TYPE_AT,
    Keepalive,
    Message,
    MessageType,
    Notification,
    Open,
    RouteRefresh,
    Update,
    decode_message,
    encode,
)
from announce.bgp.negotiation import LocalEnd, check_open, negotiated
from announce.bgp.pacing import jittered
from announce.bgp.states import FsmEffect, RouteRefreshRequested, State, Tally, Timer, UpdateReceived

_UNEXPECTED = {
    State.CONNECT: FsmError.UNSPECIFIC,
    State.ACTIVE: FsmError.UNSPECIFIC,
    State.OPEN_SENT: FsmError.UNEXPECTED_MESSAGE_IN_OPENSENT,
    State.OPEN_CONFIRM: FsmError.UNEXPECTED_MESSAGE_IN_OPENCONFIRM,
    State.ESTABLISHED: FsmError.UNEXPECTED_MESSAGE_IN_ESTABLISHED,
}


class Connection:
    """State, timers and octets of one connection. `own` is the OPEN that we send on it."""

    def __init__(
        self,
        number: int,
        end: LocalEnd,
        own: Open,
        config: PeerConfig,
        rng: random.Random,
        tally: Tally,
        emit: Callable[[FsmEffect], None],
        stays: Callable[[Connection, float], bool],
    ) -> None:
        """`stays` is asked when the peer's OPEN is there and acceptable: it may end this connection or others."""
        self.number = number
        self.end = end
        self.own = own
        self.config = config
        self.state = State.ACTIVE if end.is_inbound else State.CONNECT
        self.established_at = 0.0
        self.session: SessionEstablished | None = None
        """What OPEN settled; in force from OpenConfirm on."""
        self.ended: EndReason | None = None
        """Set at the end, when `state` stays what it was last."""
        self._rng = rng
        self._tally = tally
        self._emit = emit
        self._stays = stays
        self._framer = Framer(EXTENDED_OCTETS_MAX if own.has_extended_messages else MESSAGE_OCTETS_MAX)
        self._octets_unsent = 0
        self._timers: dict[Timer, float] = {}

    @property
    def room(self) -> int:
        """Octets of UPDATEs that may be sent now."""
        if self.ended or self.state is not State.ESTABLISHED:
            return 0
        return max(0, self.config.send_octets_max - self._octets_unsent)

    @property
    def has_sent_open(self) -> bool:
        return self.state in (State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED)

    @property
    def _send_hold_time(self) -> float:
        return max(self.config.send_hold_time, 2 * self.session.hold_time if self.session else 0)

    def next_deadline(self) -> float | None:
        return min(self._timers.values(), default=None)

    def begin(self, now: float) -> None:
        if self.config.delay_open:
            self._timers[Timer.DELAY_OPEN] = now + self.config.delay_open
        else:
            self._send_open(now)

    def advance(self, now: float) -> None:
        for timer in Timer:
            if self._timers.get(timer, now + 1) <= now:
                del self._timers[timer]
                self._expire(timer, now)

    def receive(self, data: bytes, now: float) -> None:
        """Every message of a chunk, until one of them ends the connection."""
        try:
            for kind, body in self._framer.feed(data):
                self._tally.received[kind] += 1
                is_four_octet_as = self.session is not None and self.session.is_four_octet_as
                self._hear(decode_message(kind, body, four_octet_as=is_four_octet_as), now)
                if self.ended:
                    return
        except NotificationError as error:
            text = f"the peer broke the protocol: {error.reason}"
            self.refuse(EndReason(EndKind.PROTOCOL_ERROR, text, Notification.answering(error)), now)

    def account_sent(self, octets: int, now: float) -> None:
        self._octets_unsent = max(0, self._octets_unsent - octets)
        self._timers.pop(Timer.SEND_HOLD, None)
        if self._octets_unsent:
            self._timers[Timer.SEND_HOLD] = now + self._send_hold_time

    def send(self, message: bytes, now: float) -> Send:
        """Account for an octet string that is one whole message, and hand it out."""
        self._tally.sent[MessageType(message[TYPE_AT])] += 1
        self._octets_unsent += len(message)
        self._timers.setdefault(Timer.SEND_HOLD, now + self._send_hold_time)
        if Timer.KEEPALIVE in self._timers:
            self._start_keepalive_timer(now)
        return Send(self.number, message)

    def probe(self, now: float) -> None:
        """A KEEPALIVE out of turn: the host of a peer that has begun anew answers it by a reset."""
        self._emit(self.send(encode(Keepalive()), now))

    # The end.

    def refuse(self, reason: EndReason, now: float) -> None:
        """Tell the peer why, and close. A peer that has had no OPEN of ours gets no reason either."""
        assert reason.notification is not None
        if self.has_sent_open:
            self._emit(self.send(encode(reason.notification), now))
        self.close(reason)

    def refuse_for_good(self, reason: EndReason, now: float) -> None:
        """So that the peer keeps no routes of ours, also one that does at a NOTIFICATION (RFC 8538 section 5.1)."""
        assert reason.notification is not None
        if self.session is not None and self.session.keeps_on_notification:
            reason = replace(reason, notification=reason.notification.as_hard_reset())
        self.refuse(reason, now)

    def close(self, reason: EndReason) -> None:
        self._emit(CloseConnection(self.number))
        self.lost(reason)

    def lost(self, reason: EndReason) -> None:
        """The connection has ended by itself."""
        self.ended = reason
        self._timers = {}

    # The transitions.

    def _send_open(self, now: float) -> None:
        """Connect or Active -> OpenSent."""
        self.state = State.OPEN_SENT
        self._timers[Timer.OPEN] = now + self.config.open_timeout
        self._emit(self.send(encode(self.own), now))

    def _hear(self, message: Message, now: float) -> None:
        if Timer.HOLD in self._timers:
            self._start_hold_timer(now)
        match self.state, message:
            case _, Notification():
                text = _received_text(message, self.config)
                self.close(EndReason(EndKind.NOTIFICATION_RECEIVED, text, message))
            case State.CONNECT | State.ACTIVE, Open():
                # RFC 4271 section 8.2.2, Event 20: OPEN while the DelayOpenTimer runs.
                self._timers.pop(Timer.DELAY_OPEN, None)
                self._send_open(now)
                self._accept_open(message, now)
            case State.OPEN_SENT, Open():
                self._accept_open(message, now)
            case State.OPEN_CONFIRM, Keepalive():
                self._establish(now)
            case State.ESTABLISHED, Update():
                self._emit(UpdateReceived(message))
            case State.ESTABLISHED, RouteRefresh(family, 0):
                self._emit(RouteRefreshRequested(family))
            case State.ESTABLISHED, Keepalive() | RouteRefresh():
                pass
            case _:
                words = f"{type(message).__name__} in state {self.state}"
                raise NotificationError(_UNEXPECTED[self.state], words)

    def _accept_open(self, message: Open, now: float) -> None:
        """OpenSent -> OpenConfirm."""
        check_open(message, self.config, self.own.identifier)
        self.session = negotiated(self.config, self.own, message, self.end)
        if not self._stays(self, now):
            return
        self.state = State.OPEN_CONFIRM
        self._emit(self.send(encode(Keepalive()), now))
        if self.session.hold_time:
            self._start_hold_timer(now)
            self._start_keepalive_timer(now)

    def _establish(self, now: float) -> None:
        """OpenConfirm -> Established."""
        assert self.session is not None
        del self._timers[Timer.OPEN]
        if Timer.SEND_HOLD in self._timers:
            self._timers[Timer.SEND_HOLD] = now + self._send_hold_time
        self.state = State.ESTABLISHED
        self.established_at = now
        self._emit(self.session)

    def _expire(self, timer: Timer, now: float) -> None:
        match timer:
            case Timer.DELAY_OPEN:
                self._send_open(now)
            case Timer.OPEN:
                text = (
                    f"the peer did not complete the session within {self.config.open_timeout:g} s"
                    f"{self.config.reasons_for_silence}"
                )
                self._refuse_timer(EndKind.OPEN_TIMEOUT, HoldTimerError.UNSPECIFIC, text, now)
            case Timer.HOLD:
                hold_time = self.session.hold_time if self.session else 0
                text = f"nothing heard from the peer for the hold time of {hold_time} s"
                self._refuse_timer(EndKind.HOLD_TIMER_EXPIRED, HoldTimerError.UNSPECIFIC, text, now)
            case Timer.SEND_HOLD:
                text = f"the peer took nothing of what we sent for {self._send_hold_time:g} s"
                self._refuse_timer(EndKind.SEND_HOLD_TIMER_EXPIRED, SendHoldTimerError.UNSPECIFIC, text, now)
            case Timer.KEEPALIVE:
                self._start_keepalive_timer(now)
                # To a peer that has stopped to read, a KEEPALIVE says no more than what is queued before it.
                if self._octets_unsent < self.config.send_octets_max:
                    self._emit(self.send(encode(Keepalive()), now))
            case Timer.CONNECT | Timer.CONNECT_RETRY | Timer.REFUSED:
                raise AssertionError("a timer of the FSM")

    def _refuse_timer(self, kind: EndKind, subcode: Subcode, text: str, now: float) -> None:
        notification = Notification.answering(NotificationError(subcode))
        self.refuse(EndReason(kind, text, notification), now)

    def _start_hold_timer(self, now: float) -> None:
        assert self.session is not None
        self._timers[Timer.HOLD] = now + self.session.hold_time

    def _start_keepalive_timer(self, now: float) -> None:
        assert self.session is not None
        third = self.session.hold_time / 3
        interval = min(self.config.keepalive_time or third, third)
        self._timers[Timer.KEEPALIVE] = now + jittered(interval, self._rng)


def _received_text(notification: Notification, config: PeerConfig) -> str:
    text = f"the peer ended the session: {notification}"
    if (notification.code, notification.subcode) == (ErrorCode.OPEN_MESSAGE, OpenError.BAD_PEER_AS):
        text += f"; it expects another AS of us than {config.local_asn}"
    return text
