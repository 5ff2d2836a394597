"""What a BGP scenario is played with: a running system, its routers, and what it applies."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, TypeVar

from swimlb.lab import http, namespaces, speakers, status
from swimlb.lab.kubernetes.installation import NAMESPACE
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.kubernetes.plan import CONTROL
from swimlb.lab.router import FAMILIES, BfdTimers, Path
from swimlb.lab.waiting import wait_until
from tests.kube.e2e.api import TIMEOUT, Api, Object
from tests.kube.e2e.bgp.routers import (
    GUEST,
    NODES_ASN,
    OTHER_ASN,
    POLL_INTERVAL,
    STANDING,
    Place,
    Routers,
    Table,
    peer_name,
)
from tests.kube.e2e.metrics import Expected, Metrics, scrape, wait_for_metrics
from tests.kube.e2e.objects import bfd, dual, peer, pool
from tests.kube.e2e.seen import wait_until_served

T = TypeVar("T")
Told = dict[str, dict[str, tuple[frozenset[str], int | None]]]
"""By prefix and node: the communities, and the LOCAL_PREF."""

DEFAULT_PREFERENCE = 100
"""What routers of the nodes' AS hear where no advertisement says a preference, as in MetalLB's FRR modes."""

PAIR = "pair"
"""An app with Pods on two of the three nodes."""
VARIANTS: Mapping[str, tuple[str, ...]] = {"ipv4": ("ipv4",), "ipv6": ("ipv6",), "dual": FAMILIES}
RANGES = {
    "first": {"ipv4": "192.0.2.16/28", "ipv6": "2001:db8:100::10/124"},
    "second": {"ipv4": "192.0.2.32/28", "ipv6": "2001:db8:100::20/124"},
}
"""Of pools by name: their addresses by family."""
CONFIGURATION = ("IPAddressPool", "L2Advertisement", "BGPAdvertisement", "BFDProfile", "Community")
STANDING_PEERS = tuple(one for place in STANDING for one in place.peers())


@dataclass(frozen=True, slots=True)
class Scene:
    lab: KubernetesLab
    api: Api
    routers: Routers

    @property
    def nodes(self) -> tuple[str, ...]:
        return self.routers.nodes

    def apply(self, *objects: Object) -> None:
        self.api.apply(*objects)

    def serve(self, *services: Object, families: int = 1) -> tuple[str, ...]:
        """Apply Services, and return their addresses once they have so many each."""
        self.api.apply(*services)
        names = [one["metadata"]["name"] for one in services]
        return tuple(address for name in names for address in wait_until_served(self.api, name, families))

    def nodes_of(self, app: str) -> set[str]:
        """The nodes that have Pods of the app."""
        pods = self.api.find("Pod", labels=f"app={app}")
        return {pod["spec"]["nodeName"] for pod in pods}

    def watch(self, profile: str, variant: str, **said: Any) -> None:
        """Sessions of the guest and all nodes that BFD watches: from there with its defaults, from here by the profile."""
        families = VARIANTS[variant]
        neighbours = [one for family in families for one in self.routers.neighbours(family, bfd=BfdTimers())]
        self.routers.tell_guest(*neighbours)
        self.apply(bfd(profile, **said))
        for family in families:
            name = peer_name(GUEST.name, family)
            self.apply(peer(name, GUEST.addresses[family], NODES_ASN, OTHER_ASN, bfdProfile=profile))
            self.routers.wait_for_sessions(family, self.nodes, GUEST)
            self.wait_for_session(name, _is_watched, "BFD to be up at all nodes")

    @contextmanager
    def labelled(self, node: str, **labels: str) -> Generator[None]:
        """The node has these labels for a while."""
        self.api.patch("Node", node, {"metadata": {"labels": labels}})
        try:
            yield
        finally:
            self.api.patch("Node", node, {"metadata": {"labels": dict.fromkeys(labels)}})

    @contextmanager
    def without_network(self, node: str) -> Generator[None]:
        """The node's condition NetworkUnavailable is true for a while."""
        condition = {"type": "NetworkUnavailable", "status": "True", "reason": "Test", "message": ""}
        self.api.patch_status("Node", node, {"conditions": [condition]})
        try:
            yield
        finally:
            gone = {"type": condition["type"], "$patch": "delete"}
            self.api.patch_status("Node", node, {"conditions": [gone]})

    def wait_for_paths(self, expected: Mapping[str, set[str]], preference: int = DEFAULT_PREFERENCE) -> None:
        """Until all standing routers have these prefixes, by all nodes, with these communities.

        And with this preference, which is told within the AS alone (RFC 4271 section 5.1.5).
        """

        def wanted(place: Place) -> Told:
            own = preference if place.asn == NODES_ASN else None
            return {
                prefix: {node: (frozenset(words), own) for node in self.nodes}
                for prefix, words in expected.items()
            }

        def told(place: Place) -> Told:
            return {
                prefix: {node: (_communities(path), path.local_pref) for node, path in paths.items()}
                for prefix, paths in self.routers.table(place.name).items()
            }

        wait_until(
            lambda: all(told(place) == wanted(place) for place in STANDING),
            timeout=TIMEOUT,
            what=f"all routers to have {expected}, with the preference {preference}",
            seen=lambda: {place.name: told(place) for place in STANDING},
            interval=POLL_INTERVAL,
        )

    # What speakers, kernels and routers tell.

    def wait_for_metrics(self, expected: Expected, *nodes: str) -> dict[str, Metrics]:
        """What each of the speakers (default: all) tells, once it has these values."""
        return {node: wait_for_metrics(self.lab, node, expected) for node in nodes or self.nodes}

    def wait_for_controller_metrics(self, expected: Expected) -> None:
        wait_for_metrics(self.lab, CONTROL.name, expected)

    def _is_any_pool_told(self) -> bool:
        return any(name == "metallb_allocator_addresses_total" for name, _ in scrape(self.lab, CONTROL.name))

    def session(self, node: str, peer: str) -> dict[str, Any]:
        """What the node's speaker tells of one peer; nothing while it does not know it."""
        socket = speakers.directory(self.lab.sandbox, node) / "api.sock"
        answer = http.get_over_unix_socket(socket, status.TARGET)
        return next((one for one in json.loads(answer.body)["bgp"] if one["peer"] == peer), {})

    def wait_for_session(
        self, peer: str, until: Callable[[dict[str, Any]], object], what: str, *nodes: str
    ) -> None:
        """Until what each of the speakers (default: all) tells of a peer is as it should be."""
        names = nodes or self.nodes
        wait_until(
            lambda: all(until(self.session(node, peer)) for node in names),
            timeout=TIMEOUT,
            what=what,
            seen=lambda: {node: self.session(node, peer) for node in names},
            interval=POLL_INTERVAL,
        )

    def kernel_routes(self, node: str, prefix: str) -> list[dict[str, Any]]:
        family = "-6" if ":" in prefix else "-4"
        return namespaces.ip_json(self.lab.sandbox.namespace(node), family, "route", "show", prefix)

    def updates(self, place: Place, family: str) -> dict[str, int]:
        """How many UPDATEs the router has had from each node."""
        return {
            node: self.routers.neighbour(place.name, node, family)["messageStats"]["updatesRecv"]
            for node in self.nodes
        }

    def clear(self) -> None:
        """Nothing is configured but the standing peers, and no router knows a route."""
        self.api.delete_all("Service", fields="metadata.name!=kubernetes")
        self.routers.wait_for({})
        for kind in CONFIGURATION:
            self.api.delete_all(kind)
        standing = [one["metadata"]["name"] for one in STANDING_PEERS]
        self.api.delete_all("BGPPeer", fields=",".join(f"metadata.name!={name}" for name in standing))
        self.api.delete_all("Secret", NAMESPACE, fields="type=kubernetes.io/basic-auth")
        self.routers.forget_guest()
        # A Service of the next test is not to have an address of a pool that the controller does not know to be gone.
        wait_until(
            lambda: not self._is_any_pool_told(), timeout=TIMEOUT, what="the controller to forget all pools"
        )

    def stand(self) -> None:
        """The standing peers, as they always are, with all sessions up."""
        self.api.apply(*STANDING_PEERS)
        for family in FAMILIES:
            self.routers.wait_for_sessions(family, self.nodes)


