"""Plays events to a Responder in virtual time."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address

from announce.l2 import Config, Effect, Event, Interface, InterfaceAdded, Responder, SendFrame, ndp
from announce.l2.arp import BROADCAST, ArpFrame, Operation, decode, encode
from announce.l2.ndp import group_mac, solicited_node

MAC = bytes.fromhex("020000000001")
PEER_MAC = bytes.fromhex("0200000000aa")
PEER = IPv4Address("192.0.2.99")
VIP = IPv4Address("192.0.2.10")
OTHER_VIP = IPv4Address("192.0.2.11")
VIP6 = IPv6Address("2001:db8::aa:10")
OTHER_VIP6 = IPv6Address("2001:db8::aa:11")
PEER6 = IPv6Address("fe80::aa")
NOBODY6 = IPv6Address("::")


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


def solicitation(
    target: IPv6Address = VIP6,
    *,
    to_mac: bytes | None = None,
    to: IPv6Address | None = None,
    sender: IPv6Address = PEER6,
    sender_mac: bytes = PEER_MAC,
    link_layer: bytes | None = PEER_MAC,
) -> bytes:
    """A neighbor asks who has an address: everybody whose address ends so, unless `to` and `to_mac` say otherwise."""
    group = solicited_node(target)
    return ndp.encode(
        ndp.NdpFrame(
            destination=group_mac(group.packed) if to_mac is None else to_mac,
            source=sender_mac,
            source_address=sender.packed,
            destination_address=(to or group).packed,
            message=ndp.MessageType.SOLICITATION,
            flags=ndp.Flag(0),
            target=target.packed,
            link_layer=link_layer,
        )
    )


def dad_probe(target: IPv6Address = VIP6) -> bytes:
    """A neighbor wants to use an address, and asks first whether somebody has it."""
    return solicitation(target, sender=NOBODY6, link_layer=None)
