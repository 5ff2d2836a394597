"""A whole BGP peer under a script of whatever can happen to it, as bytes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from random import Random
from time import process_time

from announce.bgp import (
    BfdDown,
    BfdUp,
    BytesReceived,
    BytesSent,
    ConnectionAccepted,
    ConnectionClosed,
    ConnectionEstablished,
    ConnectionFailed,
    Effect,
    Event,
    NextHopsChanged,
    Peer,
    PeerConfig,
    Reconfigured,
    Role,
    Route,
    RouteAttributes,
    RoutesChanged,
    RoutesComplete,
    RoutesUpdated,
    Started,
    State,
    StopRequested,
)
from announce.bgp.capabilities import EnhancedRouteRefresh, ExtendedMessage, FourOctetAs, GracefulRestart
from announce.bgp.messages import Keepalive, Open, encode
from tests.fuzz.script import Script
from tests.unit.announce.bgp.ledger import Ledger

_TURNS_MAX = 100
_STEP_SECONDS_MAX = 1.0
"""CPU time of one event, and far more than any should take even while the fuzzer watches each branch."""
_UNSENT_OCTETS_MAX = 1000
_CONFIG = PeerConfig(
    local_asn=64496,
    peer_asn=64497,
    peer_address=IPv4Address("192.0.2.1"),
    send_octets_max=_UNSENT_OCTETS_MAX,
    is_listening=True,
    restart_time=120,
)
_CONFIGS = (
    _CONFIG,
    replace(_CONFIG, restart_time=0, received_prefixes_max=3, role=Role.PEER),
    replace(_CONFIG, is_active=False, delay_open=1.0, keeps_received=True),
    replace(_CONFIG, is_restarting=True, shutdown_wait=1.0),
)
_LOCAL = (IPv4Address("192.0.2.10"), IPv6Address("2001:db8::10"), IPv6Address("fe80::10%eth0"))
_ATTRIBUTES = (
    RouteAttributes(),
    RouteAttributes(med=1),
    RouteAttributes(local_pref=7, communities=((1, 2),)),
)
_CAPABILITIES = (FourOctetAs(64497), GracefulRestart(120), ExtendedMessage(), EnhancedRouteRefresh())


class PeerScene:
    """Plays a script, and checks after every turn what must always hold."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._peer = Peer(_CONFIGS[script.number(len(_CONFIGS))], Random(1))
        self._now = 0.0
        self._ledger = Ledger()
        self._last_accepted = 0
        self._step(Started())

    def play(self) -> None:
        for _ in range(_TURNS_MAX):
            if self._script.is_over:
                return
            self._turn()

    def _turn(self) -> None:
        number = self._connection()
        match self._script.number(15):
            case 0 | 1 | 2:
                self._step(BytesReceived(number, self._script.blob()))
            case 3 | 4:
                self._step(BytesReceived(number, encode(self._open()) + encode(Keepalive())))
            case 5:
                self._step(ConnectionEstablished(number, self._local()))
            case 6:
                self._last_accepted -= 1
                self._step(ConnectionAccepted(self._last_accepted, self._local()))
            case 7:
                is_failure = self._script.number(2)
                self._step(
                    ConnectionFailed(number, "reset") if is_failure else ConnectionClosed(number, "end")
                )
            case 8 | 9:
                self._step(BytesSent(number, self._script.number(256) * 8))
            case 10:
                self._let_time_pass(self._script.number(256) / 10)
            case 11:
                self._step(RoutesChanged(self._routes()))
            case 12:
                self._step(RoutesUpdated(self._routes(), self._routes()))
            case 13:
                others = (
                    RoutesComplete(),
                    BfdDown("x"),
                    BfdUp(),
                    Reconfigured(_CONFIGS[self._script.number(4)]),
                    NextHopsChanged(number, _LOCAL[: self._script.number(3)]),
                )
                self._step(others[self._script.number(len(others))])
            case _:
                if self._script.number(16) == 0:
                    self._step(StopRequested("bye", is_restart=bool(self._script.number(2))))

    def _let_time_pass(self, duration: float) -> None:
        end, turns = self._now + duration, 0
        while (due := self._peer.next_deadline()) is not None and due <= end:
            turns = turns + 1 if due <= self._now else 0
            assert turns < 100, "a deadline that does not pass"
            self._now = max(self._now, due)
            self._settle(self._peer.advance(self._now))
        self._now = end

    def _step(self, event: Event) -> None:
        if not self._ledger.is_stopped:
            self._ledger.hear(event)
        begun = process_time()
        effects = self._peer.step(event, self._now)
        assert process_time() - begun < _STEP_SECONDS_MAX
        self._settle(effects)

    def _settle(self, effects: list[Effect]) -> None:
        self._ledger.check(effects)
        status = self._peer.status()
        self._ledger.compare(status)
        is_over = self._ledger.is_stopped or status.state is not State.CONNECT
        assert is_over or self._peer.next_deadline() is not None

    def _connection(self) -> int:
        """Mostly one that there is."""
        numbers = [*self._ledger.connections, 1, 99]
        return numbers[self._script.number(len(numbers))]

    def _local(self) -> IPv4Address | IPv6Address:
        return _LOCAL[self._script.number(len(_LOCAL))]

    def _open(self) -> Open:
        identifier = IPv4Address(0xC0000201 + self._script.number(20))
        capabilities = _CAPABILITIES[: 1 + self._script.number(len(_CAPABILITIES))]
        return Open(64497, (0, 3, 90)[self._script.number(3)], identifier, capabilities)

    def _routes(self) -> frozenset[Route]:
        count, attributes = self._script.number(8), _ATTRIBUTES[self._script.number(len(_ATTRIBUTES))]
        return frozenset(
            Route(IPv4Network((0xC6336400 + self._script.number(16), 32)), attributes) for _ in range(count)
        )


def peer(data: bytes) -> None:
    PeerScene(Script(data)).play()
