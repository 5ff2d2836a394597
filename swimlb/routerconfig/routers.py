"""The routers of a configuration, each with the nodes that have a session with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from itertools import count
from typing import TypeAlias

from swimlb.model import (
    BgpPeer,
    Configuration,
    DynamicAsn,
    IpAddress,
    IpNetwork,
    any_matches,
    networks_of,
)
from swimlb.speaker.inventory import Inventory
from swimlb.speaker.rules import selects_pool

BGP_PORT = 179
LABEL_LETTERS_MAX = 60
"""BIRD takes 64, and names of nodes may have 253."""


class CannotTell(ValueError):
    """The operator's: something that the router has to be told stands nowhere. The text says how to give it."""


@dataclass(frozen=True, slots=True)
class Neighbor:
    """One node, as the router sees it."""

    node: str
    address: IpAddress | None
    """None: found on the router's interface (unnumbered)."""
    peer: BgpPeer
    label: str
    """A name that every router takes, and no other neighbor of this one has."""
    router_asn: int

    @property
    def asn(self) -> int:
        return self.peer.local_asn or self.peer.my_asn

    @property
    def is_internal(self) -> bool:
        """It is of the router's own AS (iBGP)."""
        return self.asn == self.router_asn

    @property
    def versions(self) -> tuple[int, ...]:
        """Address families of the routes: 4, 6 or both."""
        if self.address is None or self.peer.is_dual_stack:
            return (4, 6)
        return (self.address.version,)

    @property
    def has_md5(self) -> bool:
        return self.peer.password is not None and self.peer.ao is None

    @property
    def is_far(self) -> bool:
        """There may be other routers between, says the BGPPeer."""
        return self.address is not None and (self.peer.ebgp_multihop or (self.peer.hops_max or 1) > 1)

    @property
    def has_unknown_distance(self) -> bool:
        """Internal neighbors may be anywhere, and their BGPPeer need not say so."""
        return (
            self.is_internal and self.address is not None and not self.is_far and self.peer.hops_max is None
        )

    @property
    def is_extended(self) -> bool:
        """Routes of IPv4 come with next hops of IPv6 (RFC 8950)."""
        return 4 in self.versions and (self.address is None or self.address.version == 6)


_Session: TypeAlias = tuple[str, IpAddress | None, BgpPeer]
"""Node, address and BGPPeer of a neighbor that has no label yet."""


@dataclass(frozen=True, slots=True)
class Router:
    address: IpAddress | None
    asn: int
    neighbors: tuple[Neighbor, ...]
    pools: tuple[IpNetwork, ...]
    """What nodes may advertise: these, and anything more specific."""
    port: int = BGP_PORT
    vrf: str = ""
    """The nodes' VRF that it is in; empty: none."""

    def __str__(self) -> str:
        """What it is among others, for people."""
        where = f" port {self.port}" if self.port != BGP_PORT else ""
        where += f" in VRF {self.vrf}" if self.vrf else ""
        return f"{self.address or 'of the interfaces below'}{where}, AS {self.asn}"

    @property
    def paths_max(self) -> int:
        """Next hops that a route may have: every node, and room for as many again."""
        return max(2, min(64, 2 * len({neighbor.node for neighbor in self.neighbors})))

    @property
    def node_asns(self) -> set[int]:
        return {neighbor.asn for neighbor in self.neighbors}

    @property
    def versions(self) -> tuple[int, ...]:
        """Address families of the routes of any neighbor."""
        return tuple(sorted({version for one in self.neighbors for version in one.versions}))

    def pools_of(self, version: int) -> tuple[IpNetwork, ...]:
        return tuple(pool for pool in self.pools if pool.version == version)

    def prefix_list(self, version: int) -> list[str]:
        """What a neighbor may send, in the words that FRR and its models have in common.

        Never empty: routers take a list without entries, or one that is not there, for leave to send anything.
        """
        entries = [f"permit {_and_longer(pool)}" for pool in self.pools_of(version)]
        nothing = "deny 0.0.0.0/0 le 32" if version == 4 else "deny ::/0 le 128"
        return [f"seq {5 * number} {entry}" for number, entry in enumerate(entries or [nothing], start=1)]


def _and_longer(pool: IpNetwork) -> str:
    return f"{pool} le {pool.max_prefixlen}" if pool.prefixlen < pool.max_prefixlen else str(pool)


