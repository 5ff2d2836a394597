"""A speaker's status, as its API tells it: the part of it that the lab reads, typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from swimlb.lab import http
from swimlb.lab.errors import LabError

TARGET = "/v1/status"


@dataclass(frozen=True, slots=True)
class Processes:
    supervisor: int
    wire: int | None = None
    watch: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    address: str
    state: str
    incarnation: int
    deaf_to: tuple[str, ...] = ()

    @property
    def is_alive(self) -> bool:
        return self.state == "alive"


@dataclass(frozen=True, slots=True)
class Service:
    namespace: str
    name: str
    addresses: tuple[str, ...]
    state: str
    pool: str | None = None
    reason: str | None = None

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Layer2:
    """One L2 address."""

    address: str
    owner: str | None
    is_announced_here: bool


@dataclass(frozen=True, slots=True)
class BfdSession:
    state: str


@dataclass(frozen=True, slots=True)
class BgpSession:
    peer: str
    address: str
    state: str
    routes: tuple[str, ...] = ()
    last_error: str | None = None
    bfd: BfdSession | None = None


@dataclass(frozen=True, slots=True)
class Withheld:
    service: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Problem:
    severity: str
    object: str
    field: str
    message: str
    hint: str
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where a speaker has from what it is to serve."""

    kind: str
    state: str
    age: float | None = None
    drained_by: str | None = None


@dataclass(frozen=True, slots=True)
class SpeakerStatus:
    node: str
    processes: Processes
    members: tuple[Member, ...] = ()
    services: tuple[Service, ...] = ()
    l2: tuple[Layer2, ...] = ()
    bgp: tuple[BgpSession, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    problems: tuple[Problem, ...] = ()
    phase: str = "running"
    source: Source | None = None

    def alive_members(self) -> frozenset[str]:
        return frozenset(member.name for member in self.members if member.is_alive)

    def owner_of(self, address: str) -> str | None:
        """The node that this speaker holds for the address's owner."""
        return next((one.owner for one in self.l2 if one.address == address), None)

    def service(self, name: str) -> Service | None:
        return next((one for one in self.services if one.name == name), None)


def read(socket_path: Path, timeout: float = http.TIMEOUT) -> SpeakerStatus | None:
    """What the speaker behind this socket says now; None while there is none that answers."""
    try:
        response = http.get_over_unix_socket(socket_path, TARGET, timeout)
    except OSError:
        return None
    if response.status != 200:
        return None
    try:
        return msgspec.json.decode(response.body, type=SpeakerStatus)
    except msgspec.DecodeError as error:
        raise LabError(f"the status behind {socket_path} is not what this lab knows: {error}") from error
