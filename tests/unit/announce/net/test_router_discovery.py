"""The socket of a search for routers, on an interface that is of no use."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from announce.discovery import Event, SendSolicitation
from announce.net import router_discovery
from announce.net.router_discovery import DiscoverySocket


class Mute(DiscoverySocket):
    """Can be opened, as an interface that is down, or has no address yet; nothing can be sent."""

    def __init__(self, on_event: Callable[[Event], None], on_failure: Callable[[str], None]) -> None:
        super().__init__("lo", on_event, on_failure)
        self.is_tried = asyncio.Semaphore(0)

    def _open(self) -> socket.socket:
        self.is_tried.release()
        # The kernel refuses to send UDP to port 0.
        return socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)


def test_tells_a_reason_once_however_often_it_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interface may be down for days."""
    monkeypatch.setattr(router_discovery, "REOPEN_TIME", 0.001)
    told: list[str] = []

    async def play() -> None:
        def solicit(_: Event) -> None:
            mute.perform(SendSolicitation())

        mute = Mute(solicit, told.append)
        mute.start()
        async with asyncio.timeout(5.0):
            for _ in range(3):
                await mute.is_tried.acquire()
        mute.close()

    asyncio.run(play())

    assert told == ["interface lo: Invalid argument"]
