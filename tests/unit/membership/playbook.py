"""Plays a scene with one Memberlist: what it hears at which moment, and what it does about it."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TypeVar

from membership import (
    Config,
    Effect,
    Endpoint,
    Event,
    Memberlist,
    PacketReceived,
    Profile,
    SendPacket,
    Started,
    normal,
)
from membership.errors import DecodeError
from membership.wire.messages import Alive, Message, encode
from membership.wire.packet import compound, decode_packet

VERSIONS = bytes((1, 5, 2, 0, 0, 0))
E = TypeVar("E", bound=Effect)

CALM = replace(
    normal(), observers=0, probe_interval=1000.0, push_pull_interval=1000.0, reconnect_interval=1000.0
)
"""A profile under which nothing happens by itself soon."""


def octets(number: int) -> bytes:
    return bytes((192, 0, 2, number))


def endpoint(number: int) -> Endpoint:
    return Endpoint(f"192.0.2.{number}", 7946)


def alive(name: str, incarnation: int = 1, number: int | None = None, meta: bytes = b"") -> Alive:
    """node-a has the address 192.0.2.1, and so on."""
    return Alive(incarnation, name, octets(number or number_of(name)), 7946, meta, VERSIONS)


def number_of(name: str) -> int:
    return ord(name[-1]) - ord("a") + 1


class Playbook:
    """`node-a` with some others that it already knows."""

    def __init__(
        self, *others: str, profile: Profile = CALM, seed: int = 1, capability_prefix: bytes = b""
    ) -> None:
        self.memberlist = Memberlist(
            Config(name="node-a", address="192.0.2.1", profile=profile, capability_prefix=capability_prefix),
            Random(seed),
        )
        self.at(0.0, Started())
        self.hear(0.0, *map(alive, others))
        # Long enough for the news of them to have been told.
        self.run_until(2.0)

    def at(self, now: float, event: Event) -> list[Effect]:
        self.run_until(now)
        return self.memberlist.step(event, now)

    def hear(self, now: float, *messages: Message, source: Endpoint | None = None) -> list[Effect]:
        """One packet with these messages."""
        if not messages:
            return []
        payload = compound(list(map(encode, messages)))
        return self.at(now, PacketReceived(source or endpoint(2), payload))

    def run_until(self, end: float) -> list[Effect]:
        """Let time pass, with every deadline met on time."""
        effects: list[Effect] = []
        while (due := self.memberlist.next_deadline()) is not None and due <= end:
            effects += self.memberlist.advance(due)
        return effects

    def names(self) -> list[str]:
        return [member.name for member in self.memberlist.members()]


def sent(effects: list[Effect]) -> list[tuple[Endpoint, Message | DecodeError]]:
    """Every message in every packet, with the packet's receiver."""
    return [
        (effect.target, message)
        for effect in effects
        if isinstance(effect, SendPacket)
        for message in decode_packet(effect.payload)
    ]


def told(effects: list[Effect], kind: type[E]) -> list[E]:
    return [effect for effect in effects if isinstance(effect, kind)]
