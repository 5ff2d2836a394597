"""Prefixes as they stand in messages (RFC 4271 section 4.3, RFC 4760 section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple, TypeAlias

IpNetwork: TypeAlias = IPv4Network | IPv6Network


class Afi(IntEnum):
    IPV4 = 1
    IPV6 = 2


class Family(NamedTuple):
    """Address family and subsequent address family; a peer may name ones that we do not know."""

    afi: int
    safi: int

    def __str__(self) -> str:
        return _FAMILY_NAMES.get(self, f"afi {self.afi} safi {self.safi}")


IPV4_UNICAST = Family(Afi.IPV4, 1)
IPV6_UNICAST = Family(Afi.IPV6, 1)
_FAMILY_NAMES = {IPV4_UNICAST: "ipv4 unicast", IPV6_UNICAST: "ipv6 unicast"}
_BITS_MAX = {Afi.IPV4: 32, Afi.IPV6: 128}


def family_of(prefix: IpNetwork) -> Family:
    return IPV4_UNICAST if prefix.version == 4 else IPV6_UNICAST


def encode_prefix(prefix: IpNetwork) -> bytes:
    """Equal prefixes have equal octets, so that these may stand for a prefix within its family."""
    bits = prefix.prefixlen
    return bytes((bits,)) + prefix.network_address.packed[: (bits + 7) // 8]


def decode_prefix(afi: int, encoded: bytes) -> IpNetwork:
    """The octets are one well-formed prefix. "Note that the value of trailing bits is irrelevant"."""
    network, octets_max = (IPv4Network, 4) if afi == Afi.IPV4 else (IPv6Network, 16)
    return network((encoded[1:].ljust(octets_max, b"\0"), encoded[0]), strict=False)


@dataclass(frozen=True, slots=True)
class Prefixes:
    """A field of encoded prefixes of one address family, all known to be well-formed.

    They stay encoded: a router may send a full table, which we only count, and making an object of each
    prefix costs twenty times as much as stepping over it.
    """

    afi: Afi
    octets: bytes = b""
    _count: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_count", _count(self.octets, _BITS_MAX[self.afi]))

    @classmethod
    def of(cls, prefixes: Iterable[IpNetwork], afi: Afi = Afi.IPV4) -> Prefixes:
        return cls(afi, b"".join(map(encode_prefix, prefixes)))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[IpNetwork]:
        return (decode_prefix(self.afi, encoded) for encoded in self.encoded())

    def encoded(self) -> Iterator[bytes]:
        """Each prefix as it came."""
        octets, position = self.octets, 0
        while position < len(octets):
            end = position + 1 + (octets[position] + 7) // 8
            yield octets[position:end]
            position = end


def _count(octets: bytes, bits_max: int) -> int:
    """How many prefixes there are; raises ValueError where the octets are not a list of prefixes."""
    position = count = 0
    while position < len(octets):
        bits = octets[position]
        if bits > bits_max:
            raise ValueError(f"prefix length {bits} is above {bits_max}")
        position += 1 + (bits + 7) // 8
        count += 1
    if position > len(octets):
        raise ValueError("the last prefix is cut short")
    return count
