"""The router side of *wire*: one BGP session per peer that selects this node."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass

from announce import bfd, bgp, discovery
from announce.bgp.received import AdjRibIn
from announce.bgp.routes import Route
from announce.net.listeners import Listeners
from announce.net.tcp import PeerConnections
from swimlb.model import BgpPeer, IpAddress
from swimlb.observe.logs import EventLog
from swimlb.runtime.driver import Driver
from swimlb.runtime.recorder import Recorder
from swimlb.speaker import effects as fx
from swimlb.speaker.events import PeerStopped
from swimlb.wire.bfd import BfdSessions, BfdView, News
from swimlb.wire.peer_settings import admission, bfd_config, session_config, socket_options
from swimlb.wire.searches import Searches

STOP_TEXT = "swimlb: planned stop"
"""What the router's operator reads in the NOTIFICATION (RFC 9003)."""

ROUTES_TOLD_MAX = 1000
"""Of a peer. All of 100,000, each time that anything changes, would occupy the process for a tenth of a second."""


@dataclass(frozen=True, slots=True)
class _Session:
    address: IpAddress
    peer: bgp.Peer
    driver: Driver[bgp.Event, bgp.Effect]
    connections: PeerConnections


@dataclass(frozen=True, slots=True)
class PeerView:
    """One peer as it is now, for people."""

    settings: BgpPeer
    address: IpAddress | None
    """None: no router has been found on the interface yet."""
    status: bgp.PeerStatus | None
    """None: there is no session to speak of."""
    obstacle: str = ""
    """Why there is none."""
    watch: BfdView | None = None
    """None: BFD does not watch it."""
    received: AdjRibIn | None = None
    """What the router has sent; None: it is not remembered."""


