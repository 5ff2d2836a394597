"""One TCP connection of a Transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from membership.address import Endpoint
from membership.events import Event, StreamEnded, StreamFailed, StreamReceived


class Connection(asyncio.Protocol):
    """Reports what comes in until the other side ends, the deadline passes, or `close` is called."""

    def __init__(self, number: int, on_event: Callable[[Event], None], on_gone: Callable[[], object]) -> None:
        self._number = number
        self._on_event = on_event
        self._on_gone = on_gone
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._failure = "reset"
        self._is_done = False
        self.on_made: Callable[[Endpoint], None] | None = None

    def send(self, payload: bytes) -> None:
        if self._transport is not None:
            self._transport.write(payload)

    def close(self) -> None:
        """Close once all is sent, or when the deadline passes. Reports nothing from now on."""
        self._is_done = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        self._is_done = True
        if self._transport is not None:
            self._transport.abort()

    def expire_at(self, deadline: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(deadline, self._expire)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self.on_made is not None:
            host, port, *_ = cast("tuple[str, int]", transport.get_extra_info("peername") or ("", 0))
            self.on_made(Endpoint(host, port))

    def data_received(self, data: bytes) -> None:
        self._tell(StreamReceived(self._number, data))

    def eof_received(self) -> bool:
        self._finish(StreamEnded(self._number))
        # The other side may have closed its half only, and still wait for our answer.
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._finish(StreamFailed(self._number, self._failure))
        self._transport = None
        self._on_gone()

    def _expire(self) -> None:
        self._failure = "timeout"
        if self._transport is not None:
            self._transport.abort()

    def _finish(self, event: Event) -> None:
        self._tell(event)
        self._is_done = True

    def _tell(self, event: Event) -> None:
        if not self._is_done:
            self._on_event(event)
