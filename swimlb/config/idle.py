"""What is well-formed, in force, and does nothing: hardly what was meant, so it is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from swimlb.config.objects import Admitted
from swimlb.config.report import Place
from swimlb.model import (
    BfdProfile,
    BgpAdvertisement,
    BgpPeer,
    IpAddress,
    LabelSelector,
    Node,
    Service,
    any_matches,
)


@dataclass(frozen=True, slots=True)
class Audience:
    """What selectors select from. Of what there is none of, nothing is known: it may be told elsewhere."""

    nodes: tuple[Node, ...]
    services: tuple[Service, ...]

    def warn_of_idle_selectors(
        self, nodes: tuple[LabelSelector, ...], services: tuple[LabelSelector, ...], spec: Place
    ) -> None:
        if self.nodes and not any(any_matches(nodes, dict(node.labels)) for node in self.nodes):
            spec.at("nodeSelectors").warning(
                "select no node, so that nothing is announced", "Label a node, or mend the selectors."
            )
        if self.services and not any(any_matches(services, dict(one.labels)) for one in self.services):
            spec.at("serviceSelectors").warning(
                "select no Service of type LoadBalancer, so that nothing is announced",
                "Label a Service, or mend the selectors.",
            )

    def warn_of_idle_peers(self, peers: Iterable[Admitted[BgpPeer]]) -> None:
        for peer in peers:
            selectors = peer.value.node_selectors
            if self.nodes and not any(any_matches(selectors, dict(node.labels)) for node in self.nodes):
                peer.place.at("spec", "nodeSelectors").warning(
                    "select no node, so that there is no session", "Label a node, or mend the selectors."
                )


def warn_of_unused_peers(
    peers: Iterable[Admitted[BgpPeer]], advertisements: Iterable[BgpAdvertisement]
) -> None:
    used = [set(advertisement.peers) for advertisement in advertisements]
    for peer in peers:
        if not any(not names or peer.ref.name in names for names in used):
            peer.place.warning(
                "no BGPAdvertisement uses this peer", "Nothing is advertised to it until one does."
            )


def warn_of_unused_profiles(profiles: Iterable[Admitted[BfdProfile]], used: Iterable[str]) -> None:
    named = set(used)
    for profile in profiles:
        if profile.ref.name not in named:
            profile.place.warning(
                "no BGPPeer uses this BFDProfile", f"Set bfdProfile: {profile.ref.name} in one, or remove it."
            )


def warn_of_unlike_routers(peers: Sequence[Admitted[BgpPeer]]) -> None:
    """One address is one router, which has one AS number for everybody, as a rule."""
    first: dict[IpAddress, BgpPeer] = {}
    for peer in peers:
        if peer.value.peer_address is None or peer.value.peer_asn is None:
            continue
        other = first.setdefault(peer.value.peer_address, peer.value)
        if other.peer_asn != peer.value.peer_asn:
            peer.place.at("spec", "peerASN").warning(
                f"is {peer.value.peer_asn}, but BGPPeer {other.name} says that {other.peer_address} is in AS "
                f"{other.peer_asn}",
                "Mend the one that is wrong, unless the router shows several AS numbers.",
            )