class Peers:
    """Performs the speaker's orders about peers, and tells it of those that have stopped."""

    def __init__(
        self,
        node: str,
        rng: random.Random,
        recorder: Recorder,
        log: EventLog,
        on_stopped: Callable[[PeerStopped], None],
        on_change: Callable[[], None],
        tasks: asyncio.TaskGroup,
        is_on_link: Callable[[IpAddress], bool],
    ) -> None:
        self._node = node
        self._is_on_link = is_on_link
        self._rng = rng
        self._recorder = recorder
        self._log = log
        self._on_stopped = on_stopped
        self._on_change = on_change
        self._tasks = tasks
        self._wanted: dict[str, BgpPeer] = {}
        self._routes: dict[str, set[Route]] = {}
        self._sessions: dict[str, _Session] = {}
        """Of a peer that is wanted no more, until it has ended, too."""
        self._near: set[str] = set()
        """Peers that have been on a network of this host since their session was opened.

        They are not far off because the link is down: that is what BFD is to find.
        """
        self._stopping: dict[str, BgpPeer] = {}
        self._obstacles: dict[str, str] = {}
        self._begun: set[str] = set()
        """Peers that have had a session in this life; the first one may follow one of a life before."""
        self._bfd = BfdSessions(rng, recorder, log, self._hear_bfd, on_change)
        self._searches = Searches(rng, recorder, log, self._found)
        self._listeners = Listeners(
            self._accept, lambda reason: log.error("bgp_listen_failed", reason=reason)
        )

    def perform(self, effect: fx.PeerEffect) -> None:
        match effect:
            case fx.StartPeer(peer):
                self._start(peer)
            case fx.ReconfigurePeer(peer):
                self._reconfigure(peer)
            case fx.StopPeer(name, is_restart):
                self._stop(name, is_restart=is_restart)
            case fx.Advertise(name, added, removed):
                routes = self._routes.setdefault(name, set())
                routes -= removed
                routes |= added
                if name in self._sessions and name in self._wanted:
                    self._advertise(name, bgp.RoutesUpdated(added, removed))

    def close(self) -> None:
        self._searches.close()
        self._listeners.close()
        for session in self._sessions.values():
            session.driver.close()
            session.connections.close()
        self._bfd.close()

    def review_paths(self) -> None:
        """The host's networks are others: a peer may turn out to be on one of them, with no router in between."""
        for name, peer in self._wanted.items():
            if (session := self._sessions.get(name)) is not None:
                self._watch(peer, session)

    def _review_paths_to(self, address: IpAddress) -> None:
        """A route may be another one without any change of the host's networks, which nobody tells.

        It shows here: BFD that leaves from elsewhere ends the sessions that it watches, and others begin.
        """
        for name, session in [*self._sessions.items()]:
            if session.address == address and (peer := self._wanted.get(name)) is not None:
                self._watch(peer, session)

    def review_next_hops(self) -> None:
        """The host's addresses are others: routes of sessions that are up may need another next hop."""
        for session in [*self._sessions.values()]:
            session.connections.review_next_hops()

    def views(self) -> dict[str, PeerView]:
        """By name of the BGPPeer; one that is being stopped is still there."""
        return {
            name: self._view(name, peer) for name, peer in sorted({**self._stopping, **self._wanted}.items())
        }

    def bfd_drops(self) -> dict[str, int]:
        """BFD packets that were discarded, by reason."""
        return dict(self._bfd.drops)

    def _view(self, name: str, peer: BgpPeer) -> PeerView:
        session = self._sessions.get(name)
        if session is not None:
            watch = self._bfd.views().get(name)
            received = session.peer.received if peer.keeps_received else None
            return PeerView(
                peer, session.address, session.peer.status(ROUTES_TOLD_MAX), watch=watch, received=received
            )
        obstacle = self._obstacles.get(name)
        return PeerView(peer, peer.peer_address, None, obstacle or self._searches.progress(name))

    # Orders

    def _start(self, peer: BgpPeer) -> None:
        self._wanted[peer.name] = peer
        if peer.peer_address is not None:
            self._open(peer.name, peer.peer_address)
        else:
            self._searches.start(peer.name, peer.interface)

    def _reconfigure(self, peer: BgpPeer) -> None:
        """Nothing of it ends the session that there is."""
        self._wanted[peer.name] = peer
        session = self._sessions.get(peer.name)
        if session is None:
            return
        try:
            config = session_config(peer, session.address, self._node)
        except bgp.InvalidConfig as error:
            self._log.error("bgp_peer_invalid", peer=peer.name, reason=str(error))
            return
        session.driver.feed(bgp.Reconfigured(config))
        session.connections.reconfigure(socket_options(peer), peer.password)
        self._admit(peer, session.address)
        self._watch(peer, session)

    def _stop(self, name: str, *, is_restart: bool) -> None:
        peer = self._wanted.pop(name)
        self._routes.pop(name, None)
        self._obstacles.pop(name, None)
        self._searches.stop(name)
        self._listeners.dismiss(name)
        if name in self._sessions:
            self._stopping[name] = peer
            self._end(name, is_restart=is_restart)
        else:
            self._on_stopped(PeerStopped(name))

    # Sessions

    def _found(self, name: str, address: IpAddress) -> None:
        """A router on the interface: the first one, or one in place of another."""
        if name in self._sessions:
            self._listeners.dismiss(name)
            self._end(name)  # The next one begins when it has ended.
        else:
            self._open(name, address)

    def _open(self, name: str, address: IpAddress) -> None:
        wanted = self._wanted[name]
        try:
            config = session_config(wanted, address, self._node, is_restarting=name not in self._begun)
        except bgp.InvalidConfig as error:
            # The configuration's checks should have caught it. No other peer suffers for it.
            self._obstacles[name] = str(error)
            self._log.error("bgp_peer_invalid", peer=name, reason=str(error))
            return
        self._obstacles.pop(name, None)
        peer = bgp.Peer(config, random.Random(self._rng.random()))
        driver: Driver[bgp.Event, bgp.Effect] = Driver(
            f"bgp {name}", peer, lambda effect: self._perform(name, effect), self._recorder
        )
        connections = PeerConnections(driver.feed, self._tasks, socket_options(wanted))
        session = self._sessions[name] = _Session(address, peer, driver, connections)
        self._begun.add(name)
        driver.feed(bgp.Started())
        if name in self._routes:
            self._advertise(name, bgp.RoutesChanged(frozenset(self._routes[name])))
        self._admit(wanted, address)
        self._watch(wanted, session)

    def _advertise(self, name: str, change: bgp.RoutesChanged | bgp.RoutesUpdated) -> None:
        driver = self._sessions[name].driver
        driver.feed(change)
        # The speaker starts a peer when its plan is whole: what it orders first is all that it knew in its last life.
        driver.feed(bgp.RoutesComplete())

    def _admit(self, peer: BgpPeer, address: IpAddress) -> None:
        terms = admission(peer, address)
        if terms is None:
            self._listeners.dismiss(peer.name)
        else:
            self._listeners.admit(peer.name, terms)

    def _accept(self, name: str, connection: socket.socket) -> None:
        self._sessions[name].connections.accept(connection)

    def _end(self, name: str, *, is_restart: bool = False) -> None:
        self._sessions[name].driver.feed(bgp.StopRequested(STOP_TEXT, is_restart))

    def _ended(self, name: str) -> None:
        session = self._sessions.pop(name)
        self._near.discard(name)
        session.driver.close()
        session.connections.close()
        if self._stopping.pop(name, None) is not None:
            # Not before: a router takes the end of BFD alone for no reason to let go of routes, but that of both for one.
            self._bfd.stop(name, lambda: self._on_stopped(PeerStopped(name)))
            return
        self._bfd.stop(name)
        if (router := self._searches.router(name)) is not None:
            self._open(name, router)

    # BFD

    def _watch(self, peer: BgpPeer, session: _Session) -> None:
        if self._is_on_link(session.address):
            self._near.add(peer.name)
        config = bfd_config(
            peer,
            session.address,
            is_internal=session.peer.config.is_internal,
            is_on_link=peer.name in self._near,
        )
        if config is None:
            self._bfd.stop(peer.name)
        else:
            self._bfd.want(peer.name, config)

    def _hear_bfd(self, name: str, news: News) -> None:
        """RFC 5882: what BFD finds down is down, without waiting for the hold time."""
        session = self._sessions.get(name)
        if session is None:
            return
        if isinstance(news, bfd.SessionUp):
            session.driver.feed(bgp.BfdUp())
        elif not news.is_administrative:
            session.driver.feed(bgp.BfdDown(str(news), is_fate_shared=news.is_fate_shared))

    # What sessions ask for

    def _perform(self, name: str, effect: bgp.Effect) -> None:
        match effect:
            case bgp.Connect() | bgp.Send() | bgp.CloseConnection():
                self._sessions[name].connections.perform(effect)
            case bgp.SessionEstablished():
                self._searches.tell(name, discovery.SessionBegan())
                self._log.info(
                    "bgp_session_established",
                    peer=name,
                    remote_asn=effect.remote_asn,
                    remote_router_id=str(effect.remote_router_id),
                    hold_time=effect.hold_time,
                )
                self._review_paths_to(self._sessions[name].address)
                self._on_change()
            case bgp.SessionEnded(reason, was_established, retry_in):
                if was_established:
                    self._searches.tell(name, discovery.SessionEnded())
                log = self._log.warning if was_established else self._log.info
                log(
                    "bgp_session_ended",
                    peer=name,
                    kind=str(reason.kind),
                    reason=str(reason),
                    retry_in=retry_in,
                )
                self._review_paths_to(self._sessions[name].address)
                self._on_change()
            case bgp.RoutesReceived(announced, withdrawn, fault):
                self._log.debug(
                    "bgp_routes_ignored", peer=name, announced=announced, withdrawn=withdrawn, fault=fault
                )
                if self._sessions[name].peer.config.keeps_received:
                    self._on_change()
            case bgp.Stopped():
                self._ended(name)
