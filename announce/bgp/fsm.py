"""The BGP finite state machine of one peer (RFC 4271 section 8), without the routes.

- *Idle*: not started, stopped, or waiting after a session that ended (IdleHoldTimer, section 8.1.1); connections
  of the peer are refused. Starting, or the end of the wait, opens a TCP connection: *Connect*.
- *Connect*: waiting for our connection. If it fails or takes too long: *Active*.
- *Active*: waiting for the ConnectRetryTimer, then *Connect*; or, where we never call, for the peer alone.
- *OpenSent*, *OpenConfirm*, *Established*: states of a `Connection`, of which there may be two for a while, one
  opened by each side. The state of the peer is that of the one which has come further.

In Connect and Active a connection of the peer is taken beside our own attempt. When both have got so far, the
first OPEN decides which of them stays (section 6.8). A peer that agreed on graceful restart may also begin anew
while we still believe in its old connection (RFC 4724 section 5).

When the last connection has ended, the waits grow with each failure in a row, and begin anew only after a
session that was Established for a while.
"""

from __future__ import annotations

import random

from announce.bgp.calling import Calling
from announce.bgp.collision import local_one_stays
from announce.bgp.config import PeerConfig
from announce.bgp.connection import Connection
from announce.bgp.effects import (
    CloseConnection,
    EndKind,
    EndReason,
    Send,
    SessionEnded,
    SessionEstablished,
)
from announce.bgp.errors import CeaseError
from announce.bgp.events import (
    BfdDown,
    BfdUp,
    BytesReceived,
    BytesSent,
    ConnectionAccepted,
    ConnectionClosed,
    ConnectionEstablished,
    ConnectionEvent,
    ConnectionFailed,
    Started,
)
from announce.bgp.messages import Notification, encode
from announce.bgp.negotiation import History, LocalEnd, own_open
from announce.bgp.reluctance import withheld_after
from announce.bgp.states import FsmEffect, FsmEvent, ManualStop, SessionRefused, State, Tally

_ORDER = tuple(State)


