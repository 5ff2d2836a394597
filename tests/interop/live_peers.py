"""The real router side of *wire*, BGP and BFD, in a thread that lives inside a network namespace."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

from announce.bfd import State
from announce.bgp import Route
from announce.bgp import State as BgpState
from swimlb.lab import namespaces
from swimlb.lab.waiting import wait_until
from swimlb.model import BgpPeer
from swimlb.observe.logs import configure
from swimlb.runtime import clock
from swimlb.runtime.recorder import Recorder
from swimlb.speaker import effects as fx
from swimlb.wire.peers import Peers, PeerView


class LivePeers:
    """One peer, ordered about as the speaker does. All methods are for the test's own thread."""

    def __init__(self, peer: BgpPeer, routes: frozenset[Route]) -> None:
        self._peer = peer
        self._routes = routes
        self._loop = asyncio.new_event_loop()
        self._peers: Peers | None = None
        self._done = asyncio.Event()
        self._stopped = threading.Event()

    @property
    def view(self) -> PeerView:
        return self.views[self._peer.name]

    @property
    def views(self) -> Mapping[str, PeerView]:
        """Of all peers, where a test has started more."""
        assert self._peers is not None
        return self._peers.views()

    @property
    def is_up(self) -> bool:
        """BGP and BFD both are."""
        status, watch = self.view.status, self.view.watch
        is_established = status is not None and status.state is BgpState.ESTABLISHED
        return is_established and watch is not None and watch.status.state is State.UP

    @property
    def lost(self) -> int:
        """Times the BGP session was lost."""
        return 0 if self.view.status is None else self.view.status.sessions_lost

    def wait_for(self, what: str, condition: Callable[[], object], timeout: float = 15.0) -> None:
        wait_until(condition, timeout=timeout, what=what, seen=lambda: self.view)

    def perform(self, effect: fx.PeerEffect) -> None:
        assert self._peers is not None
        self._loop.call_soon_threadsafe(self._peers.perform, effect)

    def stop(self, *, is_restart: bool = False) -> float:
        """The planned stop, for good or for a restart; how long it took."""
        begun = clock.monotonic()
        if not self._stopped.is_set():
            self.perform(fx.StopPeer(self._peer.name, is_restart))
        assert self._stopped.wait(10.0), "the peer did not stop"
        return clock.monotonic() - begun

    def run(self, namespace: str, is_ready: threading.Event) -> None:
        """The thread."""
        with namespaces.entered(namespace):
            self._loop.run_until_complete(self._main(is_ready))
        self._loop.close()

    def end(self) -> None:
        """Of the thread."""
        self._loop.call_soon_threadsafe(self._done.set)

    async def _main(self, is_ready: threading.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._peers = Peers(
                "node-a",
                random.Random(),
                Recorder(),
                configure("error", process="test"),
                lambda event: self._stopped.set(),
                lambda: None,
                tasks,
                lambda address: True,
            )
            self._peers.perform(fx.StartPeer(self._peer))
            self._peers.perform(fx.Advertise(self._peer.name, self._routes))
            is_ready.set()
            await self._done.wait()
            self._peers.close()


@contextmanager
def live_peers(namespace: str, peer: BgpPeer, routes: frozenset[Route]) -> Generator[LivePeers]:
    """A started peer with its routes; at the end it is stopped, if the test did not do so."""
    live, is_ready = LivePeers(peer, routes), threading.Event()
    thread = threading.Thread(target=live.run, args=(namespace, is_ready), daemon=True)
    thread.start()
    assert is_ready.wait(5.0), "the peers' thread did not start"
    try:
        yield live
    finally:
        live.stop()
        live.end()
        thread.join(10.0)
        assert not thread.is_alive(), "the peers' thread did not end"
