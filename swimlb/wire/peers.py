"""The router side of *wire*: one BGP session per peer that selects this node."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from announce import bgp
from announce.net.tcp import PeerConnections
from swimlb.model import BgpPeer
from swimlb.observe.logs import EventLog
from swimlb.runtime.driver import Driver
from swimlb.runtime.recorder import Recorder
from swimlb.speaker import effects as fx
from swimlb.speaker.events import PeerStopped

STOP_TEXT = "swimlb: planned stop"
"""What the router's operator reads in the NOTIFICATION (RFC 9003)."""


DEFAULT_HOLD_TIME = 90
"""Seconds, where the BGPPeer names none."""


@dataclass(frozen=True, slots=True)
class _Session:
    peer: bgp.Peer
    driver: Driver[bgp.Event, bgp.Effect]
    connections: PeerConnections


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
    ) -> None:
        self._node = node
        self._rng = rng
        self._recorder = recorder
        self._log = log
        self._on_stopped = on_stopped
        self._on_change = on_change
        self._tasks = tasks
        self._sessions: dict[str, _Session] = {}
        self._stopping: dict[str, _Session] = {}

    def perform(self, effect: fx.PeerEffect) -> None:
        match effect:
            case fx.StartPeer(peer):
                self._start(peer)
            case fx.StopPeer(name):
                self._stop(name)
            case fx.Advertise(name, routes):
                if name in self._sessions:
                    self._sessions[name].driver.feed(bgp.RoutesChanged(routes))

    def close(self) -> None:
        for session in (*self._sessions.values(), *self._stopping.values()):
            session.driver.close()

    def statuses(self) -> dict[str, tuple[bgp.PeerConfig, bgp.PeerStatus]]:
        """By name of the BGPPeer; one that is being stopped is still there."""
        return {
            name: (session.peer.config, session.peer.status())
            for name, session in sorted({**self._stopping, **self._sessions}.items())
        }

    def _start(self, wanted: BgpPeer) -> None:
        name = wanted.name
        try:
            config = _config(wanted, self._node)
        except bgp.InvalidConfig as error:
            # The configuration's checks should have caught it. No other peer suffers for it.
            self._log.error("bgp_peer_invalid", peer=name, reason=str(error))
            return
        peer = bgp.Peer(config, random.Random(self._rng.random()))
        driver: Driver[bgp.Event, bgp.Effect] = Driver(
            f"bgp {name}", peer, lambda effect: self._perform(name, effect), self._recorder
        )
        self._sessions[name] = _Session(peer, driver, PeerConnections(driver.feed, self._tasks))
        driver.feed(bgp.Started())

    def _stop(self, name: str) -> None:
        session = self._sessions.pop(name, None)
        if session is None:
            self._on_stopped(PeerStopped(name))
            return
        self._stopping[name] = session
        session.driver.feed(bgp.StopRequested(STOP_TEXT))

    def _perform(self, name: str, effect: bgp.Effect) -> None:
        session = self._sessions.get(name) or self._stopping[name]
        match effect:
            case bgp.Connect() | bgp.Send() | bgp.CloseConnection():
                session.connections.perform(effect)
            case bgp.SessionEstablished():
                self._log.info(
                    "bgp_session_established",
                    peer=name,
                    remote_asn=effect.remote_asn,
                    remote_router_id=str(effect.remote_router_id),
                    hold_time=effect.hold_time,
                )
                self._on_change()
            case bgp.SessionEnded(reason, was_established, retry_in):
                log = self._log.warning if was_established else self._log.info
                log(
                    "bgp_session_ended",
                    peer=name,
                    kind=str(reason.kind),
                    reason=str(reason),
                    retry_in=retry_in,
                )
                self._on_change()
            case bgp.RoutesReceived(announced, withdrawn, fault):
                self._log.debug(
                    "bgp_routes_ignored", peer=name, announced=announced, withdrawn=withdrawn, fault=fault
                )
            case bgp.Stopped():
                session.driver.close()
                del self._stopping[name]
                self._on_stopped(PeerStopped(name))


def _config(peer: BgpPeer, node: str) -> bgp.PeerConfig:
    return bgp.PeerConfig(
        local_asn=peer.my_asn,
        peer_asn=peer.peer_asn,
        peer_address=peer.peer_address,
        peer_port=peer.peer_port,
        source_address=peer.source_address,
        router_id=peer.router_id,
        node_name=node,
        password=peer.password,
        hold_time=DEFAULT_HOLD_TIME if peer.hold_time is None else peer.hold_time,
        keepalive_time=peer.keepalive_time or None,
    )
