"""Answers ARP (RFC 826) and neighbor discovery (RFC 4861) for the addresses this node owns, announces them, and
listens for rivals (RFC 5227).

One responder serves all interfaces of the host. Two sets meet here: the addresses that were asked for, each with the
interfaces it may use, and the interfaces that suit. Whatever changes, an address is admitted to exactly the links
where both allow it; an admission announces the address there, and nothing else does unasked.

    interface  unknown ──added──▶ known ──suits──▶ open ◀──again after reopen_interval── failed
    address    unknown ──announce──▶ admitted to links: answered, announced ──withdraw──▶ silent at once
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from math import inf
from types import MappingProxyType
from typing import assert_never

from announce.l2.config import Config
from announce.l2.effects import (
    CloseInterface,
    DropReason,
    Effect,
    FrameDropped,
    InterfaceFailed,
    OpenInterface,
)
from announce.l2.events import (
    AnnounceRequested,
    Change,
    DefendRequested,
    Event,
    FramesReceived,
    GroupFailed,
    HandOverRequested,
    InterfaceAdded,
    InterfaceChanged,
    InterfaceRemoved,
    IpAddress,
    ProbeRequested,
    ReannounceRequested,
    SendFailed,
    SocketFailed,
    SolicitRequested,
    UnwatchRequested,
    WatchRequested,
    WithdrawRequested,
)
from announce.l2.interface import Interface, InterfaceRules
from announce.l2.link import Answers, Link
from announce.l2.tally import Tally


@dataclass(slots=True, eq=False)
class _Held:
    """An address that was asked for, and where it may be announced (None: everywhere)."""

    interfaces: frozenset[str] | None
    is_hushed: bool = False
    """It is handed over: answered for, and announced no more."""
    tally: Tally = field(default_factory=Tally)
    defended_at: float = -inf

    def allows(self, interface: str) -> bool:
        return self.interfaces is None or interface in self.interfaces


class Responder:
    """Makes addresses reachable on the LAN."""

    def __init__(self, config: Config, rng: random.Random) -> None:
        self._config = config
        self._rng = rng
        self._rules = InterfaceRules(config.excluded_interfaces)
        self._held: dict[IpAddress, _Held] = {}
        self._watched: set[IpAddress] = set()
        self._interfaces: dict[str, Interface] = {}
        self._own_macs: set[bytes] = set()
        """One set for good: the links look at it."""
        self._links: dict[str, Link] = {}
        self._reopen_at: dict[str, float] = {}
        self._complained_at: dict[tuple[str, str], float] = {}
        self._deadline: float | None = None
        """Kept, not computed when asked for: frames, which come by the thousand, do not move it."""

    @property
    def interfaces(self) -> Mapping[str, Interface]:
        """Every interface of the host by name, also those that nothing is announced on."""
        return MappingProxyType(self._interfaces)

    @property
    def open_interfaces(self) -> frozenset[str]:
        """Those that suit and have been opened: where an address without a choice of its own is announced."""
        return frozenset(self._links)

    @property
    def addresses(self) -> frozenset[IpAddress]:
        """All that was asked for and not withdrawn, whether any interface serves it or not."""
        return frozenset(self._held)

    def interfaces_of(self, address: IpAddress) -> frozenset[str]:
        """Where an address is answered right now."""
        return frozenset(name for name, link in self._links.items() if link.announces(address))

    def tally(self, address: IpAddress) -> Tally | None:
        """What has been done for an address since it was asked for; None when it is not."""
        held = self._held.get(address)
        return held.tally if held else None

    def answers(self, interface: str) -> Answers:
        """To be asked for when OpenInterface has been ordered, and to be used until the interface is closed or has failed.

        They give the reply to a frame that is a plain question for an announced address; None: `step` knows more about it.
        It is the reply that `step` would order, without an event and its effects: no question waits for these.
        """
        link = self._links.get(interface)
        return Answers(_no_answer, _no_answer) if link is None else link.answers()

    def step(self, event: Event, now: float) -> list[Effect]:
        if isinstance(event, FramesReceived):
            link = self._links.get(event.interface)
            if link is None:
                return [FrameDropped(event.interface, DropReason.UNKNOWN_INTERFACE) for _ in event.frames]
            return link.hear(event.frames)
        return [*self._change(event, now), *self.advance(now)]

    def advance(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for name in [name for name, due in self._reopen_at.items() if due <= now]:
            del self._reopen_at[name]
            effects += self._open(self._interfaces[name], now)
        for link in self._links.values():
            effects += link.advance(now)
        self._deadline = self._find_deadline()
        return effects

    def next_deadline(self) -> float | None:
        return self._deadline

    def _find_deadline(self) -> float | None:
        deadlines = [link.next_deadline() for link in self._links.values()]
        return min(
            (deadline for deadline in (*deadlines, *self._reopen_at.values()) if deadline is not None),
            default=None,
        )

    def _change(self, event: Change, now: float) -> list[Effect]:
        match event:
            case AnnounceRequested(address, interfaces):
                return self._announce(address, interfaces, now)
            case WithdrawRequested(address):
                return self._withdraw(address, now)
            case HandOverRequested(address):
                self._hush(address)
            case ReannounceRequested(address):
                self._restart(address, now)
            case DefendRequested(address):
                return self._defend(address, now)
            case WatchRequested(address):
                return self._watch(address, now)
            case UnwatchRequested(address):
                self._unwatch(address, now)
            case ProbeRequested(address):
                return [link.probe(address) for link in self._links.values()]
            case SolicitRequested(address):
                return [effect for link in self._links.values() for effect in link.solicit(address)]
            case SendFailed(interface, reason):
                return self._complain(interface, reason, now)
            case GroupFailed(interface, group, reason):
                return self._refuse(interface, group, reason, now)
            case SocketFailed(interface, reason):
                return self._fail(interface, reason, now)
            case InterfaceAdded(interface) | InterfaceChanged(interface):
                return self._update(interface, now)
            case InterfaceRemoved(name):
                return self._remove(name)
            case _:
                assert_never(event)
        return []

    def _announce(self, address: IpAddress, interfaces: frozenset[str] | None, now: float) -> list[Effect]:
        held = self._held.setdefault(address, _Held(interfaces))
        held.interfaces, held.is_hushed = interfaces, False
        effects: list[Effect] = []
        for name, link in self._links.items():
            if not held.allows(name):
                effects += link.expel(address, now)
            elif not link.announces(address) or link.is_hushed(address):
                effects += link.admit(address, held.tally, now)
        return effects

    def _withdraw(self, address: IpAddress, now: float) -> list[Effect]:
        self._held.pop(address, None)
        return [effect for link in self._links.values() for effect in link.expel(address, now)]

    def _hush(self, address: IpAddress) -> None:
        if (held := self._held.get(address)) is not None:
            held.is_hushed = True
        for link in self._links.values():
            link.hush(address)

    def _restart(self, address: IpAddress, now: float) -> None:
        for link in self._links.values():
            link.restart(address, now)

    def _defend(self, address: IpAddress, now: float) -> list[Effect]:
        held = self._held.get(address)
        if held is None or now - held.defended_at < self._config.defend_interval:
            return []
        held.defended_at = now
        links = [link for link in self._links.values() if not link.is_hushed(address)]
        return [effect for link in links for effect in link.announce(address)]

    def _watch(self, address: IpAddress, now: float) -> list[Effect]:
        self._watched.add(address)
        return [effect for link in self._links.values() for effect in link.watch(address, now)]

    def _unwatch(self, address: IpAddress, now: float) -> None:
        if address in self._watched:
            self._watched.remove(address)
            for link in self._links.values():
                link.unwatch(address, now)

    def _update(self, interface: Interface, now: float) -> list[Effect]:
        """Follow what the kernel says about an interface: open, close, reopen, or only take note."""
        name = interface.name
        known = self._interfaces.get(name)
        effects = self._remove(name) if known is not None and known.index != interface.index else []
        self._know(interface)
        if not self._rules.suits(interface):
            return [*effects, *self._close(name)]
        link = self._links.get(name)
        if link is not None:
            link.update(interface, now)
        elif name not in self._reopen_at:
            effects += self._open(interface, now)
        return effects

    def _remove(self, name: str) -> list[Effect]:
        effects = self._close(name)
        self._interfaces.pop(name, None)
        for complaint in [complaint for complaint in self._complained_at if complaint[0] == name]:
            del self._complained_at[complaint]
        self._note_macs()
        return effects

    def _fail(self, name: str, reason: str, now: float) -> list[Effect]:
        """Without its socket an interface is as good as gone; when it is back, its addresses are announced anew."""
        if self._links.pop(name, None) is None:
            return []
        self._reopen_at[name] = now + self._config.reopen_interval
        return self._complain(name, reason, now)

    def _refuse(self, name: str, group: IPv6Address, reason: str, now: float) -> list[Effect]:
        link = self._links.get(name)
        if link is None:
            return []
        link.group_refused(group, now)
        return self._complain(name, reason, now)

    def _complain(self, name: str, reason: str, now: float) -> list[Effect]:
        last = self._complained_at.get((name, reason), -inf)
        if now - last < self._config.complaint_interval:
            return []
        self._complained_at[name, reason] = now
        return [InterfaceFailed(name, reason)]

    def _open(self, interface: Interface, now: float) -> list[Effect]:
        link = Link(interface, self._watched, self._own_macs, self._config, self._rng)
        self._links[interface.name] = link
        effects: list[Effect] = [OpenInterface(interface.name)]
        effects += link.begin(now)
        for address, held in self._held.items():
            if held.allows(interface.name):
                effects += link.admit(address, held.tally, now)
                if held.is_hushed:
                    link.hush(address)
        return effects

    def _close(self, name: str) -> list[Effect]:
        self._reopen_at.pop(name, None)
        return [CloseInterface(name)] if self._links.pop(name, None) else []

    def _know(self, interface: Interface) -> None:
        self._interfaces[interface.name] = interface
        self._note_macs()

    def _note_macs(self) -> None:
        self._own_macs.clear()
        self._own_macs.update(interface.mac for interface in self._interfaces.values() if interface.mac)


def _no_answer(_: bytes) -> bytes | None:
    return None
