"""The interfaces of a node that can carry Service addresses on the LAN, and how a node tells them in its gossip meta.

    name id (4)   MAC (6)   count of networks (1)   { version (1)   length (1)   prefix (as many octets as it needs) }

Others need this for two things: to pass over nodes that could not answer for an address, and to know which
member is behind a MAC that claims one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from swimlb.model import IpAddress, IpNetwork

if TYPE_CHECKING:
    # Its package is all of layer 2, a megabyte in every process that reads what members say of their links.
    from announce.l2 import Interface

NETWORKS_MAX = 8
"""Told of one interface; an interface with more is rare, and those beyond are as if they were not there."""

_NAME_ID_OCTETS, _MAC_OCTETS = 4, 6


class SubnetRule(StrEnum):
    """Whether a node must have an address's subnet on an interface to announce the address."""

    PREFER = "prefer"
    """Nodes that have it go first; where none has it, every node with an interface may (a pool of its own network)."""
    REQUIRE = "require"
    IGNORE = "ignore"
    """MetalLB's election to the letter, for rings of both."""


class Reach(IntEnum):
    """What a node can do for an address."""

    NONE = 0
    """No interface that the advertisement allows is up with carrier."""
    OFF_SUBNET = 1
    ON_SUBNET = 2


@dataclass(frozen=True, slots=True)
class Link:
    """An interface that suits, is up and has carrier."""

    name_id: bytes
    mac: bytes
    networks: tuple[IpNetwork, ...] = ()


def name_id(name: str) -> bytes:
    """The short name of an interface in the meta."""
    return sha256(name.encode()).digest()[:_NAME_ID_OCTETS]


def link_of(interface: Interface) -> Link:
    """What is told of an interface; networks of a single address and link-local ones say nothing about reach."""
    networks = {
        address.network
        for address in interface.addresses
        if not address.is_link_local and address.network.num_addresses > 1
    }
    ordered = sorted(
        networks, key=lambda network: (network.version, int(network.network_address), network.prefixlen)
    )
    return Link(name_id(interface.name), interface.mac, tuple(ordered[:NETWORKS_MAX]))


def networks_on(links: Iterable[Link], interfaces: frozenset[str] | None) -> frozenset[IpNetwork] | None:
    """The subnets on the named interfaces (None: on any); None when no link is one of these."""
    allowed = None if interfaces is None else {name_id(name) for name in interfaces}
    usable = [link for link in links if allowed is None or link.name_id in allowed]
    return frozenset(network for link in usable for network in link.networks) if usable else None


def are_near(networks: Iterable[IpNetwork], addresses: Iterable[IpAddress]) -> bool:
    """Whether each of the addresses is in one of the subnets."""
    return all(any(address in network for network in networks) for address in addresses)


def reach(links: Iterable[Link], addresses: Iterable[IpAddress], interfaces: frozenset[str] | None) -> Reach:
    """How well a node with these links can carry all of the addresses on the named interfaces (None: on any)."""
    networks = networks_on(links, interfaces)
    if networks is None:
        return Reach.NONE
    return Reach.ON_SUBNET if are_near(networks, addresses) else Reach.OFF_SUBNET


def tellable(links: Iterable[Link], octets_max: int) -> tuple[tuple[Link, ...], bool]:
    """As many links as fit into so many octets, and whether these are all."""
    told: list[Link] = []
    for link in links:
        octets_max -= len(_encode_link(link))
        if octets_max < 0:
            return tuple(told), False
        told.append(link)
    return tuple(told), True


def encode_links(links: Iterable[Link]) -> bytes:
    return b"".join(map(_encode_link, links))


def decode_links(octets: bytes) -> tuple[Link, ...]:
    """The links of another speaker. ValueError when there is anything else."""
    links: list[Link] = []
    rest = octets
    while rest:
        head, rest = _split(rest, _NAME_ID_OCTETS + _MAC_OCTETS + 1)
        networks: list[IpNetwork] = []
        for _ in range(head[-1]):
            network, rest = _decode_network(rest)
            networks.append(network)
        links.append(Link(head[:_NAME_ID_OCTETS], head[_NAME_ID_OCTETS:-1], tuple(networks)))
    return tuple(links)


def _encode_link(link: Link) -> bytes:
    networks = b"".join(
        bytes((network.version, network.prefixlen))
        + network.network_address.packed[: _octets(network.prefixlen)]
        for network in link.networks
    )
    return link.name_id + link.mac + bytes([len(link.networks)]) + networks


def _decode_network(octets: bytes) -> tuple[IpNetwork, bytes]:
    (version, length), rest = _split(octets, 2)
    prefix, rest = _split(rest, _octets(length))
    if version == 4:
        return IPv4Network((prefix.ljust(4, b"\0"), length)), rest
    if version == 6:
        return IPv6Network((prefix.ljust(16, b"\0"), length)), rest
    raise ValueError("no such version of IP")


def _octets(length: int) -> int:
    return (length + 7) // 8


def _split(octets: bytes, count: int) -> tuple[bytes, bytes]:
    if len(octets) < count:
        raise ValueError("cut off")
    return octets[:count], octets[count:]
