"""One BGP peer: a session that is held up, and the routes advertised over it.

The session is the business of `Fsm`, the routes are that of `AdjRibOut`; a Peer joins the two and adds

- flow control: UPDATEs are made only while little enough is on its way to the kernel, so that a peer that does
  not read costs a bounded amount of memory, and what it gets in the end is the newest state;
- the planned stop: *withdraw* everything, *drain* (routers first forget the routes, while we still serve the
  traffic), then Cease with a reason, close, `Stopped`. It ends in bounded time whatever the peer does.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import assert_never

from announce.bgp.config import PeerConfig
from announce.bgp.effects import (
    CloseConnection,
    Connect,
    Effect,
    EndKind,
    EndReason,
    RoutesReceived,
    Send,
    SessionEnded,
    SessionEstablished,
    Stopped,
)
from announce.bgp.events import (
    BfdUp,
    Event,
    Reconfigured,
    RoutesChanged,
    RoutesComplete,
    RoutesUpdated,
    StopRequested,
)
from announce.bgp.fsm import Fsm
from announce.bgp.messages import Update
from announce.bgp.nlri import Family
from announce.bgp.rib import AdjRibOut, Outbound
from announce.bgp.routes import Route
from announce.bgp.states import FsmEffect, ManualStop, RouteRefreshRequested, State, UpdateReceived


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStatus:
    """How a peer is doing, for people and metrics."""

    state: State
    since: float
    """When the state was entered, on the clock of `now`."""
    session: SessionEstablished | None
    """None unless Established."""
    advertised: frozenset[Route]
    """What the peer has been told; all of it is gone where there is no session."""
    waiting_count: int
    """Routes that are desired but not told: no session, a slow peer, or a family the session does not carry."""
    routes_received: int
    updates_sent: int
    messages_received: int
    messages_sent: int
    sessions_established: int
    sessions_lost: int
    """Flaps: Established sessions that ended, but not by our stop."""
    last_end: EndReason | None


@dataclass(frozen=True, slots=True)
class _Stopping:
    communication: str
    give_up_at: float
    drained_at: float | None = None
    """None: withdrawals are still to be sent."""

    @property
    def deadline(self) -> float:
        return self.give_up_at if self.drained_at is None else min(self.drained_at, self.give_up_at)


class Peer:
    """Keeps a session with one router and advertises the desired routes over it (RFC 4271)."""

    def __init__(self, config: PeerConfig, rng: random.Random) -> None:
        self.config = config
        self._fsm = Fsm(config, rng)
        self._rib = AdjRibOut()
        self._stopping: _Stopping | None = None
        self._is_stopped = False
        self._routes_received = 0
        self._updates_sent = 0
        self._sessions_established = 0
        self._sessions_lost = 0
        self._last_end: EndReason | None = None

    def step(self, event: Event, now: float) -> list[Effect]:
        if self._is_stopped:
            return []
        match event:
            case RoutesChanged(routes):
                effects = self._change_routes(routes)
            case StopRequested(communication):
                effects = self._begin_stop(communication, now)
            case Reconfigured() | BfdUp() | RoutesUpdated() | RoutesComplete():
                effects = []
            case _:
                effects = self._digest(self._fsm.step(event, now), now)
        return effects + self._pump(now)

    def advance(self, now: float) -> list[Effect]:
        if self._is_stopped:
            return []
        if self._stopping is not None and now >= self._stopping.deadline:
            return self._stop(now)
        return self._digest(self._fsm.advance(now), now) + self._pump(now)

    def next_deadline(self) -> float | None:
        deadlines = [self._fsm.next_deadline(), self._stopping and self._stopping.deadline]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    @property
    def state(self) -> State:
        return self._fsm.state

    def status(self) -> PeerStatus:
        return PeerStatus(
            state=self._fsm.state,
            since=self._fsm.since,
            session=self._fsm.session,
            advertised=self._rib.advertised,
            waiting_count=self._rib.waiting_count,
            routes_received=self._routes_received,
            updates_sent=self._updates_sent,
            messages_received=self._fsm.messages_received,
            messages_sent=self._fsm.messages_sent,
            sessions_established=self._sessions_established,
            sessions_lost=self._sessions_lost,
            last_end=self._last_end,
        )

    # Routes.

    def _change_routes(self, routes: frozenset[Route]) -> list[Effect]:
        if self._stopping is None:
            self._rib.replace(routes)
        return []

    def _pump(self, now: float) -> list[Effect]:
        """Send what there is to tell, as far as there is room."""
        effects: list[Effect] = []
        while self._fsm.room and (update := self._rib.next_update()) is not None:
            effects.append(self._fsm.send(update, now))
            self._updates_sent += 1
        return effects + self._watch_drain(now)

    def _digest(self, fsm_effects: list[FsmEffect], now: float) -> list[Effect]:
        """Act on what concerns the routes; hand on what concerns the world."""
        effects: list[Effect] = []
        heard: list[Update] = []
        to_refresh: set[Family] = set()
        for effect in fsm_effects:
            match effect:
                case UpdateReceived(update):
                    heard.append(update)
                case RouteRefreshRequested(family):
                    to_refresh.add(family)
                case SessionEstablished():
                    self._sessions_established += 1
                    self._rib.begin(self._outbound(effect))
                    effects.append(effect)
                case SessionEnded(reason, was_established):
                    self._note_end(reason, was_established=was_established)
                    effects.append(effect)
                case Connect() | Send() | CloseConnection():
                    effects.append(effect)
                case _:
                    assert_never(effect)
        # Once for all requests that came together: a peer may send hundreds of them in one segment.
        for family in to_refresh:
            self._rib.refresh(family)
        return effects + self._count(heard)

    def _outbound(self, session: SessionEstablished) -> Outbound:
        return Outbound(
            local_asn=self.config.local_asn,
            is_internal=self.config.is_internal,
            is_four_octet_as=session.is_four_octet_as,
            local_address=session.local_address,
            families=session.families,
            default_local_pref=self.config.default_local_pref,
        )

    def _note_end(self, reason: EndReason, *, was_established: bool) -> None:
        self._last_end = reason
        self._rib.end()
        if was_established and reason.kind is not EndKind.STOPPED:
            self._sessions_lost += 1

    def _count(self, heard: list[Update]) -> list[Effect]:
        announced = sum(update.announced_count for update in heard)
        withdrawn = sum(update.withdrawn_count for update in heard)
        fault = next((update.fault for update in heard if update.fault), None)
        self._routes_received += announced
        return [RoutesReceived(announced, withdrawn, fault)] if announced or withdrawn or fault else []

    # The planned stop.

    def _begin_stop(self, communication: str, now: float) -> list[Effect]:
        if self._stopping is not None:
            return []
        if not self._rib.has_advertised:
            return self._end_now(communication, now)
        self._stopping = _Stopping(communication, now + self.config.stop_timeout)
        self._rib.replace(frozenset())
        return []

    def _watch_drain(self, now: float) -> list[Effect]:
        """The withdrawals are out, or with the session they are needless."""
        stopping = self._stopping
        if stopping is None or self._is_stopped or self._rib.has_advertised:
            return []
        if self._fsm.state is not State.ESTABLISHED:
            return self._stop(now)
        if stopping.drained_at is None:
            drained_at = now + self.config.drain_time
            self._stopping = _Stopping(stopping.communication, stopping.give_up_at, drained_at)
        return []

    def _stop(self, now: float) -> list[Effect]:
        assert self._stopping is not None
        return self._end_now(self._stopping.communication, now)

    def _end_now(self, communication: str, now: float) -> list[Effect]:
        effects = self._digest(self._fsm.step(ManualStop(communication), now), now)
        self._is_stopped = True
        self._stopping = None
        return [*effects, Stopped()]
