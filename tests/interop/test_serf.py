"""Ours in one ring with real serf agents (memberlist 0.2.2), on loopback and in plaintext."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from membership import (
    CloseStream,
    Config,
    Effect,
    Endpoint,
    Event,
    JoinRequested,
    LeaveRequested,
    Memberlist,
    OpenStream,
    SendPacket,
    SendStream,
    Started,
    lan,
)
from membership.net import Transport

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("serf") is None, reason="needs Debian's serf"),
]

PORT = 17_946
RPC_PORT = 17_373


class Ours:
    """A Memberlist on real sockets: the least driver that will do."""

    def __init__(self, config: Config) -> None:
        self.memberlist = Memberlist(config, Random(1))
        self.facts: list[Effect] = []
        self._transport = Transport(config.endpoint, self.happen, config.profile.stream_timeout)
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        await self._transport.start()
        self.happen(Started())

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._transport.stop()

    def happen(self, event: Event) -> None:
        self._perform(self.memberlist.step(event, asyncio.get_running_loop().time()))

    def _advance(self) -> None:
        self._perform(self.memberlist.advance(asyncio.get_running_loop().time()))

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, SendPacket | OpenStream | SendStream | CloseStream):
                self._transport.perform(effect)
            else:
                self.facts.append(effect)
        if self._timer is not None:
            self._timer.cancel()
        if (due := self.memberlist.next_deadline()) is not None:
            self._timer = asyncio.get_running_loop().call_at(due, self._advance)

    def names(self) -> set[str]:
        return {member.name for member in self.memberlist.members()}


@asynccontextmanager
async def ours(name: str, address: str) -> AsyncGenerator[Ours]:
    member = Ours(Config(name=name, address=address, port=PORT, delegate_versions=(2, 5, 5), profile=lan()))
    await member.start()
    try:
        yield member
    finally:
        await member.stop()


class Serf:
    """One agent, killed at the end whatever happens."""

    def __init__(self, name: str, address: str, directory: Path, *arguments: str) -> None:
        self.rpc = f"-rpc-addr={address}:{RPC_PORT}"
        self._log = (directory / f"{name}.log").open("wb")
        self.process = subprocess.Popen(
            ["serf", "agent", f"-node={name}", f"-bind={address}:{PORT}", self.rpc, *arguments],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def statuses(self) -> dict[str, str]:
        """What this agent thinks of everybody; empty while it does not answer."""
        done = subprocess.run(
            ["serf", "members", self.rpc, "-format=json"], capture_output=True, check=False, timeout=5
        )
        if done.returncode != 0:
            return {}
        return {member["name"]: member["status"] for member in json.loads(done.stdout)["members"]}

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(5)
        self._log.close()


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[tuple[Serf, Serf]]:
    first = Serf("serf-a", "127.0.41.1", tmp_path)
    second = Serf("serf-b", "127.0.41.2", tmp_path, f"-retry-join=127.0.41.1:{PORT}", "-retry-interval=1s")
    yield first, second
    first.kill()
    second.kill()


async def eventually(is_so: Callable[[], bool], within: float) -> None:
    """Questions may ask a subprocess: they run in a thread, while our members go on."""
    async with asyncio.timeout(within):
        while not await asyncio.to_thread(is_so):  # noqa: ASYNC110  # Another process changes it.
            await asyncio.sleep(0.05)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario()

    asyncio.run(main())


def test_a_ring_of_both_kinds(agents: tuple[Serf, Serf]) -> None:
    """Both list each other; the death of an agent and our leave are noticed; nobody is wrongly accused."""
    serf_a, serf_b = agents
    all_names = {"serf-a", "serf-b", "node-a", "node-b"}

    async def scenario() -> None:
        async with ours("node-a", "127.0.41.3") as node_a, ours("node-b", "127.0.41.4") as node_b:
            await eventually(lambda: set(serf_a.statuses()) == {"serf-a", "serf-b"}, 10)
            node_a.happen(JoinRequested((Endpoint("127.0.41.1", PORT),)))
            node_b.happen(JoinRequested((Endpoint("127.0.41.3", PORT),)))
            for node in (node_a, node_b):
                await eventually(lambda node=node: node.names() == all_names, 5)
            for agent in agents:
                await eventually(lambda agent=agent: agent.statuses() == dict.fromkeys(all_names, "alive"), 5)

            # Long enough for everybody to probe everybody.
            await asyncio.sleep(4)
            told = {type(fact).__name__ for node in (node_a, node_b) for fact in node.facts}
            assert told <= {"MemberJoined", "JoinCompleted", "UserMessageReceived"}

            await asyncio.to_thread(serf_b.kill)
            for node in (node_a, node_b):
                await eventually(lambda node=node: node.names() == all_names - {"serf-b"}, 30)
            await eventually(lambda: serf_a.statuses()["serf-b"] == "failed", 10)

            node_a.happen(LeaveRequested())
            await eventually(lambda: node_b.names() == {"serf-a", "node-b"}, 2)
            # serf calls a member left only when it said so by serf's own message, which is not memberlist's.
            await eventually(lambda: serf_a.statuses()["node-a"] == "failed", 5)

    run(scenario)
