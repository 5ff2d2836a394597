"""Who is measured: how each is started, how it is told to join, and how it says who is there and who is not."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.interop.ring_member import PROFILES

ROOT = Path(__file__).parents[1]
GO_PEER = ROOT / ".setup" / "go-peers" / "memberlist-0.7.0"
PORT = 7946
_RPC_PORT = 7373
_SERF_EVENT = re.compile(rb"EventMember(Join|Leave|Failed): (\S+)")


@dataclass(frozen=True, slots=True)
class Sighting:
    """One member says that another is there, or no longer."""

    name: str
    is_there: bool


@dataclass(frozen=True, slots=True)
class Contender:
    """A product under one of its profiles."""

    product: str
    profile: str
    command: Callable[[str, str, str | None], list[str]]
    """Name, address, seed."""
    read: Callable[[bytes], Sighting | None]
    """What a line of its output says."""
    orders: Callable[[str | None], bytes]
    """What it is told on stdin, given the seed."""
    is_quick: bool = False
    """Measured by itself, so that the start of others does not count."""

    @property
    def name(self) -> str:
        return f"{self.product} {self.profile}"


def contenders() -> list[Contender]:
    ours = [profile for profile in ("fast", "normal", "lan") if profile in PROFILES]
    return [
        *(_ours(profile) for profile in ours),
        *(_memberlist(profile) for profile in ("lan", "local")),
        *(_serf(profile) for profile in ("lan", "local")),
        *(_kinship(profile) for profile in ("lan", "local")),
    ]


def _ours(profile: str) -> Contender:
    def command(name: str, address: str, seed: str | None) -> list[str]:
        who = ["--name", name, "--bind", address, "--port", str(PORT), "--profile", profile]
        return [sys.executable, "-m", "tests.interop.ring_member", *who, "--life", "1800"]

    return Contender("swimlb", profile, command, _read_json, _join, is_quick=profile in ("fast", "normal"))


def _memberlist(profile: str) -> Contender:
    def command(name: str, address: str, seed: str | None) -> list[str]:
        who = ["-name", name, "-bind", address, "-port", str(PORT), "-profile", profile]
        return [str(GO_PEER), *who, "-life", "30m"]

    return Contender("memberlist", profile, command, _read_json, _join)


def _serf(profile: str) -> Contender:
    def command(name: str, address: str, seed: str | None) -> list[str]:
        who = [f"-node={name}", f"-bind={address}:{PORT}", f"-rpc-addr={address}:{_RPC_PORT}"]
        joins = [] if seed is None else [f"-retry-join={seed}", "-retry-interval=1s"]
        return ["serf", "agent", *who, f"-profile={profile}", *joins]

    def read(line: bytes) -> Sighting | None:
        if (found := _SERF_EVENT.search(line)) is None:
            return None
        return Sighting(found[2].decode(), found[1] == b"Join")

    return Contender("serf", profile, command, read, lambda _: b"")


def _kinship(profile: str) -> Contender:
    def command(name: str, address: str, seed: str | None) -> list[str]:
        seeds = [] if seed is None else [seed]
        return [sys.executable, "-m", "bench.kinship_member", profile, name, f"{address}:{PORT}", *seeds]

    return Contender("kinship", profile, command, _read_json, lambda _: b"")


def _join(seed: str | None) -> bytes:
    return b"" if seed is None else f"join {seed}\n".encode()


def _read_json(line: bytes) -> Sighting | None:
    said = json.loads(line)
    match said.get("event"):
        case "join":
            return Sighting(said["node"]["name"], is_there=True)
        case "leave":
            return Sighting(said["node"]["name"], is_there=False)
        case _:
            return None
