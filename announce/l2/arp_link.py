"""ARP on one interface: which addresses are answered, announced, and let through the kernel's filter.

Neighbor discovery will be a second class beside this one with the same methods.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Set
from dataclasses import dataclass
from ipaddress import IPv4Address

from announce.l2 import arp
from announce.l2.announcer import Announcer
from announce.l2.config import Config
from announce.l2.effects import (
    AnnouncementHeard,
    ClaimKind,
    DropReason,
    Effect,
    FrameDropped,
    SendFrame,
    SetFilter,
)
from announce.l2.errors import MalformedFrame
from announce.l2.interface import Interface


@dataclass(slots=True, eq=False)
class Tally:
    """What has been done for one announced address, on all interfaces."""

    requests_answered: int = 0
    announcements_sent: int = 0


class ArpLink:
    """Answers ARP for the addresses that are admitted to one interface, and says when someone else does."""

    def __init__(
        self, interface: Interface, watched: Iterable[IPv4Address], config: Config, rng: random.Random
    ) -> None:
        self._interface = interface
        self._config = config
        self._announcer = Announcer(config, rng)
        self._replies: dict[bytes, tuple[bytes, Tally]] = {}
        self._announced: dict[IPv4Address, Tally] = {}
        self._watched = {address.packed: address for address in watched}
        self._passing: frozenset[IPv4Address] | None = frozenset()
        self._settle_at: float | None = None

    @property
    def interface(self) -> Interface:
        return self._interface

    def announces(self, address: IPv4Address) -> bool:
        return address in self._announced

    def begin(self, now: float) -> list[Effect]:
        """To be performed once the interface is open."""
        return self._widen(now) if self._watched else []

    def admit(self, address: IPv4Address, tally: Tally, now: float) -> list[Effect]:
        """Answer for an address from now on, and announce it with the next `advance`."""
        self._announced[address] = tally
        self._replies[address.packed] = (arp.reply_template(self._interface.mac, address), tally)
        self._announcer.start(address, now)
        return self._let_pass(address, now)

    def expel(self, address: IPv4Address, now: float) -> None:
        """Be silent about an address at once; the filter follows when it settles."""
        if self._announced.pop(address, None) is not None:
            del self._replies[address.packed]
            self._announcer.stop(address)
            self._settle(now)

    def hush(self, address: IPv4Address) -> None:
        """Go on answering for an address, but announce it no more until it is admitted again."""
        self._announcer.stop(address)

    def is_hushed(self, address: IPv4Address) -> bool:
        return address in self._announced and address not in self._announcer

    def watch(self, address: IPv4Address, now: float) -> list[Effect]:
        self._watched[address.packed] = address
        return self._let_pass(address, now)

    def unwatch(self, address: IPv4Address, now: float) -> None:
        self._watched.pop(address.packed, None)
        self._settle(now)

    def restart(self, address: IPv4Address, now: float) -> None:
        """Run through the takeover announcements of an address again, unless it is not admitted or is hushed."""
        if address in self._announcer:
            self._announcer.restart(address, now)

    def update(self, interface: Interface, now: float) -> None:
        """Take over what the kernel says about the interface; with another MAC every address is announced anew."""
        has_new_mac = interface.mac != self._interface.mac
        self._interface = interface
        if has_new_mac:
            for address, tally in self._announced.items():
                self._replies[address.packed] = (arp.reply_template(interface.mac, address), tally)
                self._announcer.start(address, now)

    def announce(self, address: IPv4Address) -> list[Effect]:
        """The frames of one announcement, outside of the schedule; none if the address is not admitted."""
        tally = self._announced.get(address)
        if tally is None:
            return []
        tally.announcements_sent += 1
        return [
            SendFrame(self._interface.name, frame) for frame in arp.announcement(self._interface.mac, address)
        ]

    def hear(self, frame: bytes, own_macs: Set[bytes]) -> list[Effect]:
        """Answer a frame, or say why not; report it if another station claims an address of interest."""
        sender = frame[28:32]
        prepared = self._replies.get(frame[38:42])
        if (
            # What nearly every frame is that the filter passes: a plain question. `_hear_any` would find the same.
            prepared is not None
            and arp.is_request(frame)
            and (frame[:6] == arp.BROADCAST or frame[:6] == self._interface.mac)
            and sender not in self._replies
            and sender not in self._watched
            and frame[22:28] not in own_macs
        ):
            return [self._reply(prepared, frame)]
        return self._hear_any(frame, own_macs)

    def _hear_any(self, frame: bytes, own_macs: Set[bytes]) -> list[Effect]:
        try:
            packet = arp.decode(frame)
        except MalformedFrame as malformed:
            return [self._dropped(malformed.reason)]
        if packet.sender_mac in own_macs:
            return [self._dropped(DropReason.OWN_FRAME)]
        effects: list[Effect] = []
        sender = packet.sender_address.packed
        if sender in self._replies or sender in self._watched:
            effects.append(
                AnnouncementHeard(
                    packet.sender_address, packet.sender_mac, self._interface.name, _kind_of(packet)
                )
            )
        effects.append(self._answer(packet, frame))
        return effects

    def advance(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if self._settle_at is not None and self._settle_at <= now:
            effects += self._narrow()
        for address in self._announcer.take_due(now):
            assert isinstance(address, IPv4Address)
            effects += self.announce(address)
        return effects

    def next_deadline(self) -> float | None:
        deadlines = (self._announcer.next_deadline(), self._settle_at)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _answer(self, packet: arp.ArpFrame, frame: bytes) -> Effect:
        """Neither the sender's address nor its kind matters: probes from 0.0.0.0 are answered (RFC 5227)."""
        if packet.operation is not arp.Operation.REQUEST:
            return self._dropped(DropReason.REPLY)
        if packet.destination != arp.BROADCAST and packet.destination != self._interface.mac:
            return self._dropped(DropReason.WRONG_DESTINATION)
        prepared = self._replies.get(packet.target_address.packed)
        if prepared is None:
            return self._dropped(DropReason.NOT_ANNOUNCED)
        return self._reply(prepared, frame)

    def _reply(self, prepared: tuple[bytes, Tally], request: bytes) -> SendFrame:
        template, tally = prepared
        tally.requests_answered += 1
        return SendFrame(self._interface.name, arp.reply(template, request))

    def _let_pass(self, address: IPv4Address, now: float) -> list[Effect]:
        if self._passing is None or address in self._passing:
            return []
        return self._widen(now)

    def _widen(self, now: float) -> list[Effect]:
        self._passing = None
        self._settle(now)
        return [SetFilter(self._interface.name, None)]

    def _narrow(self) -> list[Effect]:
        self._settle_at = None
        wanted = frozenset(self._announced).union(self._watched.values())
        if wanted == self._passing:
            return []
        self._passing = wanted
        return [SetFilter(self._interface.name, wanted)]

    def _settle(self, now: float) -> None:
        """Not put off by further changes: the filter is narrow again in bounded time, however many come."""
        if self._settle_at is None:
            self._settle_at = now + self._config.filter_settle

    def _dropped(self, reason: DropReason) -> FrameDropped:
        return FrameDropped(self._interface.name, reason)


def _kind_of(packet: arp.ArpFrame) -> ClaimKind:
    if packet.sender_address == packet.target_address:
        return ClaimKind.GRATUITOUS
    return ClaimKind.REQUEST if packet.operation is arp.Operation.REQUEST else ClaimKind.REPLY
