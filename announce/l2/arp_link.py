"""ARP on one interface: requests are answered, claims of others reported."""

from __future__ import annotations

from collections.abc import Iterable, Set
from ipaddress import IPv4Address

from announce.l2 import arp
from announce.l2.effects import AnnouncementHeard, ClaimKind, DropReason, Effect, FrameDropped
from announce.l2.errors import MalformedFrame
from announce.l2.interface import Interface
from announce.l2.macs import is_station
from announce.l2.tally import Tally


class ArpLink:
    """The IPv4 half of a `Link`."""

    def __init__(self, interface: Interface, watched: Iterable[IPv4Address], own_macs: Set[bytes]) -> None:
        """`own_macs` are those of all interfaces of the host, whenever they are looked at."""
        self._interface = interface
        self._own_macs = own_macs
        self._replies: dict[bytes, tuple[bytes, Tally]] = {}
        self._watched = {address.packed for address in watched}

    def admit(self, address: IPv4Address, tally: Tally) -> None:
        """Answer for an address from now on. Admitting it twice is admitting it once."""
        self._replies[address.packed] = (arp.reply_template(self._interface.mac, address), tally)

    def expel(self, address: IPv4Address) -> None:
        """Be silent about an address that has been admitted."""
        del self._replies[address.packed]

    def watch(self, address: IPv4Address) -> None:
        self._watched.add(address.packed)

    def unwatch(self, address: IPv4Address) -> None:
        self._watched.discard(address.packed)

    def update(self, interface: Interface) -> None:
        self._interface = interface
        for packed, (_, tally) in list(self._replies.items()):
            self.admit(IPv4Address(packed), tally)

    def announcement(self, address: IPv4Address) -> tuple[bytes, ...]:
        return arp.announcement(self._interface.mac, address)

    def probe(self, address: IPv4Address) -> bytes:
        return arp.probe(self._interface.mac, address)

    def answer(self, frame: bytes) -> bytes | None:
        """The reply to a plain question, which is what nearly every frame is that the filter passes; else None.

        Whoever has asked waits for these lines, which after a pause come from slow memory: there are few of them.
        """
        destination, constant, mac, sender, target = arp.peek(frame)
        prepared = self._replies.get(target)
        if (
            prepared is None
            or constant != arp.REQUEST
            or (destination != arp.BROADCAST and destination != self._interface.mac)
            or mac in self._own_macs
            or not is_station(mac)
            # One that uses an address of interest is more than a question.
            or sender in self._replies
            or sender in self._watched
        ):
            return None
        template, tally = prepared
        tally.requests_answered += 1
        return arp.reply(template, mac, sender)

    def hear(self, frame: bytes, effects: list[Effect]) -> bytes | None:
        """The reply to a frame, or None. Why there is none, and a claim of an address of interest, are effects."""
        if (reply := self.answer(frame)) is not None:
            return reply
        try:
            packet = arp.decode(frame)
        except MalformedFrame as malformed:
            effects.append(self._dropped(malformed.reason))
            return None
        return self._hear_any(packet, effects)

    def _hear_any(self, packet: arp.ArpFrame, effects: list[Effect]) -> bytes | None:
        if packet.sender_mac in self._own_macs:
            effects.append(self._dropped(DropReason.OWN_FRAME))
            return None
        sender = packet.sender_address.packed
        if sender in self._replies or sender in self._watched:
            effects.append(
                AnnouncementHeard(
                    packet.sender_address, packet.sender_mac, self._interface.name, _kind_of(packet)
                )
            )
        refusal = self._refusal(packet)
        if refusal is not None:
            effects.append(self._dropped(refusal))
            return None
        template, tally = self._replies[packet.target_address.packed]
        tally.requests_answered += 1
        return arp.reply(template, packet.sender_mac, sender)

    def _refusal(self, packet: arp.ArpFrame) -> DropReason | None:
        """Neither the sender's address nor its kind matters: probes from 0.0.0.0 are answered (RFC 5227)."""
        if packet.operation is not arp.Operation.REQUEST:
            return DropReason.REPLY
        if packet.destination != arp.BROADCAST and packet.destination != self._interface.mac:
            return DropReason.WRONG_DESTINATION
        return None if packet.target_address.packed in self._replies else DropReason.NOT_ANNOUNCED

    def _dropped(self, reason: DropReason) -> FrameDropped:
        return FrameDropped(self._interface.name, reason)


def _kind_of(packet: arp.ArpFrame) -> ClaimKind:
    if packet.sender_address == packet.target_address:
        return ClaimKind.GRATUITOUS
    return ClaimKind.REQUEST if packet.operation is arp.Operation.REQUEST else ClaimKind.REPLY
