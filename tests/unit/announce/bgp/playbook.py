"""A peer in virtual time, and the router at the other end as octets."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_network
from typing import Any

from announce.bgp import (
    BytesReceived,
    Connect,
    ConnectionAccepted,
    ConnectionEstablished,
    Effect,
    Event,
    Peer,
    PeerConfig,
    Route,
    RouteAttributes,
    RoutesChanged,
    Send,
    Started,
)
from announce.bgp.attributes import Origin, PathAttributes
from announce.bgp.capabilities import Capability, FourOctetAs, Multiprotocol, RouteRefreshSupport
from announce.bgp.framing import Framer
from announce.bgp.messages import (
    EXTENDED_OCTETS_MAX,
    Keepalive,
    Message,
    Open,
    Update,
    decode_message,
    encode,
)
from announce.bgp.nlri import IPV4_UNICAST, Prefixes

LOCAL = IPv4Address("192.0.2.10")
REMOTE = IPv4Address("192.0.2.1")
CONFIG = PeerConfig(local_asn=64496, peer_asn=64497, peer_address=REMOTE, node_name="node-a")
CAPABILITIES = (Multiprotocol(IPV4_UNICAST), RouteRefreshSupport(), FourOctetAs(64497))
_TURNS_MAX = 1000
"""Much work is done in portions, each due at once; for what tests ask for these are more than enough."""


class Latest(random.Random):
    """Chance that always takes the upper bound: waits are not shortened."""

    def uniform(self, a: float, b: float) -> float:
        return b


def router_open(
    *,
    asn: int = 64497,
    hold_time: int = 90,
    identifier: str = "192.0.2.1",
    capabilities: tuple[Capability, ...] = CAPABILITIES,
) -> Open:
    return Open(asn, hold_time, IPv4Address(identifier), capabilities)


def routes(*prefixes: str, **attributes: Any) -> frozenset[Route]:
    shared = replace(RouteAttributes(), **attributes)
    return frozenset(Route(ip_network(prefix), shared) for prefix in prefixes)


def announced(*prefixes: str, **attributes: Any) -> Update:
    """What a router says of its own routes."""
    path = PathAttributes(origin=Origin.IGP, as_path=(), next_hop=REMOTE, **attributes)
    return Update(attributes=path, nlri=Prefixes.of(map(ip_network, prefixes)))


def sent(effects: Iterable[Effect], *, four_octet_as: bool = True, on: int | None = None) -> list[Message]:
    """What the router reads from the effects of Send, on one connection or on all."""
    sends = [effect for effect in effects if isinstance(effect, Send) and on in (None, effect.connection)]
    framer = Framer(EXTENDED_OCTETS_MAX)
    framed = [frame for effect in sends for frame in framer.feed(effect.data)]
    return [decode_message(*frame, four_octet_as=four_octet_as) for frame in framed]


@dataclass
class Playbook:
    """`play.at(1.0, event, ...)` steps and returns the effects; `play.until(2.0)` lets time pass to there."""

    peer: Peer
    now: float = 0.0
    connection: int = 0

    def at(self, now: float, *events: Event) -> list[Effect]:
        effects = self.until(now)
        for event in events:
            effects += self._noted(self.peer.step(event, now))
        return effects

    def until(self, now: float) -> list[Effect]:
        assert now >= self.now
        effects: list[Effect] = []
        turns = 0
        while (deadline := self.peer.next_deadline()) is not None and deadline <= now:
            effects += self._noted(self.peer.advance(max(deadline, self.now)))
            turns = turns + 1 if self.peer.next_deadline() == deadline else 0
            assert turns < _TURNS_MAX, "a deadline that does not pass"
        self.now = now
        return effects

    def hears(self, now: float, *messages: Message, on: int | None = None) -> list[Effect]:
        """The router sends these in one go, on our own connection or another one."""
        number = self.connection if on is None else on
        return self.at(now, BytesReceived(number, b"".join(map(encode, messages))))

    def is_called(self, now: float, number: int = -1) -> list[Effect]:
        """The router has opened a connection."""
        return self.at(now, ConnectionAccepted(number, LOCAL))

    def connects(self, now: float) -> list[Effect]:
        return self.at(now, ConnectionEstablished(self.connection, LOCAL))

    def _noted(self, effects: list[Effect]) -> list[Effect]:
        for effect in effects:
            if isinstance(effect, Connect):
                self.connection = effect.connection
        return effects


def idle(config: PeerConfig = CONFIG, **changes: Any) -> Playbook:
    changed = replace(config, **changes)
    return Playbook(Peer(changed, Latest(0)))


def open_sent(**changes: Any) -> Playbook:
    play = idle(**changes)
    play.at(0.0, Started())
    play.connects(0.0)
    return play


def established(*prefixes: str, remote: Open | None = None, **changes: Any) -> Playbook:
    """A session since 0.0 s whose router has been told of the prefixes."""
    play = open_sent(**changes)
    play.at(0.0, RoutesChanged(routes(*prefixes)))
    play.hears(0.0, remote or router_open(), Keepalive())
    return play
