"""The real BFD side of *wire* on real sockets, in a thread that lives inside a network namespace."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from announce.bfd import SessionConfig, SessionDown, SessionStatus, SessionUp, State
from swimlb.lab import namespaces
from swimlb.lab.waiting import wait_until
from swimlb.observe.logs import configure
from swimlb.runtime import clock
from swimlb.runtime.recorder import Recorder
from swimlb.wire.bfd import BfdSessions, News

NAME = "router"


class LiveBfd:
    """What a test says to the session, and what it sees of it. All methods are for the test's own thread."""

    def __init__(self, config: SessionConfig) -> None:
        self._config = config
        self._loop = asyncio.new_event_loop()
        self._sessions: BfdSessions | None = None
        self._stopped = threading.Event()
        self.news: list[tuple[float, News]] = []
        """With the time of each, on the clock of `runtime.clock`."""

    @property
    def status(self) -> SessionStatus:
        assert self._sessions is not None
        return self._sessions.views()[NAME].status

    @property
    def downs(self) -> list[tuple[float, SessionDown]]:
        return [(at, news) for at, news in list(self.news) if isinstance(news, SessionDown)]

    @property
    def ups(self) -> int:
        return sum(isinstance(news, SessionUp) for _, news in list(self.news))

    @property
    def drops(self) -> dict[str, int]:
        assert self._sessions is not None
        return dict(self._sessions.drops)

    def wait_until_up(self, timeout: float = 15.0) -> None:
        self.wait_for("the session", lambda status: status.state is State.UP, timeout)

    def wait_for(
        self, what: str, condition: Callable[[SessionStatus], object], timeout: float = 15.0
    ) -> None:
        wait_until(
            lambda: condition(self.status),
            timeout=timeout,
            what=what,
            seen=lambda: (self.status, self.news, self.drops),
        )

    def want(self, config: SessionConfig) -> None:
        assert self._sessions is not None
        self._loop.call_soon_threadsafe(self._sessions.want, NAME, config)

    def stop(self) -> float:
        """How long it took."""
        assert self._sessions is not None
        begun = clock.monotonic()
        self._loop.call_soon_threadsafe(self._sessions.stop, NAME, self._stopped.set)
        assert self._stopped.wait(5.0), "the session did not stop"
        return clock.monotonic() - begun

    def run(self, namespace: str, is_ready: threading.Event, done: asyncio.Event) -> None:
        """The thread."""
        with namespaces.entered(namespace):
            self._loop.run_until_complete(self._main(is_ready, done))
        self._loop.close()

    def end(self, done: asyncio.Event) -> None:
        self._loop.call_soon_threadsafe(done.set)

    async def _main(self, is_ready: threading.Event, done: asyncio.Event) -> None:
        log = configure("error", process="test")
        self._sessions = BfdSessions(random.Random(), Recorder(), log, self._hear, lambda: None)
        self._sessions.want(NAME, self._config)
        is_ready.set()
        await done.wait()
        self._sessions.close()

    def _hear(self, name: str, news: News) -> None:
        assert name == NAME
        self.news.append((clock.monotonic(), news))


@contextmanager
def live_bfd(namespace: str, config: SessionConfig) -> Generator[LiveBfd]:
    """A started session. At the end its sockets are closed without a word, as if the process had been killed."""
    live, is_ready, done = LiveBfd(config), threading.Event(), asyncio.Event()
    thread = threading.Thread(target=live.run, args=(namespace, is_ready, done), daemon=True)
    thread.start()
    assert is_ready.wait(5.0), "the session's thread did not start"
    try:
        yield live
    finally:
        live.end(done)
        thread.join(10.0)
        assert not thread.is_alive(), "the session's thread did not end"
