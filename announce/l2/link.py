"""One open interface: which addresses are answered, announced, and let through the kernel's filter there.

ARP and neighbor discovery answer in their own ways (`ArpLink`, `NdpLink`). What they share stands here: one schedule
of announcements, since the rate that switches police is that of the port, and one filter.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Set
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple, TypeAlias

from announce.l2.announcer import Announcer
from announce.l2.arp_link import ArpLink
from announce.l2.config import Config
from announce.l2.effects import Effect, SendFrame, SendReplies, SetFilter
from announce.l2.events import IpAddress
from announce.l2.interface import Interface
from announce.l2.ndp_link import NdpLink
from announce.l2.tally import Tally

Answer: TypeAlias = Callable[[bytes], bytes | None]
"""The reply to a frame, or None."""


class Answers(NamedTuple):
    """By the protocol of the frame."""

    arp: Answer
    ndp: Answer


_ETHERTYPE_IPV6 = b"\x86\xdd"


class Link:
    """Answers for the addresses that are admitted to one interface, and says when someone else does."""

    def __init__(
        self,
        interface: Interface,
        watched: Iterable[IpAddress],
        own_macs: Set[bytes],
        config: Config,
        rng: random.Random,
    ) -> None:
        """`own_macs` are those of all interfaces of the host, whenever they are looked at."""
        self._interface = interface
        self._config = config
        self._announcer = Announcer(config, rng)
        self._announced: dict[IpAddress, Tally] = {}
        self._watched = set(watched)
        ipv4 = [address for address in self._watched if isinstance(address, IPv4Address)]
        ipv6 = [address for address in self._watched if isinstance(address, IPv6Address)]
        self._arp = ArpLink(interface, ipv4, own_macs)
        self._ndp = NdpLink(interface, ipv6, own_macs, config.reopen_interval)
        self._passing: frozenset[IpAddress] | None = frozenset()
        self._settle_at: float | None = None

    @property
    def interface(self) -> Interface:
        return self._interface

    def announces(self, address: IpAddress) -> bool:
        return address in self._announced

    def begin(self, now: float) -> list[Effect]:
        """To be performed once the interface is open."""
        return self._widen(now) if self._watched else []

    def admit(self, address: IpAddress, tally: Tally, now: float) -> list[Effect]:
        """Answer for an address from now on, and announce it with the next `advance`."""
        self._announced[address] = tally
        self._announcer.start(address, now)
        if isinstance(address, IPv4Address):
            self._arp.admit(address, tally)
            return self._let_pass(address, now)
        return [*self._let_pass(address, now), *self._ndp.admit(address, tally)]

    def expel(self, address: IpAddress, now: float) -> list[Effect]:
        """Be silent about an address at once; the filter follows when it settles."""
        if self._announced.pop(address, None) is None:
            return []
        self._announcer.stop(address)
        self._settle(now)
        if isinstance(address, IPv6Address):
            return self._ndp.expel(address)
        self._arp.expel(address)
        return []

    def hush(self, address: IpAddress) -> None:
        """Go on answering for an address, but announce it no more until it is admitted again."""
        self._announcer.stop(address)

    def is_hushed(self, address: IpAddress) -> bool:
        return address in self._announced and address not in self._announcer

    def watch(self, address: IpAddress, now: float) -> list[Effect]:
        self._watched.add(address)
        if isinstance(address, IPv4Address):
            self._arp.watch(address)
        else:
            self._ndp.watch(address)
        return self._let_pass(address, now)

    def unwatch(self, address: IpAddress, now: float) -> None:
        self._watched.discard(address)
        if isinstance(address, IPv4Address):
            self._arp.unwatch(address)
        else:
            self._ndp.unwatch(address)
        self._settle(now)

    def restart(self, address: IpAddress, now: float) -> None:
        """Run through the takeover announcements of an address again, unless it is not admitted or is hushed."""
        if address in self._announcer:
            self._announcer.restart(address, now)

    def update(self, interface: Interface, now: float) -> None:
        """Take over what the kernel says about the interface; with another MAC every address is announced anew that is not hushed."""
        has_new_mac = interface.mac != self._interface.mac
        self._interface = interface
        self._ndp.update(interface)
        if has_new_mac:
            self._arp.update(interface)
            for address in self._announced:
                if not self.is_hushed(address):
                    self._announcer.start(address, now)

    def group_refused(self, group: IPv6Address, now: float) -> None:
        self._ndp.refused(group, now)

    def announce(self, address: IpAddress) -> list[Effect]:
        """The frames of one announcement, outside of the schedule; none if the address is not admitted."""
        tally = self._announced.get(address)
        if tally is None:
            return []
        tally.announcements_sent += 1
        if isinstance(address, IPv4Address):
            frames = self._arp.announcement(address)
        else:
            frames = self._ndp.announcement(address)
        return [SendFrame(self._interface.name, frame) for frame in frames]

    def probe(self, address: IpAddress) -> SendFrame:
        """Ask whether anybody else has an address."""
        is_ipv4 = isinstance(address, IPv4Address)
        frame = self._arp.probe(address) if is_ipv4 else self._ndp.probe(address)
        return SendFrame(self._interface.name, frame)

    def solicit(self, address: IpAddress) -> list[Effect]:
        """Ask who has an address, so that only this interface gets the answer."""
        if isinstance(address, IPv4Address):
            # An answer to a probe goes to the MAC that has asked.
            return [self.probe(address)]
        frame = self._ndp.solicitation(address)
        return [] if frame is None else [SendFrame(self._interface.name, frame)]

    def answers(self) -> Answers:
        """What knows the replies to frames that are plain questions."""
        return Answers(self._arp.answer, self._ndp.answer)

    def hear(self, frames: Iterable[bytes]) -> list[Effect]:
        """Answer frames, or say why not; report those by which another station claims an address of interest.

        Answers come first and in one piece: no report is as urgent.
        """
        replies: list[bytes] = []
        others: list[Effect] = []
        for frame in frames:
            half = self._ndp if frame[12:14] == _ETHERTYPE_IPV6 else self._arp
            reply = half.hear(frame, others)
            if reply is not None:
                replies.append(reply)
        return [SendReplies(self._interface.name, tuple(replies)), *others] if replies else others

    def advance(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if self._settle_at is not None and self._settle_at <= now:
            effects += self._narrow()
        effects += self._ndp.advance(now)
        for address in self._announcer.take_due(now):
            effects += self.announce(address)
        return effects

    def next_deadline(self) -> float | None:
        deadlines = (self._announcer.next_deadline(), self._ndp.next_deadline(), self._settle_at)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _let_pass(self, address: IpAddress, now: float) -> list[Effect]:
        if self._passing is None or address in self._passing:
            return []
        return self._widen(now)

    def _widen(self, now: float) -> list[Effect]:
        self._passing = None
        self._settle(now)
        return [SetFilter(self._interface.name, None)]

    def _narrow(self) -> list[Effect]:
        self._settle_at = None
        wanted = frozenset(self._announced).union(self._watched)
        if wanted == self._passing:
            return []
        self._passing = wanted
        return [SetFilter(self._interface.name, wanted)]

    def _settle(self, now: float) -> None:
        """Not put off by further changes: the filter is narrow again in bounded time, however many come."""
        if self._settle_at is None:
            self._settle_at = now + self._config.filter_settle
