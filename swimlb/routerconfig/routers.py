"""The routers of a configuration, each with the nodes that have a session with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

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

    @property
    def asn(self) -> int:
        return self.peer.local_asn or self.peer.my_asn

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
        """There may be other routers between."""
        return self.address is not None and (self.peer.ebgp_multihop or (self.peer.hops_max or 1) > 1)

    @property
    def label(self) -> str:
        """A name that every router takes: a node may have sessions by several BGPPeers."""
        text = f"{self.peer.name}_{self.node}"
        plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in text)
        if plain[0].isdigit():
            plain = f"peer_{plain}"
        if len(plain) <= LABEL_LETTERS_MAX:
            return plain
        digest = sha256(text.encode()).hexdigest()[:8]
        return f"{plain[: LABEL_LETTERS_MAX - 9]}_{digest}"

    @property
    def is_extended(self) -> bool:
        """Routes of IPv4 come with next hops of IPv6 (RFC 8950)."""
        return 4 in self.versions and (self.address is None or self.address.version == 6)


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
    found: dict[tuple[IpAddress | None, int, str, int], dict[object, Neighbor]] = {}
    for peer in configuration.bgp_peers:
        router = (peer.peer_address, peer.peer_port, peer.vrf, _router_asn(peer, asn))
        neighbors = found.setdefault(router, {})
        for node in _nodes_of(peer, configuration, addresses):
            for one in _neighbors(peer, node, addresses.get(node, ())):
                # Several nodes have one where it is a sourceAddress: the one that holds it calls by it.
                neighbors.setdefault(one.address or one.label, one)
    return tuple(
        Router(address, number, tuple(neighbors.values()), pools, port, vrf)
        for (address, port, vrf, number), neighbors in found.items()
        if neighbors
    )


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
            if not _neighbors(peer, node, addresses.get(node, ())):
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


def _neighbors(peer: BgpPeer, node: str, addresses: tuple[IpAddress, ...]) -> list[Neighbor]:
    if peer.peer_address is None:
        return [Neighbor(node, None, peer)]
    if peer.source_address is not None:
        return [Neighbor(node, peer.source_address, peer)]
    fitting = [address for address in addresses if address.version == peer.peer_address.version]
    return [Neighbor(node, fitting[0], peer)] if fitting else []
