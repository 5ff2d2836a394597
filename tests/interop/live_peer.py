"""A real `Peer` on real sockets, in a thread that lives inside a network namespace."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import TypeVar

from announce.bgp import (
    CloseConnection,
    Connect,
    Effect,
    EndKind,
    EndReason,
    Event,
    Peer,
    PeerConfig,
    PeerStatus,
    Reconfigured,
    Send,
    SessionEnded,
    Started,
    Stopped,
    StopRequested,
)
from announce.bgp.errors import ErrorCode
from announce.net.tcp import PeerConnections
from announce.net.tcp_options import SocketOptions
from swimlb.lab import namespaces
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock
from swimlb.runtime.driver import Driver
from swimlb.runtime.recorder import Recorder

EffectT = TypeVar("EffectT")
_FSM_ERROR = ErrorCode.FINITE_STATE_MACHINE


class LivePeer:
    """What a test says to the peer, and what it sees of it. All methods are for the test's own thread."""

    def __init__(self, config: PeerConfig, options: SocketOptions | None = None) -> None:
        self._peer = Peer(config, random.Random(1))
        self._options = options
        self._heard: list[tuple[float, Effect]] = []
        self._stopped = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._driver: Driver[Event, Effect] | None = None
        self._connections: PeerConnections | None = None

    def feed(self, event: Event) -> None:
        assert self._driver is not None
        self._loop.call_soon_threadsafe(self._driver.feed, event)

    def reconfigure(self, config: PeerConfig) -> None:
        """As *wire* does with a change that ends no session."""
        self.feed(Reconfigured(config))
        assert self._connections is not None
        options = self._options or SocketOptions()
        self._loop.call_soon_threadsafe(self._connections.reconfigure, options, config.password)

    @property
    def status(self) -> PeerStatus:
        return self._peer.status()

    def effects(self, kind: type[EffectT]) -> list[EffectT]:
        return [effect for _, effect in list(self._heard) if isinstance(effect, kind)]

    def wait_for_end(self, kind: EndKind, *, was_established: bool = False) -> EndReason:
        """The first end of this kind. There may be others before: a bgpd that is still reading its
        configuration refuses attempts with an FSM error.
        """

        def found() -> EndReason | None:
            return next((end.reason for end in self.effects(SessionEnded) if matches(end)), None)

        def matches(end: SessionEnded) -> bool:
            is_startup = end.reason.notification is not None and end.reason.notification.code == _FSM_ERROR
            return end.reason.kind is kind and end.was_established is was_established and not is_startup

        return wait_until(
            found, timeout=15.0, what=f"an end by {kind}", seen=lambda: self.effects(SessionEnded)
        )

    def wait_for(self, what: str, condition: Callable[[PeerStatus], object], timeout: float = 15.0) -> None:
        wait_until(
            lambda: condition(self.status),
            timeout=timeout,
            what=what,
            seen=lambda: (self.status.state, self.status.last_end),
        )

    def stop(self, communication: str = "") -> float:
        """Planned stop; how long it took."""
        begun = clock.monotonic()
        self.feed(StopRequested(communication))
        assert self._stopped.wait(5.0), "the peer did not stop"
        return clock.monotonic() - begun

    def run(self, namespace: str, is_ready: threading.Event) -> None:
        """The thread."""
        with namespaces.entered(namespace):
            self._loop.run_until_complete(self._main(is_ready))
        self._loop.close()

    async def _main(self, is_ready: threading.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            done = asyncio.Event()
            connections = PeerConnections(lambda event: driver.feed(event), tasks, self._options)

            def perform(effect: Effect) -> None:
                self._heard.append((clock.monotonic(), effect))
                if isinstance(effect, Connect | Send | CloseConnection):
                    connections.perform(effect)
                elif isinstance(effect, Stopped):
                    self._stopped.set()
                    done.set()

            driver: Driver[Event, Effect] = Driver("bgp", self._peer, perform, Recorder())
            self._driver, self._connections = driver, connections
            driver.feed(Started())
            is_ready.set()
            await done.wait()


@contextmanager
def live_peer(
    namespace: str, config: PeerConfig, options: SocketOptions | None = None
) -> Generator[LivePeer]:
    """A started peer; it is stopped at the end if the test did not do so."""
    live, is_ready = LivePeer(config, options), threading.Event()
    thread = threading.Thread(target=live.run, args=(namespace, is_ready), daemon=True)
    thread.start()
    assert is_ready.wait(5.0), "the peer's thread did not start"
    try:
        yield live
    finally:
        with suppress(RuntimeError):  # Stopped already: its loop is closed.
            live.feed(StopRequested())
        thread.join(10.0)
        assert not thread.is_alive(), "the peer's thread did not end"
