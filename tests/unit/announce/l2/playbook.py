"""Plays events to a Responder in virtual time."""

from __future__ import annotations

import random
from ipaddress import IPv4Address

from announce.l2 import Config, Effect, Event, Interface, InterfaceAdded, Responder, SendFrame
from announce.l2.arp import BROADCAST, ArpFrame, Operation, decode, encode

MAC = bytes.fromhex("020000000001")
PEER_MAC = bytes.fromhex("0200000000aa")
PEER = IPv4Address("192.0.2.99")
VIP = IPv4Address("192.0.2.10")
OTHER_VIP = IPv4Address("192.0.2.11")


def ethernet(name: str = "eth0", *, index: int = 2, mac: bytes = MAC, is_up: bool = True) -> Interface:
    return Interface(name=name, index=index, mac=mac, is_up=is_up, has_carrier=True)


def question(target: IPv4Address = VIP, *, to: bytes = BROADCAST, sender: IPv4Address = PEER) -> bytes:
    """A neighbor asks who has an address."""
    return frame(Operation.REQUEST, sender, target, to=to)


def frame(
    operation: Operation,
    sender: IPv4Address,
    target: IPv4Address,
    *,
    to: bytes = BROADCAST,
    sender_mac: bytes = PEER_MAC,
) -> bytes:
    return encode(
        ArpFrame(
            destination=to,
            source=sender_mac,
            operation=operation,
            sender_mac=sender_mac,
            sender_address=sender,
            target_mac=bytes(6),
            target_address=target,
        )
    )


class Playbook:
    """A Responder on `interfaces`, and what came of playing events to it."""

    def __init__(self, *interfaces: Interface, config: Config | None = None, seed: int = 1) -> None:
        self.responder = Responder(config or Config(), random.Random(seed))
        for interface in interfaces:
            self.at(0.0, InterfaceAdded(interface))

    def at(self, now: float, event: Event) -> list[Effect]:
        return self.responder.step(event, now)

    def until(self, end: float) -> list[tuple[float, Effect]]:
        """Keep every deadline up to `end`, exactly when it is due."""
        played: list[tuple[float, Effect]] = []
        while (deadline := self.responder.next_deadline()) is not None and deadline <= end:
            played += [(deadline, effect) for effect in self.responder.advance(deadline)]
        return played


def announced_at(played: list[tuple[float, Effect]], address: IPv4Address = VIP) -> list[float]:
    """When the announcements of an address began (each is two frames)."""
    return [
        round(now, 6)
        for now, effect in played
        if isinstance(effect, SendFrame)
        and (packet := decode(effect.frame)).sender_address == address
        and packet.operation is Operation.REQUEST
    ]