class Fsm:
    """One peer's state: up to two connections, or the attempt to connect and the waits (`Calling`)."""

    def __init__(self, config: PeerConfig, rng: random.Random) -> None:
        self._config = config
        self._is_restarting = config.is_restarting
        """Said at the start, and true whatever is configured afterwards."""
        self._rng = rng
        self._since = 0.0
        self._effects: list[FsmEffect] = []
        self._calling = Calling(config, rng, self._effects.append)
        """The state while there is no connection."""
        self._connections: dict[int, Connection] = {}
        self._established_number: int | None = None
        self._has_been_established = False
        self._withheld: frozenset[int] = frozenset()
        self.tally = Tally()

    @property
    def state(self) -> State:
        states = [connection.state for connection in self._connections.values()]
        return max(states, key=_ORDER.index, default=self._calling.state)

    @property
    def since(self) -> float:
        """When the state was entered."""
        return self._since

    @property
    def session(self) -> SessionEstablished | None:
        """None unless Established."""
        established = self._established
        return established.session if established else None

    @property
    def session_connection(self) -> int | None:
        """The number of the connection that the session is on."""
        return self._established.number if self._established else None

    @property
    def room(self) -> int:
        """Octets of UPDATEs that may be sent now."""
        return self._established.room if self._established else 0

    @property
    def _established(self) -> Connection | None:
        for connection in self._connections.values():
            if connection.state is State.ESTABLISHED:
                return connection
        return None

    def reconfigure(self, config: PeerConfig, now: float) -> list[FsmEffect]:
        """For all that follows; an OPEN that was sent stands. Who has become active calls."""
        before = self.state
        self._config = config
        self._calling.reconfigure(config, now)
        if config.is_active and self._calling.is_left_to_the_peer and not self._connections:
            self._calling.begin(now)
        return self._taken(before, now)

    def next_deadline(self) -> float | None:
        parts = (self._calling, *self._connections.values())
        deadlines = (part.next_deadline() for part in parts)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def step(self, event: FsmEvent, now: float) -> list[FsmEffect]:
        before = self.state
        match event:
            case Started():
                if self.state is State.IDLE:
                    self._calling.begin(now)
            case ManualStop():
                self._manual_stop(event, now)
            case SessionRefused(reason, wait):
                self._refuse_session(reason, wait, now)
            case BfdDown():
                self._path_down(event, now)
            case BfdUp():
                self._calling.path_up(now)
            case _:
                self._connection_event(event, now)
        return self._taken(before, now)

    def advance(self, now: float) -> list[FsmEffect]:
        before = self.state
        for connection in [*self._connections.values()]:
            connection.advance(now)
            self._settle(connection, now)
        if (reason := self._calling.advance(now)) is not None:
            self._fail_to_connect(reason, now)
        return self._taken(before, now)

    def send(self, message: bytes, now: float) -> Send:
        """A whole message, in Established."""
        established = self._established
        assert established is not None
        return established.send(message, now)

    # Getting a connection.

    def _connection_event(self, event: ConnectionEvent, now: float) -> None:
        number = event.connection
        connection = self._connections.get(number)
        is_ours = self._calling.is_calling and number == self._calling.number and connection is None
        match event:
            case ConnectionAccepted(_, local_address, next_hops):
                if connection is None:
                    self._accept(number, LocalEnd(local_address, next_hops, is_inbound=True), now)
            case ConnectionEstablished(_, local_address, next_hops) if is_ours:
                self._calling.end_attempt()
                self._begin(number, LocalEnd(local_address, next_hops), now)
            case ConnectionFailed(_, reason) | ConnectionClosed(_, reason) if is_ours:
                self._fail_to_connect(reason, now)
            case BytesReceived(_, data) if connection is not None:
                connection.receive(data, now)
                self._settle(connection, now)
            case BytesSent(_, octets) if connection is not None:
                connection.account_sent(octets, now)
            case ConnectionFailed(_, reason) | ConnectionClosed(_, reason) if connection is not None:
                text = f"the peer closed the connection: {reason}"
                connection.lost(EndReason(EndKind.CONNECTION_CLOSED, text))
                self._settle(connection, now)
            case _:
                pass  # Of a connection that was given up, or from before the state changed.

    def _begin(self, number: int, end: LocalEnd, now: float) -> None:
        own = own_open(self._config, end, self._history())
        connection = Connection(
            number, end, own, self._config, self._rng, self.tally, self._effects.append, self._stays
        )
        self._connections[number] = connection
        connection.begin(now)

    def _history(self) -> History:
        has_restarted = self._is_restarting and not self._has_been_established
        return History(has_restarted, has_restarted or self._has_been_established, self._withheld)

    def _fail_to_connect(self, reason: str, now: float) -> None:
        """Connect -> Active."""
        self._calling.end_attempt()
        if not self._connections:
            text = f"no connection to {self._config.peer_address} port {self._config.peer_port}: {reason}"
            self._finish(State.ACTIVE, EndReason(EndKind.CONNECT_FAILED, text), now)

    # The peer's own connections.

    def _accept(self, number: int, end: LocalEnd, now: float) -> None:
        assert number < 0, "the numbers above are those of our own"
        if not self._may_accept(now):
            self._effects.append(Send(number, encode(Notification.cease(CeaseError.CONNECTION_REJECTED))))
            self._effects.append(CloseConnection(number))
            return
        self._calling.end_wait()
        self._begin(number, end, now)

    def _may_accept(self, now: float) -> bool:
        """Not in Idle, and one at a time, of which a later one replaces one that has not sent OPEN."""
        if not self._config.is_listening or self._calling.state is State.IDLE:
            return False
        inbound = [connection for connection in self._connections.values() if connection.end.is_inbound]
        for connection in inbound:
            if connection.session is None:
                text = "the peer opened another connection"
                connection.close(EndReason(EndKind.REPLACED, text))
                del self._connections[connection.number]
        established = self._established
        if established is None:
            return not any(connection.session for connection in inbound)
        if _restarts_gracefully(established):
            return True
        # Perhaps the peer has begun anew and we have not noticed; then this shows it.
        established.probe(now)
        return False

    def _stays(self, connection: Connection, now: float) -> bool:
        """RFC 4271 section 6.8, when the connection has got an acceptable OPEN."""
        assert connection.session is not None
        others = [it for it in self._connections.values() if it is not connection and it.session is not None]
        for other in others:
            if other.state is State.ESTABLISHED and _restarts_gracefully(other):
                # "the previous TCP session MUST be closed, and the new one retained", without a NOTIFICATION.
                other.close(EndReason(EndKind.REPLACED, "the peer has begun anew, on another connection"))
            elif other.state is State.ESTABLISHED or _is_preferred(other, self._config, connection.session):
                _collide(connection, now)
                return False
            else:
                _collide(other, now)
            self._remove_ended(now)
        return True

    # The end of connections.

    def _settle(self, connection: Connection, now: float) -> None:
        """Look at what an event has made of a connection."""
        self._remove_ended(now)
        is_new = connection.number != self._established_number
        if is_new and connection.state is State.ESTABLISHED and connection.ended is None:
            self._note_established(connection, now)

    def _note_established(self, connection: Connection, now: float) -> None:
        """The others have no purpose any more."""
        self._established_number = connection.number
        self._has_been_established = True
        # Also where a peer has begun anew, and the state is Established before and after the same step.
        self._since = now
        self._calling.give_up()
        for other in [*self._connections.values()]:
            if other is not connection:
                _collide(other, now)
        self._remove_ended(now)

    def _remove_ended(self, now: float) -> None:
        for ended in [it for it in self._connections.values() if it.ended is not None]:
            del self._connections[ended.number]
            self._forget(ended, now)

    def _forget(self, ended: Connection, now: float) -> None:
        assert ended.ended is not None
        reason = ended.ended
        was_established = ended.state is State.ESTABLISHED
        self._withheld = (
            frozenset() if was_established else self._withheld | withheld_after(ended.own, reason)
        )
        if self._connections or self._calling.is_calling:
            # Another one goes on, so that there is nothing to wait for.
            if was_established:
                self._effects.append(SessionEnded(reason, was_established=True, retry_in=0.0))
            return
        lasted = now - ended.established_at if was_established else 0.0
        is_closed = reason.kind is EndKind.CONNECTION_CLOSED and ended.session is None
        # A peer that has held for long may come back at once: a router that was restarted calls within a second.
        is_welcome = self._config.is_listening and lasted >= self._config.stable_after
        state = State.ACTIVE if is_closed or is_welcome else State.IDLE
        self._finish(state, reason, now, lasted, was_established=was_established)

    def _finish(
        self,
        state: State,
        reason: EndReason,
        now: float,
        lasted: float = 0.0,
        *,
        was_established: bool = False,
    ) -> None:
        """Nothing is left: wait for the next attempt."""
        wait = self._calling.wait(state, lasted, now)
        self._effects.append(SessionEnded(reason, was_established, retry_in=wait))

    def _manual_stop(self, stop: ManualStop, now: float) -> None:
        """Any state -> Idle, and no way back but by Started."""
        last = max(self._connections.values(), key=lambda it: _ORDER.index(it.state), default=None)
        for connection in self._connections.values():
            _say_goodbye(connection, stop, now)
        self._calling.give_up()
        if last is not None and last.ended is not None:
            was_established = last.state is State.ESTABLISHED
            self._effects.append(SessionEnded(last.ended, was_established, retry_in=None))
        self._connections = {}
        self._calling.stop()

    def _refuse_session(self, reason: EndReason, wait: float, now: float) -> None:
        established = self._established
        if established is None:
            return
        for connection in self._connections.values():
            connection.refuse_for_good(reason, now)
        assert established.ended is not None
        self._effects.append(SessionEnded(established.ended, was_established=True, retry_in=wait))
        self._connections = {}
        self._calling.leave_alone(wait, now)

    def _path_down(self, event: BfdDown, now: float) -> None:
        """RFC 5882 section 4.3: a peer whose BFD dies with its BGP may just be restarting, with our routes kept."""
        notification = Notification.cease(CeaseError.BFD_DOWN)
        text = f"BFD found the path to the peer dead: {event.reason}"
        for connection in [*self._connections.values()]:
            if event.is_fate_shared and _restarts_gracefully(connection):
                connection.close(EndReason(EndKind.BFD_DOWN, text))
            else:
                connection.refuse_for_good(EndReason(EndKind.BFD_DOWN, text, notification), now)
        self._remove_ended(now)

    def _taken(self, before: State, now: float) -> list[FsmEffect]:
        if self.state is not before:
            self._since = now
        effects = self._effects[:]
        self._effects.clear()
        return effects


