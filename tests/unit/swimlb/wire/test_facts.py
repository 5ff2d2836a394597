"""What *wire* reports of its membership, as the status API shows it."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Callable
from typing import Any

import membership as ml
from announce import l2
from swimlb.observe.logs import EventLog
from swimlb.runtime.recorder import Recorder
from swimlb.runtime.records import FACTS_SCHEMA
from swimlb.runtime.replica import Publisher, Subscriber
from swimlb.speaker.core import Config, Speaker
from swimlb.speaker.effects import JoinRing
from swimlb.speaker.rules import RuleOptions
from swimlb.watch.status import Facts, status
from swimlb.watch.world import World
from swimlb.wire import facts
from swimlb.wire.chaining import Chaining
from swimlb.wire.lan import Lan
from swimlb.wire.moves import Moves
from swimlb.wire.peers import Peers
from swimlb.wire.ring import Ring
from swimlb.wire.secret import KeyDerivation, Plaintext, SecretFiles

ADDRESS = "127.0.49.1"
UNTOUCHED = {
    "profile": "fast",
    "awareness": 0,
    "rtt_mean": None,
    "rtt_max": 0.0,
    "suspicions": 0,
    "failures": 0,
    "refutations": 0,
    "lateness_max": 0.0,
    "dropped": 0,
}


async def follow_a_lone_member() -> tuple[dict[str, Any] | None, ...]:
    """`gossip` before it joins, then, and after somebody has sent it what is no gossip."""
    rng, recorder = random.Random(1), Recorder()
    log = EventLog(logging.getLogger(__name__))
    config = ml.Config(name="node-a", address=ADDRESS, profile=ml.fast())
    secret = SecretFiles((), KeyDerivation.METALLB, Plaintext.REFUSE)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        ring = Ring(config, (), secret, rng, recorder, log, lambda event: None, lambda: None, tasks)
        answer = teller(ring, lan_of(recorder, log), recorder, log, tasks)

        def gossip() -> dict[str, Any] | None:
            return answer()["gossip"]

        await ring.start()
        before = gossip()
        ring.perform(JoinRing())
        joined = gossip()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"\xff no gossip", (ADDRESS, config.port))
        await asyncio.sleep(0.01)  # The packet is in the socket already: it is read before this ends.
        disturbed = gossip()
        await ring.close()
    return before, joined, disturbed


def lan_of(recorder: Recorder, log: EventLog) -> Lan:
    responder = l2.Responder(l2.Config(), random.Random(3))
    return Lan(responder, recorder, log, lambda event: None, is_data_path_local=False)


def teller(
    ring: Ring, lan: Lan, recorder: Recorder, log: EventLog, tasks: asyncio.TaskGroup
) -> Callable[[], dict[str, Any]]:
    """The way of the fact: wire's table, across to watch, into the answer of the API."""
    rng, speaker = random.Random(2), Speaker(Config(node="node-a"))
    peers = Peers("node-a", rng, recorder, log, lambda event: None, lambda: None, tasks, lambda address: True)
    chaining = Chaining(log, lambda: (), lambda member: None)

    published = Publisher(FACTS_SCHEMA)
    told = facts.Facts(speaker, ring, lan, peers, chaining, Moves("node-a"), {"pid": 1}, published)

    def answer() -> dict[str, Any]:
        told.refresh()
        published.begin()
        subscriber, heard = Subscriber(FACTS_SCHEMA), Facts()
        while (frame := published.next_frame()) is not None:
            if (batch := subscriber.receive(frame)) is not None:
                heard.learn(batch)
        return status("node-a", "fast", {}, World(), (), heard, RuleOptions())

    return answer


def test_the_member_tells_of_itself_once_it_has_joined() -> None:
    """Nothing before; then the profile in force and counts, of which what is no gossip moves one."""
    before, joined, disturbed = asyncio.run(follow_a_lone_member())

    assert before is None
    assert joined == UNTOUCHED
    assert disturbed == UNTOUCHED | {"dropped": 1}


def test_frames_that_were_dropped_are_told_by_reason() -> None:
    """The count of what somebody sends that is no ARP, or none that is meant for us."""

    async def told() -> Any:
        recorder, log = Recorder(), EventLog(logging.getLogger(__name__))
        config = ml.Config(name="node-a", address=ADDRESS, profile=ml.fast())
        secret = SecretFiles((), KeyDerivation.METALLB, Plaintext.REFUSE)
        async with asyncio.TaskGroup() as tasks:
            ring = Ring(
                config, (), secret, random.Random(1), recorder, log, lambda event: None, lambda: None, tasks
            )
            lan = lan_of(recorder, log)
            lan.drops["not-a-request"] += 2
            return teller(ring, lan, recorder, log, tasks)()["lan"]

    assert asyncio.run(told()) == {"dropped": {"not-a-request": 2}, "chained": 0}
