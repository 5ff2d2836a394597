"""Addresses in their two forms: octets, as gossip carries them, and an endpoint, as sockets take it.

Members compare each other's `Addr` byte for byte, so the octets are kept and passed on as they came;
v4-mapped octets become an IPv4 endpoint only here, on the way to a socket.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple


class Endpoint(NamedTuple):
    """Where packets go to and come from: the numeric text of an IP address, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_address(octets: bytes) -> bool:
    return len(octets) in (4, 16)


@lru_cache(maxsize=16_384)
def host_of(octets: bytes) -> str:
    """The numeric text of 4 or 16 octets."""
    if len(octets) == 4:
        return str(IPv4Address(octets))
    address = IPv6Address(octets)
    return str(address.ipv4_mapped or address)


@lru_cache(maxsize=4096)
def octets_of(host: str) -> bytes:
    """The shortest octets of a numeric address; ValueError when it is a name."""
    address = ip_address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.packed
    return address.packed
