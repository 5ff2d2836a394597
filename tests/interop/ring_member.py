"""One member of ours as a process: `python -m tests.interop.ring_member --name node-a --bind 127.0.0.1 ...`

It speaks the same lines as go-peer/main.go: a JSON object a line on stdout (events, and answers to commands),
one command a line on stdin (members, counts, join ADDRESS..., meta HEX, user NAME HEX, broadcast HEX,
key add|use|remove HEX, leave, quit). It ends when stdin does, and after `--life` in any case.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import dataclass
from random import SystemRandom
from typing import Any

import membership as ml
from membership import metallb
from membership.net import Transport
from swimlb.runtime import clock
from swimlb.runtime.driver import Driver
from swimlb.runtime.recorder import Recorder

PROFILES = {"fast": ml.fast, "normal": ml.normal, "lan": ml.lan, "wan": ml.wan, "local": ml.local}


def emit(**fields: Any) -> None:
    print(json.dumps({"unix": clock.wall(), **fields}), flush=True)


def describe(member: ml.Member) -> dict[str, Any]:
    return {
        "name": member.name,
        "address": member.address,
        "port": member.port,
        "meta": member.meta.hex(),
        "state": member.state.name.lower(),
    }


def endpoint(text: str) -> ml.Endpoint:
    host, _, port = text.rpartition(":")
    return ml.Endpoint(host.strip("[]"), int(port))


@dataclass(slots=True)
class Counts:
    """What went over the wire, and how late we were run."""

    packets_sent: int = 0
    octets_sent: int = 0
    packets_received: int = 0
    lateness_worst: float = 0.0


class RingMember:
    def __init__(self, config: ml.Config) -> None:
        self._keyring = config.encryption.keyring
        self._memberlist = ml.Memberlist(config, SystemRandom())
        self._transport = Transport(config.endpoint, self._feed, config.profile.stream_timeout)
        self._driver: Driver[ml.Event, ml.Effect] = Driver(
            "gossip", self._memberlist, self._perform, Recorder(turns_max=1)
        )
        self.counts = Counts()

    async def run(self, life: float) -> None:
        await self._transport.start()
        self._driver.feed(ml.Started())
        emit(event="ready")
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
        try:
            async with asyncio.timeout(life):
                while (words := (await reader.readline()).decode().split()) and words[0] != "quit":
                    self.order(words)
        finally:
            self._driver.close()
            await self._transport.stop()

    def order(self, words: list[str]) -> None:
        match words:
            case ["members"]:
                members = [describe(member) for member in self._memberlist.members()]
                emit(answer="members", members=members, health=self._memberlist.health)
            case ["counts"]:
                emit(
                    answer="counts",
                    packets_sent=self.counts.packets_sent,
                    octets_sent=self.counts.octets_sent,
                    packets_received=self.counts.packets_received,
                    lateness_worst=self.counts.lateness_worst,
                )
                self.counts = Counts()
            case ["join", *seeds]:
                self._driver.feed(ml.JoinRequested(tuple(map(endpoint, seeds))))
            case ["meta", octets]:
                self._driver.feed(ml.MetaChanged(bytes.fromhex(octets)))
                emit(answer="meta", error="")
            case ["user", member, octets]:
                self._driver.feed(ml.UserMessageRequested(member, bytes.fromhex(octets)))
                emit(answer="user", error="")
            case ["broadcast", octets]:
                self._driver.feed(ml.UserBroadcastRequested(bytes.fromhex(octets)))
                emit(answer="broadcast", error="")
            case ["key", "add" | "use" | "remove" as how, octets]:
                self._keyring = getattr(self._keyring, how)(bytes.fromhex(octets))
                self._driver.feed(ml.EncryptionChanged(ml.Encryption(keyring=self._keyring)))
                emit(answer="key", error="")
            case ["leave"]:
                self._driver.feed(ml.LeaveRequested())
            case _:
                emit(answer=words[0], error="no such command")

    def _feed(self, event: ml.Event) -> None:
        if isinstance(event, ml.PacketReceived):
            self.counts.packets_received += 1
        self._driver.feed(event)

    def _perform(self, effect: ml.Effect) -> None:
        self.counts.lateness_worst = max(self.counts.lateness_worst, self._driver.lateness)
        match effect:
            case ml.SendPacket():
                self.counts.packets_sent += 1
                self.counts.octets_sent += len(effect.payload)
                self._transport.perform(effect)
            case ml.OpenStream() | ml.SendStream() | ml.CloseStream():
                self._transport.perform(effect)
            case _:
                tell(effect)


def tell(effect: ml.Effect) -> None:
    """In the words of go-peer, and some that it lacks: `cause` of a leave, `suspect`, `dropped`, `pace`."""
    match effect:
        case ml.MemberJoined(member):
            emit(event="join", node=describe(member))
        case ml.MemberUpdated(member):
            emit(event="update", node=describe(member))
        case ml.MemberFailed():
            emit(event="leave", node={"name": effect.name}, cause="failed", accusers=list(effect.accusers))
        case ml.MemberLeft():
            emit(event="leave", node={"name": effect.name}, cause="left")
        case ml.MemberSuspected():
            emit(event="suspect", node={"name": effect.name}, accuser=effect.accuser)
        case ml.AccusationRefuted():
            emit(event="refuted", accuser=effect.accuser)
        case ml.NameConflict():
            emit(event="conflict", node={"name": effect.name})
        case ml.UserMessageReceived():
            emit(event="user", payload=effect.payload.hex())
        case ml.JoinCompleted(contacted, failures):
            failed = "; ".join(f"{failure.seed}: {failure.reason}" for failure in failures)
            emit(answer="join", contacted=len(contacted), error=failed)
        case ml.LeaveCompleted():
            emit(answer="leave", error="")
        case ml.PacketDropped():
            emit(event="dropped", source=str(effect.source), reason=effect.reason)
        case ml.RunningLate():
            emit(event="late", lateness=effect.lateness)
        case ml.PaceChanged():
            emit(event="pace", profile=effect.profile, because_of=list(effect.because_of))
        case ml.PushPullFailed():
            emit(event="push_pull_failed", target=str(effect.target), reason=effect.reason)
        case _:
            emit(event=type(effect).__name__)


def versions(text: str) -> tuple[int, int, int] | None:
    if text == "any":
        return None
    low, high, current = map(int, text.split(","))
    return low, high, current


def parse() -> tuple[ml.Config, float]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--bind", required=True)
    parser.add_argument("--port", type=int, default=7946)
    parser.add_argument("--profile", choices=PROFILES, default="lan")
    parser.add_argument("--delegate-versions", default="0,0,0", help="min,max,current; `any`: the ring's")
    parser.add_argument("--label", default="")
    parser.add_argument("--key", default="", help="in hex, separated by commas; the first one encrypts")
    parser.add_argument("--metallb-secret", default="", help="make the keys as MetalLB does")
    parser.add_argument("--meta", default="", help="in hex")
    parser.add_argument(
        "--capability", default="", help="in hex: how metas of those begin that keep the pace"
    )
    parser.add_argument("--life", type=float, default=300.0, help="seconds, then the process ends")
    options = parser.parse_args()
    keyring = ml.Keyring(tuple(map(bytes.fromhex, filter(None, options.key.split(",")))))
    if options.metallb_secret:
        keyring = metallb.keyring(options.metallb_secret.encode())
    config = ml.Config(
        name=options.name,
        address=options.bind,
        port=options.port,
        meta=bytes.fromhex(options.meta),
        delegate_versions=versions(options.delegate_versions),
        label=options.label,
        encryption=ml.Encryption(keyring=keyring),
        profile=PROFILES[options.profile](),
        capability_prefix=bytes.fromhex(options.capability),
    )
    return config, options.life


async def main() -> None:
    config, life = parse()
    await RingMember(config).run(life)


if __name__ == "__main__":
    asyncio.run(main())