def pools(variant: str, *names: str) -> list[Object]:
    """Pools with the families of a variant (default: the first pool alone)."""
    chosen = VARIANTS[variant]
    return [pool(name, *(RANGES[name][family] for family in chosen)) for name in names or ("first",)]


def of(variant: str) -> dict[str, Any]:
    """What a Service says that wants these families."""
    if variant == "dual":
        return dual("Require")
    return {"ipFamilyPolicy": "SingleStack", "ipFamilies": [f"IP{variant[2:]}"]}


def prefix_of(address: str) -> str:
    return f"{address}/{ip_address(address).max_prefixlen}"


def prefixes_of(addresses: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(prefix_of, addresses))


def _is_watched(session: dict[str, Any]) -> bool:
    watch = session.get("bfd")
    return watch is not None and watch["state"] == "up"


def session(place: Place, family: str) -> dict[str, str]:
    """The labels that metrics give to a session with this router."""
    address = place.addresses[family]
    endpoint = f"{address}:179" if family == "ipv4" else f"[{address}]:179"
    return {"peer": endpoint, "bgppeer": peer_name(place.name, family)}


def communities(table: Table) -> dict[str, set[str]]:
    """By prefix, what all nodes have put on their routes to it."""
    return {prefix: set(_of_all(map(_communities, paths.values()))) for prefix, paths in table.items()}


def preferences(table: Table) -> dict[str, int | None]:
    """By prefix, the LOCAL_PREF of all nodes' routes to it."""
    return {prefix: _of_all(path.local_pref for path in paths.values()) for prefix, paths in table.items()}


def _communities(path: Path) -> frozenset[str]:
    return frozenset(":".join(map(str, one)) for one in (*path.communities, *path.large_communities))


def _of_all(values: Iterable[T]) -> T:
    first, *others = values
    assert all(one == first for one in others), (first, others)
    return first
