"""Following the references between objects, and the rules that only several objects together can break.

Objects are taken kind by kind, those that others refer to first. Within a kind, of two that do not get on the one
that has changed is refused, or the new one; where that tells nothing, the later one by name, in whatever order they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from swimlb.config.advertising import Advertising
from swimlb.config.declared import (
    CommunityAliases,
    DeclaredBgpAdvertisement,
    DeclaredNode,
    DeclaredPeer,
    DeclaredPool,
    DeclaredService,
    EndpointSlice,
    IgnoredService,
    Namespace,
    Secret,
    Workload,
)
from swimlb.config.document import Ref
from swimlb.config.idle import Audience, warn_of_unlike_routers, warn_of_unused_peers, warn_of_unused_profiles
from swimlb.config.kinds.cluster import BASIC_AUTH
from swimlb.config.objects import Admitted, Candidates
from swimlb.config.peering import PASSWORD_OCTETS_MAX
from swimlb.config.probing import Workloads
from swimlb.config.ranges import RangeIndex
from swimlb.config.report import Place
from swimlb.config.surroundings import Hosts, Lan, named, warn_of_routers_within, without
from swimlb.config.types import positions
from swimlb.model import (
    AddressRange,
    BfdProfile,
    BgpPeer,
    Community,
    Configuration,
    Endpoints,
    L2Advertisement,
    LabelSelector,
    Node,
    Pool,
    any_matches,
)

T = TypeVar("T")

_UNKNOWN_PASSWORD = ""
"""Of a Secret that is apart. No password is empty."""


@dataclass(frozen=True, slots=True)
class Linked:
    configuration: Configuration
    ignored: tuple[tuple[str, str], ...]
    """Keys of Services that are none of our business, and why."""


def link(candidates: Candidates, node: str = "", *, are_secrets_apart: bool = False) -> Linked:
    """Admit what fits together, and report the rest. The arguments are those of `Options`."""
    namespaces = _values(candidates.admit(Namespace, _as_is))
    aliases = Aliases()
    candidates.admit(CommunityAliases, aliases.define, is_exclusive=True)
    declared_nodes = _values(candidates.admit(DeclaredNode, _as_is))
    nodes = tuple(declared.node for declared in declared_nodes)
    pools = Pools(namespaces, declared_nodes)
    whole = candidates.admit(DeclaredPool, pools.link, is_exclusive=True)
    profiles = candidates.admit(BfdProfile, _as_is)
    secrets = {(one.ref.namespace, one.ref.name): one.value for one in candidates.admit(Secret, _as_is)}
    known_profiles = {one.ref.name: one.value for one in profiles}
    asking = next((one for one in nodes if one.name == node), None)
    peer_linker = Peers(nodes, asking, known_profiles, secrets, are_secrets_apart, candidates)
    peers = candidates.admit(DeclaredPeer, peer_linker.link, outlives=peer_linker.go_on, is_exclusive=True)
    workloads = Workloads(_values(candidates.admit(Workload, _as_is)))
    services = _values(candidates.admit(DeclaredService, workloads.link))
    audience = Audience(nodes, services)
    advertising = Advertising(
        pools=_values(whole),
        peers={one.ref.name for one in peers},
        aliases=aliases.meanings,
        audience=audience,
        missing=candidates.missing,
        lan=Lan(declared_nodes),
    )
    l2_advertisements = _values(candidates.admit(L2Advertisement, advertising.link_l2))
    bgp_advertisements = _values(
        candidates.admit(
            DeclaredBgpAdvertisement, advertising.link_bgp, outlives=advertising.go_on, is_exclusive=True
        )
    )
    warn_of_unused_peers(peers, bgp_advertisements)
    warn_of_unused_profiles(profiles, peer_linker.used_profiles)
    warn_of_unlike_routers(peers)
    audience.warn_of_idle_peers(peers)
    warn_of_routers_within(whole, _values(peers))
    advertising.lan.warn_of_strangers(whole)
    ignored = candidates.admit(IgnoredService, _as_is)
    return Linked(
        Configuration(
            pools=pools.in_force(_values(whole)),
            l2_advertisements=l2_advertisements,
            bgp_advertisements=bgp_advertisements,
            bgp_peers=_values(peers),
            bfd_profiles=_values(profiles),
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
        for index, (name, community) in positions(declared.aliases):
            if not name:
                continue
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
    """No address may be in two pools, nor be one that a node has already."""

    namespaces: tuple[Namespace, ...]
    nodes: tuple[DeclaredNode, ...]
    _taken: RangeIndex = field(default_factory=RangeIndex)
    _hosts: Hosts = field(init=False)

    def __post_init__(self) -> None:
        self._hosts = Hosts(
            (address, f"Node {declared.node.name}")
            for declared in self.nodes
            for address in declared.addresses
        )

    def link(self, declared: DeclaredPool, place: Place) -> Pool:
        """The pool as it was written, nodes' addresses included."""
        pool = declared.pool
        for index, addresses in positions(pool.ranges):
            self._check(addresses, pool.name, place.at("spec", "addresses", index))
        if not place.report.has_errors:
            for addresses in pool.ranges:
                self._taken.add(addresses, pool.name)
        return self._pinned(declared, place)

    def _check(self, addresses: AddressRange, name: str, place: Place) -> None:
        other = self._taken.overlapping(addresses)
        if other is not None:
            place.error(
                f"{addresses} of pool {name} overlaps with {other[0]} of pool {other[1]}",
                "Make the two pools apart; of two that overlap the one that has not changed is in force, or else the first by name.",
            )
            return
        found = self._hosts.within(addresses)
        if found:
            place.partial_error(
                f"{addresses} of pool {name} overlaps with the address {named(found)}",
                "Leave nodes' addresses out; the rest of the pool is in force.",
            )

    def in_force(self, pools: Iterable[Pool]) -> tuple[Pool, ...]:
        """Without the nodes' addresses: a Service that got one would take the node off the network."""
        return tuple(
            replace(pool, ranges=tuple(left for addresses in pool.ranges for left in self._left(addresses)))
            for pool in pools
        )

    def _left(self, addresses: AddressRange) -> Iterator[AddressRange]:
        return without(addresses, (address for address, _ in self._hosts.within(addresses)))

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
    """Finds what peers refer to; a node can hold only one session between two addresses and ports."""

    nodes: tuple[Node, ...]
    asking: Node | None
    """The node whose sessions alone matter; None: those of all nodes do."""
    profiles: Mapping[str, BfdProfile]
    secrets: Mapping[tuple[str, str], Secret]
    are_secrets_apart: bool
    candidates: Candidates
    """Tells why an object is not in force."""
    used_profiles: set[str] = field(default_factory=set[str])
    _linked: dict[tuple[object, ...], list[BgpPeer]] = field(
        default_factory=dict[tuple[object, ...], list[BgpPeer]]
    )
    _nodes_of: dict[tuple[LabelSelector, ...], frozenset[str]] = field(
        default_factory=dict[tuple[LabelSelector, ...], frozenset[str]]
    )

    def link(self, declared: DeclaredPeer, place: Place) -> BgpPeer:
        spec, peer = place.at("spec"), declared.peer
        if declared.bfd_profile is not None:
            self.used_profiles.add(declared.bfd_profile)
            peer = replace(peer, bfd=self._find_profile(declared.bfd_profile, peer, spec.at("bfdProfile")))
        if declared.password_secret is not None:
            peer = replace(peer, password=self._password(declared.password_secret, spec.at("passwordSecret")))
        if peer.ao is not None and peer.password is None and not place.report.has_errors:
            place.at("metadata", "annotations", "swimlb.io/tcp-ao").error(
                "there is no key", "Give it as password or passwordSecret in the spec."
            )
        if (twin := self._twin(peer)) is not None:
            router = f"{peer.peer_address or peer.interface} port {peer.peer_port}"
            spec.at("interface" if peer.peer_address is None else "peerAddress").error(
                f"BGPPeer {twin.name} has {router} already, on some of the same nodes",
                "Remove one of the two, or give them nodeSelectors that select different nodes, "
                "or different values of sourceAddress.",
            )
        named = "password" if declared.password_secret is None else "passwordSecret"
        if (other := self._unlike_caller(peer)) is not None:
            spec.at(named).error(
                f"differs from that of BGPPeer {other.name}, and both are called from {peer.peer_address}",
                "Give both the same one, or let one of the two call only (swimlb.io/connection: active).",
            )
        if not place.report.has_errors:
            self._note(peer)
        return peer

    def go_on(self, meaning: object) -> BgpPeer | None:
        """With the Secret or profile that it had, while no other peer has come in its place."""
        if not isinstance(meaning, BgpPeer) or self._twin(meaning) or self._unlike_caller(meaning):
            return None
        self._note(meaning)
        return meaning

    def _note(self, peer: BgpPeer) -> None:
        self._linked.setdefault(_session_of(peer), []).append(peer)

    def _twin(self, peer: BgpPeer) -> BgpPeer | None:
        """Another one with the same session on some node."""
        same_router = self._linked.get(_session_of(peer), ())
        return next((other for other in same_router if self._share_a_node(peer, other)), None)

    def _unlike_caller(self, peer: BgpPeer) -> BgpPeer | None:
        """The kernel finds the key of whoever calls by its address alone: another one that has a different key there."""
        at_one_address = [
            other
            for peers in self._linked.values()
            for other in peers
            if (other.vrf, other.peer_address) == (peer.vrf, peer.peer_address) and other.peer_address
        ]
        for other in at_one_address:
            both_listen = other.opening.is_listening and peer.opening.is_listening
            if both_listen and not _may_have_one_key(other, peer) and self._share_a_node(peer, other):
                return other
        return None

    def _find_profile(self, name: str, peer: BgpPeer, place: Place) -> BfdProfile | None:
        profile = self.profiles.get(name)
        if profile is None:
            why, way_out = self.candidates.missing(Ref("BFDProfile", place.report.namespace, name))
            place.error(f"peer {peer.name} referencing non existing bfd profile {name}: {why}", way_out)
        elif profile.has_echo and peer.ebgp_multihop:
            place.warning(
                f"echoMode of {name} has no effect: there is none over several hops (RFC 5883)",
                "Control packets watch the router, at transmitInterval and receiveInterval.",
            )
        elif profile.has_echo and (peer.peer_address is None or peer.peer_address.version == 6):
            place.warning(
                f"echoMode of {name} has no effect: it works with IPv4 addresses of routers only",
                "Control packets watch the router, at transmitInterval and receiveInterval.",
            )
        return profile

    def _password(self, name: str, place: Place) -> str | None:
        """Never none in place of one that is missing: a peer whose password is not known is not in force.

        If it was before, it stays so with the password that it had (`Candidates.admit`).
        """
        ref = Ref("Secret", place.report.namespace, name)
        secret = self.secrets.get((ref.namespace, ref.name))
        if secret is None:
            why, way_out = self.candidates.missing(ref)
            if self.are_secrets_apart and ref not in self.candidates.present:
                place.warning(
                    f"{why}; it is taken to be there, with the password",
                    f"Nothing need be done if it is in the cluster. Else: {way_out} Its type is {BASIC_AUTH}.",
                )
                return _UNKNOWN_PASSWORD
            place.error(f"secret ref not found: {why}", f"{way_out} Its type is {BASIC_AUTH}.")
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
        elif len(secret.password.encode()) > PASSWORD_OCTETS_MAX:
            place.error(
                f'the password in the secret "{name}" is longer than {PASSWORD_OCTETS_MAX} octets, which TCP MD5 '
                "cannot take",
                "Choose a shorter one.",
            )
        return secret.password

    def _share_a_node(self, one: BgpPeer, other: BgpPeer) -> bool:
        """Where Nodes are not known, only selectors that surely select the same are judged."""
        if self.asking is not None:
            labels = dict(self.asking.labels)
            return any_matches(one.node_selectors, labels) and any_matches(other.node_selectors, labels)
        if not one.node_selectors or not other.node_selectors or one.node_selectors == other.node_selectors:
            return True
        return not self._selected(one.node_selectors).isdisjoint(self._selected(other.node_selectors))

    def _selected(self, selectors: tuple[LabelSelector, ...]) -> frozenset[str]:
        """Names of nodes, found once: where each node has a peer of its own, all peers are compared with all."""
        if selectors not in self._nodes_of:
            self._nodes_of[selectors] = frozenset(
                node.name for node in self.nodes if any_matches(selectors, dict(node.labels))
            )
        return self._nodes_of[selectors]


def _may_have_one_key(one: BgpPeer, other: BgpPeer) -> bool:
    passwords = {one.password, other.password}
    is_unknown = _UNKNOWN_PASSWORD in passwords and None not in passwords
    return one.ao == other.ao and (len(passwords) == 1 or is_unknown)


def _session_of(peer: BgpPeer) -> tuple[object, ...]:
    """What tells two sessions of one node apart, for the router and for us."""
    return peer.vrf, peer.interface, peer.peer_address, peer.peer_port, peer.source_address


def merge_slices(slices: Iterable[EndpointSlice]) -> tuple[Endpoints, ...]:
    """A Service may have several slices; one with only empty ones has endpoints nowhere."""
    nodes: dict[str, frozenset[str]] = {}
    for one in slices:
        if one.service:
            nodes[one.service] = nodes.get(one.service, frozenset()) | one.nodes
    return tuple(Endpoints(service=service, nodes=nodes[service]) for service in sorted(nodes))
