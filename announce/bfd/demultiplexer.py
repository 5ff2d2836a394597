"""Which session a packet belongs to (RFC 5880 section 6.3, RFC 5881 section 3, RFC 5883 section 4)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import TypeAlias

from announce.bfd.config import SINGLE_HOP_TTL, IpAddress, SessionConfig
from announce.bfd.errors import PacketError
from announce.bfd.packet import ControlPacket, decode

Key: TypeAlias = tuple[IpAddress, str | None, bool, str | None, IpAddress | None]
"""Address of the peer, the link of a link-local one, multihop or not, VRF, our own address if the session has a certain one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What the socket tells of a packet."""

    peer_address: IpAddress
    """Without a scope: that is `interface`."""
    local_address: IpAddress | None = None
    """Where it was sent to."""
    interface: str
    ttl: int
    is_multihop: bool
    """By the port that it came to."""
    device: str | None = None
    """The VRF that the socket belongs to."""


class Demultiplexer:
    """The sessions of this node by discriminator and by address."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._by_discriminator: dict[int, SessionConfig] = {}
        self._by_key: dict[Key, int] = {}

    def add(self, config: SessionConfig) -> int:
        """The discriminator for a new session. Nobody can guess it, so nobody off the path can end the session.

        Of two sessions on one path, of which RFC 5881 section 3 has no more than one, the older one finds its packets only
        by discriminator: it is about to end.
        """
        discriminator = 0
        while discriminator == 0 or discriminator in self._by_discriminator:
            discriminator = self._rng.getrandbits(32)
        self._by_discriminator[discriminator] = config
        self._by_key[_key_of(config)] = discriminator
        return discriminator

    def change(self, discriminator: int, config: SessionConfig) -> None:
        """Another minimum TTL; the way to the peer is the same."""
        assert _key_of(config) == _key_of(self._by_discriminator[discriminator])
        self._by_discriminator[discriminator] = config

    def remove(self, discriminator: int) -> None:
        config = self._by_discriminator.pop(discriminator)
        if self._by_key.get(_key_of(config)) == discriminator:
            del self._by_key[_key_of(config)]

    def accept(self, payload: bytes, arrival: Arrival) -> tuple[int, ControlPacket]:
        """The session's discriminator and the packet; PacketError when it is none of ours, or not to be trusted."""
        # Before anything is read: what a router has forwarded is not the neighbour's.
        if not arrival.is_multihop and arrival.ttl != SINGLE_HOP_TTL:
            raise PacketError(f"TTL {arrival.ttl} instead of {SINGLE_HOP_TTL}")
        packet = decode(payload)
        discriminator = packet.your_discriminator or self._addressed(arrival)
        config = self._by_discriminator.get(discriminator)
        if config is None:
            raise PacketError("no such session")
        if config.is_multihop != arrival.is_multihop or config.device != arrival.device:
            raise PacketError("not by the way of its session")
        if config.is_multihop and arrival.ttl < config.minimum_ttl:
            raise PacketError(f"TTL {arrival.ttl} below {config.minimum_ttl}")
        if config.interface is not None and config.interface != arrival.interface:
            raise PacketError(f"by {arrival.interface} instead of {config.interface}")
        return discriminator, packet

    def _addressed(self, arrival: Arrival) -> int:
        """By the address that it was sent to, before one that takes any; 0: by none."""
        address = arrival.local_address
        if address is not None and (found := self._by_key.get(_key_by(arrival, _without_scope(address)))):
            return found
        return self._by_key.get(_key_by(arrival, None), 0)


def _key_of(config: SessionConfig) -> Key:
    address, link, source = config.peer_address, None, config.source_address
    if isinstance(address, IPv6Address) and address.is_link_local:
        address, link = IPv6Address(address.packed), address.scope_id or config.interface
    source = None if source is None else _without_scope(source)
    return address, link, config.is_multihop, config.device, source


def _without_scope(address: IpAddress) -> IpAddress:
    return IPv6Address(address.packed) if isinstance(address, IPv6Address) else address


def _key_by(arrival: Arrival, local_address: IpAddress | None) -> Key:
    link = (
        arrival.interface
        if arrival.peer_address.is_link_local and arrival.peer_address.version == 6
        else None
    )
    return arrival.peer_address, link, arrival.is_multihop, arrival.device, local_address
