"""The gossip side of *wire*: where it looks for other members."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

import membership as ml
from swimlb.observe.logs import EventLog
from swimlb.runtime.recorder import Recorder
from swimlb.speaker.effects import JoinRing
from swimlb.speaker.events import MemberPresent, RingJoined
from swimlb.wire.ring import Ring
from swimlb.wire.secret import KeyDerivation, Plaintext, SecretFiles

FIRST, SECOND = "127.0.49.11", "127.0.49.12"


def ring(address: str, on_event: Callable[[object], None], tasks: asyncio.TaskGroup) -> Ring:
    config = ml.Config(name=f"node-{address}", address=address, profile=ml.fast())
    secret = SecretFiles((), KeyDerivation.METALLB, Plaintext.REFUSE)
    log = EventLog(logging.getLogger(__name__))
    return Ring(config, (), secret, random.Random(1), Recorder(), log, on_event, lambda: None, tasks)


async def meet(is_found_before: bool) -> list[object]:
    """What the second one hears of, when the cluster tells it of the first before or after it joins."""
    events: list[object] = []
    is_met = asyncio.Event()

    def on_event(event: object) -> None:
        events.append(event)
        if isinstance(event, MemberPresent):
            is_met.set()

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        first, second = ring(FIRST, lambda _: None, tasks), ring(SECOND, on_event, tasks)
        await first.start()
        await second.start()
        first.perform(JoinRing())
        if is_found_before:
            second.find_seeds((FIRST, SECOND))
        second.perform(JoinRing())
        if not is_found_before:
            await asyncio.sleep(0.05)
            second.find_seeds((FIRST, SECOND))
        await is_met.wait()
        await second.close()
        await first.close()
    return events


def test_joins_who_the_cluster_tells_of() -> None:
    """Its own address among them is passed over."""
    events = asyncio.run(meet(is_found_before=True))

    assert RingJoined(1) in events
    assert RingJoined(0) not in events


def test_joins_who_is_found_later() -> None:
    """A node that was alone, or had no API server to ask, when it started."""
    events = asyncio.run(meet(is_found_before=False))

    assert events[0] == RingJoined(0)
    assert isinstance(events[1], MemberPresent)
