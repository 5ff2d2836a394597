"""Listening for BGP peers on a device that goes, and comes back as another one of the same name."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import closing

import pytest

from announce.net import listeners
from announce.net.listeners import BGP_PORT, Admission, Listeners
from swimlb.lab import namespaces
from swimlb.lab.sandbox import Sandbox
from tests.netns.l2_wire import CLIENT_ADDRESS, SPEAKER_ADDRESS, Cable

pytestmark = pytest.mark.netns


def test_a_vrf_that_is_made_anew_is_listened_in_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when somebody applies the network configuration anew. To a socket a VRF is a device like any other."""
    monkeypatch.setattr(listeners, "RETRY_TIME", 0.1)
    cable = Cable(sandbox)

    async def case() -> None:
        came: list[str] = []

        def take(name: str, connection: socket.socket) -> None:
            connection.close()
            came.append(name)

        with closing(Listeners(take, lambda _: None)) as one:
            one.admit("router", Admission(peer=CLIENT_ADDRESS.ip, vrf="eth0"))
            await _call_until(cable, lambda: bool(came))
            namespaces.ip_batch(["link delete eth0"], cable.speaker)
            cable.lay()
            came.clear()
            await _call_until(cable, lambda: bool(came))

    with namespaces.entered(cable.speaker):
        asyncio.run(case())


async def _call_until(cable: Cable, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5.0):
        while not condition():
            with namespaces.entered(cable.client):
                router = socket.socket()
            with router:
                router.setblocking(False)
                router.connect_ex((str(SPEAKER_ADDRESS.ip), BGP_PORT))
                await asyncio.sleep(0.05)