def routers(
    configuration: Configuration,
    addresses: Mapping[str, tuple[IpAddress, ...]],
    *,
    asn: int | None = None,
) -> tuple[Router, ...]:
    """`addresses` are the nodes'; `asn` is the routers' where a BGPPeer leaves it open. Raises CannotTell."""
    if not configuration.bgp_peers:
        raise CannotTell("there is no BGPPeer; give the manifests that hold them")
    if not addresses:
        raise CannotTell("no node has an address; give Nodes with status.addresses, or --node NAME=ADDRESS")
    advertised = list(_advertised(configuration))
    pools = (
        *collapse_addresses(one for one in advertised if isinstance(one, IPv4Network)),
        *collapse_addresses(one for one in advertised if isinstance(one, IPv6Network)),
    )
    # Another port is another process, and another VRF another network: neighbors are told apart by address alone.
    found: dict[tuple[IpAddress | None, int, str, int], dict[object, _Session]] = {}
    for peer in configuration.bgp_peers:
        router = (peer.peer_address, peer.peer_port, peer.vrf, _router_asn(peer, asn))
        sessions = found.setdefault(router, {})
        for node in _nodes_of(peer, configuration, addresses):
            for address in _addresses_of(peer, addresses.get(node, ())):
                # Several nodes have one where it is a sourceAddress: the one that holds it calls by it.
                sessions.setdefault(address or (peer.name, node), (node, address, peer))
    return tuple(
        Router(address, number, _neighbors(sessions.values(), number), pools, port, vrf)
        for (address, port, vrf, number), sessions in found.items()
        if sessions
    )


def _neighbors(sessions: Collection[_Session], router_asn: int) -> tuple[Neighbor, ...]:
    labels = _labels([(peer.name, node) for node, _, peer in sessions])
    return tuple(
        Neighbor(node, address, peer, labels[peer.name, node], router_asn) for node, address, peer in sessions
    )


def _labels(names: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """One for each BGPPeer and node, since a node may have sessions by several BGPPeers.

    `a` and `b-c` are told from `a-b` and `c`: names that become the same one get a digest of what they were.
    """
    wanted = Counter(_plain_label(name) for name in names)
    taken = set(wanted)
    found: dict[tuple[str, str], str] = {}
    for name in sorted(names):
        label = _plain_label(name)
        if wanted[label] > 1 or len(label) > LABEL_LETTERS_MAX:
            label = next(one for one in _marked_labels(name) if one not in taken)
            taken.add(label)
        found[name] = label
    return found


def _plain_label(name: tuple[str, str]) -> str:
    text = "_".join(name)
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in text)
    return f"peer_{plain}" if plain[0].isdigit() else plain


def _marked_labels(name: tuple[str, str]) -> Iterator[str]:
    for attempt in count():
        digest = sha256("/".join((*name, str(attempt))).encode()).hexdigest()[:8]
        yield f"{_plain_label(name)[: LABEL_LETTERS_MAX - 9]}_{digest}"


def _advertised(configuration: Configuration) -> Iterator[IpNetwork]:
    """The pools, and the aggregates that reach beyond them: a range need not begin where an aggregate does."""
    inventory = Inventory("", pools={pool.name: pool for pool in configuration.pools})
    for pool in configuration.pools:
        of_pool = [
            one
            for one in configuration.bgp_advertisements
            if selects_pool(inventory, pool.name, one.pools, one.pool_selectors)
        ]
        for network in (network for addresses in pool.ranges for network in networks_of(addresses)):
            lengths = [
                one.aggregation_length if network.version == 4 else one.aggregation_length_v6
                for one in of_pool
            ]
            yield network.supernet(new_prefix=min([network.prefixlen, *lengths]))


def left_out(
    configuration: Configuration, addresses: Mapping[str, tuple[IpAddress, ...]]
) -> Iterator[tuple[BgpPeer, str]]:
    """Nodes that hold a session, of which no address is known that the router could have for a neighbor."""
    for peer in configuration.bgp_peers:
        for node in _nodes_of(peer, configuration, addresses):
            if not _addresses_of(peer, addresses.get(node, ())):
                yield peer, node


def _nodes_of(
    peer: BgpPeer, configuration: Configuration, addresses: Mapping[str, tuple[IpAddress, ...]]
) -> list[str]:
    labels = {node: {"kubernetes.io/hostname": node} for node in addresses}
    labels |= {node.name: dict(node.labels) for node in configuration.nodes}
    return [node for node in sorted(labels) if any_matches(peer.node_selectors, labels[node])]


def _router_asn(peer: BgpPeer, asn: int | None) -> int:
    if peer.peer_asn is not None:
        return peer.peer_asn
    if peer.dynamic_asn is DynamicAsn.INTERNAL:
        return peer.my_asn
    if asn is None:
        raise CannotTell(f"BGPPeer {peer.name} takes any external AS; give the router's by --router-asn")
    return asn


def _addresses_of(peer: BgpPeer, addresses: tuple[IpAddress, ...]) -> Sequence[IpAddress | None]:
    """By which the router knows a node that has these: one, or none that fits."""
    if peer.peer_address is None:
        return [None]
    if peer.source_address is not None:
        return [peer.source_address]
    return [address for address in addresses if address.version == peer.peer_address.version][:1]
