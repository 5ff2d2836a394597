"""Following the references between objects, and the rules that only several objects together can break.

Objects are taken kind by kind, those that others refer to first, and by name within a kind: so of two
objects that do not get on, it is always the same one that is refused, in whatever order they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from swimlb.config.advertising import Advertising, warn_of_unused_peers
from swimlb.config.declared import (
    BfdProfile,
    CommunityAliases,
    DeclaredBgpAdvertisement,
    DeclaredPeer,
    DeclaredPool,
    DeclaredService,
    EndpointSlice,
    IgnoredService,
    Namespace,
    Secret,
    Workload,
)
from swimlb.config.kinds.cluster import BASIC_AUTH
from swimlb.config.objects import Admitted, Candidates
from swimlb.config.probing import Workloads
from swimlb.config.ranges import RangeIndex
from swimlb.config.report import Place
from swimlb.model import (
    BgpAdvertisement,
    BgpPeer,
    Community,
    Configuration,
    Endpoints,
    IpAddress,
    L2Advertisement,
    Node,
    Pool,
    any_matches,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Linked:
    configuration: Configuration
    ignored: tuple[tuple[str, str], ...]
    """Keys of Services that are none of our business, and why."""


def link(candidates: Candidates) -> Linked:
    """Admit what fits together, and report the rest."""
    namespaces = _values(candidates.admit(Namespace, _as_is))
    aliases = Aliases()
    candidates.admit(CommunityAliases, aliases.define)
    pools = _values(candidates.admit(DeclaredPool, Pools(namespaces).link))
    profiles = {profile.name for profile in _values(candidates.admit(BfdProfile, _as_is))}
    secrets = {(one.ref.namespace, one.ref.name): one.value for one in candidates.admit(Secret, _as_is)}
    nodes = _values(candidates.admit(Node, _as_is))
    peers = candidates.admit(DeclaredPeer, Peers(nodes, profiles, secrets).link, outlives=BgpPeer)
    advertising = Advertising(pools, {one.ref.name for one in peers}, aliases.meanings)
    l2_advertisements = _values(candidates.admit(L2Advertisement, advertising.link_l2))
    bgp_advertisements = _values(
        candidates.admit(DeclaredBgpAdvertisement, advertising.link_bgp, outlives=BgpAdvertisement)
    )
    warn_of_unused_peers(peers, bgp_advertisements)
    workloads = Workloads(_values(candidates.admit(Workload, _as_is)))
    services = _values(candidates.admit(DeclaredService, workloads.link))
    ignored = candidates.admit(IgnoredService, _as_is)
    return Linked(
        Configuration(
            pools=pools,
            l2_advertisements=l2_advertisements,
            bgp_advertisements=bgp_advertisements,
            bgp_peers=_values(peers),
            nodes=nodes,
            services=services,
            endpoints=merge_slices(_values(candidates.admit(EndpointSlice, _as_is))),
        ),
        tuple((f"{one.ref.namespace}/{one.ref.name}", one.value.reason) for one in ignored),
    )


def _values(admitted: Iterable[Admitted[T]]) -> tuple[T, ...]:
    return tuple(one.value for one in admitted)


def _as_is(declared: T, place: Place) -> T:
    """For kinds that refer to nothing."""
    return declared


@dataclass(slots=True)
class Aliases:
    """Names of communities, unique over all Community objects."""

    meanings: dict[str, Community] = field(default_factory=dict[str, Community])
    _objects: dict[str, str] = field(default_factory=dict[str, str])

    def define(self, declared: CommunityAliases, place: Place) -> CommunityAliases:
        mine: dict[str, Community] = {}
        for index, (name, community) in enumerate(declared.aliases):
            first = place.report.object if name in mine else self._objects.get(name)
            if first is not None:
                place.at("spec", "communities", index).error(
                    f'duplicate definition of community "{name}", which {first} defines already',
                    "Rename one of the two.",
                )
            mine[name] = community
        if not place.report.has_errors:
            self.meanings.update(mine)
            self._objects.update(dict.fromkeys(mine, place.report.object))
        return declared


@dataclass(slots=True)
class Pools:
    """No address may be in two pools."""

    namespaces: tuple[Namespace, ...]
    _taken: RangeIndex = field(default_factory=RangeIndex)

    def link(self, declared: DeclaredPool, place: Place) -> Pool:
        pool = declared.pool
        for index, addresses in enumerate(pool.ranges):
            other = self._taken.overlapping(addresses)
            if other is not None:
                place.at("spec", "addresses", index).error(
                    f"{addresses} of pool {pool.name} overlaps with {other[0]} of pool {other[1]}",
                    "Make the two pools apart; of two that overlap the first by name is in force.",
                )
        if not place.report.has_errors:
            for addresses in pool.ranges:
                self._taken.add(addresses, pool.name)
        return self._pinned(declared, place)

    def _pinned(self, declared: DeclaredPool, place: Place) -> Pool:
        """Follow namespaceSelectors; ones that match no namespace admit none."""
        allocation = declared.pool.service_allocation
        if allocation is None or not declared.namespace_selectors:
            return declared.pool
        selected = {
            namespace.name
            for namespace in self.namespaces
            if any_matches(declared.namespace_selectors, dict(namespace.labels))
        }
        namespaces = (allocation.namespaces or frozenset()) | selected
        if not namespaces:
            place.at("spec", "serviceAllocation", "namespaceSelectors").warning(
                "select no namespace, so that no Service may use the pool",
                "Label a namespace, or mend the selectors.",
            )
        return replace(declared.pool, service_allocation=replace(allocation, namespaces=namespaces))


@dataclass(slots=True)
class Peers:
    """Finds what peers refer to; a node can hold only one session with a router's address and port."""

    nodes: tuple[Node, ...]
    profiles: set[str]
    secrets: Mapping[tuple[str, str], Secret]
    _linked: dict[tuple[IpAddress, int], list[BgpPeer]] = field(
        default_factory=dict[tuple[IpAddress, int], list[BgpPeer]]
    )

    def link(self, declared: DeclaredPeer, place: Place) -> BgpPeer:
        spec, peer = place.at("spec"), declared.peer
        if declared.bfd_profile is not None:
            self._find_profile(declared.bfd_profile, peer.name, spec.at("bfdProfile"))
        if declared.password_secret is not None:
            peer = replace(peer, password=self._password(declared.password_secret, spec.at("passwordSecret")))
        same_router = self._linked.setdefault((peer.peer_address, peer.peer_port), [])
        twin = next((other for other in same_router if self._share_a_node(peer, other)), None)
        if twin is not None:
            spec.at("peerAddress").error(
                f"BGPPeer {twin.name} has {peer.peer_address} port {peer.peer_port} already, on some of the same nodes",
                "Remove one of the two, or give them nodeSelectors that select different nodes.",
            )
        if not place.report.has_errors:
            same_router.append(peer)
        return peer

    def _find_profile(self, name: str, peer: str, place: Place) -> None:
        if name in self.profiles:
            place.warning("BFD is not supported yet and has no effect", "The session works without it.")
        else:
            place.error(
                f"peer {peer} referencing non existing bfd profile {name}",
                "Create the BFDProfile, or remove the reference.",
            )

    def _password(self, name: str, place: Place) -> str | None:
        secret = self.secrets.get((place.report.namespace, name))
        if secret is None:
            place.warning(
                f"there is no Secret {name}, so the session goes without a password",
                f"Create it in the same namespace, of type {BASIC_AUTH}.",
            )
            return None
        if secret.type != BASIC_AUTH:
            place.error(
                f'secret type mismatch on "{name}", type "{BASIC_AUTH}" is expected',
                f"Create the Secret with type {BASIC_AUTH}.",
            )
        elif not secret.password:
            place.error(
                f'password not specified in the secret "{name}"', "Give the Secret the key `password`."
            )
        return secret.password

    def _share_a_node(self, one: BgpPeer, other: BgpPeer) -> bool:
        """Where Nodes are not known, only selectors that surely select the same are judged."""
        if not one.node_selectors or not other.node_selectors or one.node_selectors == other.node_selectors:
            return True
        return any(
            any_matches(one.node_selectors, dict(node.labels))
            and any_matches(other.node_selectors, dict(node.labels))
            for node in self.nodes
        )


def merge_slices(slices: Iterable[EndpointSlice]) -> tuple[Endpoints, ...]:
    """A Service may have several slices; one with only empty ones has endpoints nowhere."""
    nodes: dict[str, frozenset[str]] = {}
    for one in slices:
        if one.service:
            nodes[one.service] = nodes.get(one.service, frozenset()) | one.nodes
    return tuple(Endpoints(service=service, nodes=nodes[service]) for service in sorted(nodes))
