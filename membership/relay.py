"""The helper's side of an indirect probe: ping for somebody else, and tell how it went."""

from __future__ import annotations

from dataclasses import dataclass

from membership.address import Endpoint, host_of, is_address
from membership.config import Config
from membership.errors import DecodeError
from membership.outbox import Outbox
from membership.pace import Pace
from membership.wire.messages import Ack, IndirectPing, Nack, Ping

_NACK_AT = 0.8
"""Of the probe timeout (Lifeguard). memberlist waits all of it, and its nacks then come too late to count."""
_RELAYS_MAX = 1024
"""Requests beyond these are refused. A ring of thousands asks for a few at a time."""


@dataclass(slots=True)
class _Relay:
    requester: Endpoint
    sequence: int
    nack_at: float | None
    expires_at: float


class Relays:
    """The pings under way for others, by our own sequence numbers."""

    def __init__(self, config: Config, pace: Pace, outbox: Outbox) -> None:
        self._config = config
        self._pace = pace
        self._outbox = outbox
        self._relays: dict[int, _Relay] = {}

    def __len__(self) -> int:
        return len(self._relays)

    def request(self, message: IndirectPing, source: Endpoint, now: float) -> None:
        if not is_address(message.target):
            raise DecodeError("bad-address")
        if len(self._relays) >= _RELAYS_MAX:
            raise DecodeError("too-many-relays")
        timeout = self._pace.profile.probe_timeout
        sequence = self._outbox.next_sequence()
        self._relays[sequence] = _Relay(
            reply_endpoint(message.source_address, message.source_port, source),
            message.sequence,
            now + _NACK_AT * timeout if message.wants_nack else None,
            now + timeout,
        )
        target = Endpoint(host_of(message.target), message.port or self._config.port)
        self._outbox.send(target, ping(self._config, sequence, message.node))

    def hear_ack(self, sequence: int) -> bool:
        """Pass an ack on to who asked; False if it is not about a relay."""
        if (relay := self._relays.pop(sequence, None)) is None:
            return False
        self._outbox.send(relay.requester, Ack(relay.sequence))
        return True

    def next_deadline(self) -> float | None:
        if not self._relays:
            return None
        return min(relay.nack_at or relay.expires_at for relay in self._relays.values())

    def advance(self, now: float) -> None:
        for sequence, relay in list(self._relays.items()):
            if relay.nack_at is not None and now >= relay.nack_at:
                # An ack that comes later is still worth passing on.
                relay.nack_at = None
                self._outbox.send(relay.requester, Nack(relay.sequence))
            if now >= relay.expires_at:
                del self._relays[sequence]


def ping(config: Config, sequence: int, node: str) -> Ping:
    """A ping that says where the answer shall go."""
    return Ping(sequence, node, config.octets, config.port, config.name)


def reply_endpoint(octets: bytes, port: int, source: Endpoint) -> Endpoint:
    """Where an answer goes: to the address in the message if it has one, else to where the packet came from."""
    return Endpoint(host_of(octets), port) if is_address(octets) and port else source


def expect_our_name(config: Config, ping: Ping) -> None:
    """Who asks for somebody else gets no answer: DecodeError."""
    if ping.node not in ("", config.name):
        raise DecodeError("ping-for-another-name")
