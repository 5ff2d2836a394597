"""The LAN side of *wire*, with interfaces that no kernel has."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, ip_address
from typing import Any, cast

import pytest

from announce import l2
from swimlb.observe.logs import EventLog
from swimlb.runtime.recorder import Recorder
from swimlb.speaker.events import ClaimHeard, Event
from swimlb.wire.lan import Lan

POD = l2.Interface(name="pod0", index=7, mac=bytes((2, 0, 0, 0, 0, 7)), is_up=True, has_carrier=True)


class NoSockets:
    def perform(self, effect: l2.Effect) -> None:
        pass

    def close(self) -> None:
        pass


def lan(on_event: Callable[[Event], None] = lambda event: None) -> Lan:
    responder = l2.Responder(l2.Config(), random.Random(1))
    log = EventLog(logging.getLogger(__name__))
    made = Lan(responder, Recorder(), log, on_event, is_data_path_local=False)
    made._sockets = cast("Any", NoSockets())
    return made


def test_settings_are_checked_once_for_each_interface_and_anew_when_it_is_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Of interfaces that are gone nothing is kept: where Pods come and go, each has one of a name of its own."""
    told: list[int] = []

    async def play() -> None:
        side = lan()
        for event in (
            l2.InterfaceAdded(POD),
            l2.InterfaceChanged(POD),
            l2.InterfaceRemoved(POD.name),
            l2.InterfaceAdded(POD),
            l2.InterfaceRemoved(POD.name),
        ):
            side._on_link(event)
            settings = [cast("Any", record).fields["setting"] for record in caplog.records]
            told.append(settings.count("ipv4.forwarding"))
        assert not side._checked
        side.close()

    asyncio.run(play())

    assert told == [1, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("address", "own", "can_ask"),
    [
        (ip_address("2001:db8::1"), (), False),
        (ip_address("2001:db8::1"), (IPv6Interface("2001:db8::7/64"),), False),
        (ip_address("2001:db8::1"), (IPv6Interface("fe80::7/64"),), True),
        (ip_address("192.0.2.1"), (), True),
    ],
)
def test_tells_whether_it_could_ask_whom_it_hears(
    address: IPv4Address | IPv6Address, own: tuple[IPv6Interface, ...], can_ask: bool
) -> None:
    heard: list[Event] = []

    async def play() -> None:
        side = lan(heard.append)
        side._on_link(l2.InterfaceAdded(replace(POD, addresses=own)))
        side._perform(l2.AnnouncementHeard(address, POD.mac, POD.name, l2.ClaimKind.GRATUITOUS))
        side.close()

    asyncio.run(play())

    assert heard[-1] == ClaimHeard(address, POD.mac.hex(":"), POD.name, can_ask=can_ask)
