"""One BGP peer: a session that is held up, and the routes advertised over it.

The session is the business of `Fsm`, the routes are that of `AdjRibOut`; a Peer joins the two and adds

- pace: a change goes out at once, what follows within `update_interval` goes out together; and work that would
  take long is done in portions, with the rest due immediately (`next_deadline`), so that the process can see to
  others in between;
- flow control: UPDATEs are made only while little enough is on its way to the kernel, so that a peer that does
  not read costs a bounded amount of memory, and what it gets in the end is the newest state;
- the planned stop (`stopping`), and the restart after which the peer still has our routes (RFC 4724).
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import assert_never

from announce.bgp.capabilities import RouteRefreshSupport
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
    BytesSent,
    Event,
    NextHopsChanged,
    Reconfigured,
    RoutesChanged,
    RoutesComplete,
    RoutesUpdated,
    StopRequested,
)
from announce.bgp.fsm import Fsm
from announce.bgp.messages import Notification, RouteRefresh, Update, encode
from announce.bgp.nlri import Family
from announce.bgp.outbound import Outbound, own_next_hops
from announce.bgp.received import AdjRibIn, is_more_remembered
from announce.bgp.rib import AdjRibOut
from announce.bgp.states import (
    FsmEffect,
    ManualStop,
    RouteRefreshRequested,
    SessionRefused,
    State,
    UpdateReceived,
)
from announce.bgp.status import PeerStatus
from announce.bgp.stopping import Phase, Stopping

ROUTES_AT_ONCE = 1024
"""Changes that are taken in by one call: a millisecond or two."""

OCTETS_AT_ONCE = 8 * 1024
"""UPDATEs that are made by one call: about as long."""


class Peer:
    """Keeps a session with one router and advertises the desired routes over it (RFC 4271)."""

    def __init__(self, config: PeerConfig, rng: random.Random) -> None:
        self.config = config
        self._fsm = Fsm(config, rng)
        self._rib = AdjRibOut()
        self._received = AdjRibIn(config)
        self._stopping: Stopping | None = None
        self._is_stopped = False
        self._is_complete = not config.is_restarting
        """What a process before this one advertised has been given again, or there was none."""
        self._complete_by: float | None = None
        self._work_at: float | None = None
        self._next_batch_at = 0.0
        self._is_in_batch = False
        self._routes_received = 0
        self._updates_sent = 0
        self._sessions_established = 0
        self._sessions_lost = 0
        self._last_end: EndReason | None = None
        self._told_next_hops: NextHopsChanged | None = None

    def step(self, event: Event, now: float) -> list[Effect]:
        if self._is_stopped:
            return []
        match event:
            case RoutesChanged() | RoutesUpdated():
                self._change_routes(event)
                effects = []
            case RoutesComplete():
                self._complete()
                effects = []
            case Reconfigured(config):
                effects = self._reconfigure(config, now)
            case NextHopsChanged():
                self._change_next_hops(event)
                effects = []
            case StopRequested():
                effects = self._begin_stop(event, now)
            case BytesSent():
                # Making the next ones is left for later: the kernel may take more at once than we may make at once.
                effects = self._digest(self._fsm.step(event, now), now)
                self._plan_work(now)
                return effects
            case _:
                effects = self._digest(self._fsm.step(event, now), now)
        return effects + self._work(now)

    def advance(self, now: float) -> list[Effect]:
        if self._is_stopped:
            return []
        if self._complete_by is not None and now >= self._complete_by:
            self._complete()
        effects = self._digest(self._fsm.advance(now), now)
        if self._stopping is not None and now >= self._stopping.phase_ends_at:
            effects += self._end_phase(self._stopping, now)
        return effects + self._work(now)

    def next_deadline(self) -> float | None:
        deadlines = [
            self._fsm.next_deadline(),
            self._work_at,
            self._complete_by,
            self._stopping and self._stopping.phase_ends_at,
        ]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    @property
    def state(self) -> State:
        return self._fsm.state

    @property
    def received(self) -> AdjRibIn:
        """What the peer has sent, as far as it is kept."""
        return self._received

    def status(self, routes_max: int | None = None) -> PeerStatus:
        """With so many of the advertised routes, or (None) all of them."""
        count = self._rib.advertised_count
        return PeerStatus(
            state=self._fsm.state,
            since=self._fsm.since,
            session=self._fsm.session,
            advertised=self._rib.first_advertised(count if routes_max is None else routes_max),
            advertised_count=count,
            waiting_count=self._rib.waiting_count,
            routes_received=self._routes_received,
            updates_sent=self._updates_sent,
            received=dict(self._fsm.tally.received),
            sent=dict(self._fsm.tally.sent),
            sessions_established=self._sessions_established,
            sessions_lost=self._sessions_lost,
            last_end=self._last_end,
        )

    def _reconfigure(self, config: PeerConfig, now: float) -> list[Effect]:
        before, self.config = self.config, config
        self._received.reconfigure(config)
        effects = self._digest(self._fsm.reconfigure(config, now), now)
        # A lower limit counts for what is there: the next UPDATE may be hours away, or only repeat a route.
        if (family := self._received.excess) is not None:
            effects += self._refuse_flood(family, now)
        elif is_more_remembered(config, before):
            effects += self._ask_again(now)
        return effects

    # Routes.

    def _change_routes(self, event: RoutesChanged | RoutesUpdated) -> None:
        """Also while a stop only lowers the preference: what may not be served any more has to go at once."""
        if self._stopping is not None and self._stopping.phase is not Phase.LOWER:
            return
        match event:
            case RoutesChanged(routes):
                self._rib.replace(routes)
            case RoutesUpdated(added, removed):
                self._rib.update(added, removed)

    def _change_next_hops(self, event: NextHopsChanged) -> None:
        """What has been advertised with an address that is ours no more would lead nowhere."""
        self._told_next_hops = event
        session = self._fsm.session
        if session is not None and event.connection == self._fsm.session_connection:
            self._rib.reform(own_next_hops(replace(session, next_hops=event.next_hops)))

    def _complete(self) -> None:
        self._is_complete = True
        self._complete_by = None
        self._rib.complete()

    def _work(self, now: float) -> list[Effect]:
        """One portion of what there is to do."""
        self._rib.absorb(ROUTES_AT_ONCE)
        effects = self._pump(now) + self._watch_stop(now)
        self._plan_work(now)
        return effects

    def _pump(self, now: float) -> list[Effect]:
        """Send what there is to tell, as far as there is room."""
        if not self._is_in_batch and now < self._next_batch_at:
            return []
        effects: list[Effect] = []
        octets = 0
        while octets < OCTETS_AT_ONCE and self._fsm.room and (update := self._rib.next_update()) is not None:
            effects.append(self._fsm.send(update, now))
            self._updates_sent += 1
            octets += len(update)
        self._is_in_batch = self._fsm.session is not None and (self._rib.has_news or self._rib.has_changes)
        if effects:
            self._next_batch_at = now + self.config.update_interval
        return effects

    def _plan_work(self, now: float) -> None:
        """When the next portion is due; a peer without room has it after BytesSent."""
        if self._is_stopped:
            self._work_at = None
        elif self._rib.has_changes:
            self._work_at = now
        elif self._fsm.room and self._rib.has_news:
            self._work_at = now if self._is_in_batch else max(now, self._next_batch_at)
        else:
            self._work_at = None

    def _digest(self, fsm_effects: list[FsmEffect], now: float) -> list[Effect]:
        """Act on what concerns the routes; hand on what concerns the world."""
        effects: list[Effect] = []
        heard: list[Update] = []
        to_refresh: dict[Family, None] = {}
        for effect in fsm_effects:
            match effect:
                case UpdateReceived(update):
                    heard.append(update)
                case RouteRefreshRequested(family):
                    to_refresh[family] = None
                case SessionEstablished():
                    self._begin_session(effect, now)
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
        return effects + self._take(heard, now)

    def _begin_session(self, session: SessionEstablished, now: float) -> None:
        self._sessions_established += 1
        told = self._told_next_hops
        if told is not None and told.connection == self._fsm.session_connection:
            session = replace(session, next_hops=told.next_hops)
        self._rib.begin(Outbound.of(self.config, session), is_complete=self._is_complete)
        self._is_in_batch = True
        if not self._is_complete and self._complete_by is None:
            self._complete_by = now + self.config.restart_deferral

    def _note_end(self, reason: EndReason, *, was_established: bool) -> None:
        self._last_end = reason
        if was_established:
            self._rib.end()
            self._received.clear()
            self._is_in_batch = False
            self._next_batch_at = 0.0
            self._sessions_lost += reason.kind is not EndKind.STOPPED

    def _take(self, heard: list[Update], now: float) -> list[Effect]:
        announced = sum(update.announced_count for update in heard)
        withdrawn = sum(update.withdrawn_count for update in heard)
        fault = next((update.fault for update in heard if update.fault), None)
        self._routes_received += announced
        effects: list[Effect] = []
        if announced or withdrawn or fault:
            effects.append(RoutesReceived(announced, withdrawn, fault))
        if self._fsm.session is not None:
            for update in heard:
                if (family := self._received.take(update)) is not None:
                    return effects + self._refuse_flood(family, now)
        return effects

    def _ask_again(self, now: float) -> list[Effect]:
        """For what the peer has sent already, if it can tell it once more (RFC 2918)."""
        session = self._fsm.session
        if session is None or RouteRefreshSupport() not in session.remote_capabilities:
            return []
        return [self._fsm.send(encode(RouteRefresh(family)), now) for family in sorted(session.families)]

    def _refuse_flood(self, family: Family, now: float) -> list[Effect]:
        limit = self.config.received_prefixes_max
        assert limit is not None
        text = (
            f"the peer sent more than {limit} prefixes; received_prefixes_max is there for routers that leak"
        )
        reason = EndReason(EndKind.PREFIX_LIMIT_REACHED, text, Notification.prefix_limit(family, limit))
        refused = SessionRefused(reason, self.config.prefix_limit_wait)
        return self._digest(self._fsm.step(refused, now), now)

    # The planned stop.

    def _begin_stop(self, request: StopRequested, now: float) -> list[Effect]:
        if self._stopping is not None:
            return []
        session = self._fsm.session
        is_kept = request.is_restart and session is not None and session.has_graceful_restart
        if is_kept or not self._rib.advertised_count:
            return self._end_now(ManualStop(request.communication, request.is_restart), now)
        stopping = Stopping.begun(
            request.communication,
            now,
            shutdown_wait=self.config.shutdown_wait,
            stop_timeout=self.config.stop_timeout,
        )
        self._stopping = stopping
        if not self.config.shutdown_wait:
            return self._end_phase(stopping, now)
        self._rib.shut_down()
        return []

    def _end_phase(self, stopping: Stopping, now: float) -> list[Effect]:
        """The time of the phase is over."""
        if stopping.phase is not Phase.LOWER:
            return self._end_now(ManualStop(stopping.communication), now)
        self._stopping = stopping.withdrawing()
        self._next_batch_at = now
        self._rib.clear()
        return []

    def _watch_stop(self, now: float) -> list[Effect]:
        """The withdrawals are out, or with the session they are needless."""
        stopping = self._stopping
        if stopping is None or self._is_stopped or self._rib.advertised_count:
            return []
        if self._fsm.state is not State.ESTABLISHED:
            return self._end_now(ManualStop(stopping.communication), now)
        if stopping.phase is not Phase.DRAIN:
            self._stopping = stopping.draining(now, self.config.drain_time)
        return []

    def _end_now(self, stop: ManualStop, now: float) -> list[Effect]:
        effects = self._digest(self._fsm.step(stop, now), now)
        self._is_stopped = True
        self._stopping = None
        return [*effects, Stopped()]