def _is_preferred(existing: Connection, config: PeerConfig, session: SessionEstablished) -> bool:
    return existing.end.is_inbound is not local_one_stays(config.local_asn, session)


def _collide(loser: Connection, now: float) -> None:
    notification = Notification.cease(CeaseError.CONNECTION_COLLISION_RESOLUTION)
    loser.refuse(EndReason(EndKind.REPLACED, "another connection to the peer stays", notification), now)


def _say_goodbye(connection: Connection, stop: ManualStop, now: float) -> None:
    if stop.is_restart and _may_keep_routes(connection):
        connection.close(EndReason(EndKind.STOPPED, "closed by us for a restart"))
        return
    notification = Notification.shutdown(stop.communication)
    connection.refuse_for_good(EndReason(EndKind.STOPPED, "stopped by us", notification), now)


def _may_keep_routes(connection: Connection) -> bool:
    """The peer keeps what it holds of ours, perhaps since an earlier session, if the connection just ends.

    A NOTIFICATION would have it dropped (RFC 4724 section 4). Before the peer's OPEN there is only our offer to
    go by.
    """
    if connection.session is None:
        return connection.own.graceful_restart is not None
    return _restarts_gracefully(connection)


def _restarts_gracefully(connection: Connection) -> bool:
    return connection.session is not None and connection.session.has_graceful_restart
