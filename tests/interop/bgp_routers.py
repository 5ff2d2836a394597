"""The routers that our BGP is tried against, each in a namespace beside a node with many addresses.

A daemon is started once for a whole module of tests. What makes tests independent is that each has an address of
its own to call from: to the router these are neighbours of their own, with settings of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from announce.bgp import PeerConfig, Route, RouteAttributes, State
from swimlb.lab import namespaces
from swimlb.lab.bird import Bird, bird_text
from swimlb.lab.exabgp import ExaBgp, exabgp_text
from swimlb.lab.frr import Frr
from swimlb.lab.frr_dialect import frr_text
from swimlb.lab.gobgp import GoBgp, gobgp_text
from swimlb.lab.router import Neighbour, Router, RouterConfig
from swimlb.lab.router import Path as BgpPath
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import wait_until
from tests.interop.live_peer import LivePeer

ROUTER, ROUTER_V6 = "192.0.2.1", "2001:db8::1"
ROUTER_ASN, NODE_ASN = 64497, 64496
BIG_ASN = 4200000001
ANNOUNCED = ("203.0.113.0/24", "203.0.113.128/25", "2001:db8:ff::/48")

PLAIN, PLAIN_V6 = "192.0.2.10", "2001:db8::10"
INTERNAL = "192.0.2.11"
PASSWORD, SECRET = "192.0.2.12", "hunter2"
OTHER_AS = "192.0.2.13"
BIG_AS = "192.0.2.14"
RESTARTING = "192.0.2.15"
LIMITED, LIMIT = "192.0.2.16", 5
TO_A_PROVIDER = "192.0.2.17"
PASSWORD_V6 = "2001:db8::12"
INTERNAL_V6 = "2001:db8::11"
NEAR = "192.0.2.18"
"""With GTSM on both sides."""
FAR = "198.18.0.10"
"""Behind another router: the node's own namespace forwards to it."""
AGED = "192.0.2.19"
"""With GTSM at the router, which gets its packets as if they had crossed another one."""
EQUAL = tuple(f"192.0.2.{number}" for number in range(20, 25))
"""Nodes that announce the same."""

NEIGHBOURS = (
    *(Neighbour(address=address, asn=NODE_ASN) for address in (PLAIN, PLAIN_V6, *EQUAL)),
    *(Neighbour(address=address, asn=ROUTER_ASN) for address in (INTERNAL, INTERNAL_V6)),
    *(Neighbour(address=address, asn=NODE_ASN, password=SECRET) for address in (PASSWORD, PASSWORD_V6)),
    Neighbour(address=OTHER_AS, asn=64511),
    Neighbour(address=BIG_AS, asn=BIG_ASN),
    Neighbour(address=RESTARTING, asn=NODE_ASN, helps_restart=True),
    Neighbour(address=NEAR, asn=NODE_ASN, has_ttl_security=True),
    Neighbour(address=FAR, asn=NODE_ASN, multihop=4),
    Neighbour(address=AGED, asn=NODE_ASN, has_ttl_security=True),
)
WITH_LIMIT = Neighbour(address=LIMITED, asn=NODE_ASN, max_prefixes=LIMIT)
WITH_ROLE = Neighbour(address=TO_A_PROVIDER, asn=NODE_ASN, role="provider")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a router can do of what is asked here."""

    start: Callable[[Sandbox, RouterConfig], Router]
    more: tuple[Neighbour, ...] = ()
    """Neighbours that only some routers can have."""
    asks_again: bool = True
    has_kernel: bool = False
    has_extended_messages: bool = False
    tells_reason: bool = True
    """Why a session ended is told in RFC 4486's words, with the communication."""


def _frr(sandbox: Sandbox, config: RouterConfig) -> Router:
    return Frr(sandbox, "router", bgpd_config=frr_text(config))


def _bird(sandbox: Sandbox, config: RouterConfig) -> Router:
    return Bird(sandbox, "router", configuration=bird_text(config))


def _gobgp(sandbox: Sandbox, config: RouterConfig) -> Router:
    return GoBgp(sandbox, "router", configuration=gobgp_text(config), announces=tuple(config.announces))


def _exabgp(sandbox: Sandbox, config: RouterConfig) -> Router:
    text = exabgp_text(config, local_addresses=(ROUTER, ROUTER_V6))
    return ExaBgp(sandbox, "router", configuration=text)


KINDS: Mapping[str, Kind] = {
    "frr": Kind(_frr, (WITH_LIMIT, WITH_ROLE), has_kernel=True, has_extended_messages=True),
    "bird": Kind(_bird, (WITH_LIMIT, WITH_ROLE), has_kernel=True, has_extended_messages=True),
    "gobgp": Kind(_gobgp, (WITH_LIMIT,), asks_again=False),
    "exabgp": Kind(_exabgp, asks_again=False, has_extended_messages=True, tells_reason=False),
}


@dataclass(frozen=True, slots=True)
class Routed:
    """A node and a running router on one wire."""

    sandbox: Sandbox
    name: str
    kind: Kind
    router: Router

    @property
    def node(self) -> str:
        return self.sandbox.namespace("node")

    def paths(self, neighbour: str, family: str = "ipv4") -> dict[str, BgpPath]:
        """What the router has from the neighbour, by prefix."""
        return {
            prefix: path
            for prefix, paths in self.router.table(family).items()
            for path in paths
            if path.neighbour == neighbour
        }

    def wait_for_paths(
        self, neighbour: str, prefixes: set[str], family: str = "ipv4", timeout: float = 10.0
    ) -> dict[str, BgpPath]:
        wait_until(
            lambda: set(self.paths(neighbour, family)) == prefixes,
            timeout=timeout,
            what=f"{self.name} to have {len(prefixes)} prefixes of {neighbour}",
            seen=lambda: list(self.paths(neighbour, family))[:10],
            interval=0.1,
        )
        return self.paths(neighbour, family)


@contextmanager
def routed(name: str, directory: Path) -> Generator[Routed]:
    """The router of that kind, with all neighbours that it can have."""
    kind = KINDS[name]
    config = RouterConfig(
        asn=ROUTER_ASN, router_id=ROUTER, neighbours=(*NEIGHBOURS, *kind.more), announces=ANNOUNCED
    )
    with Sandbox.create(f"bgp-{name}", base=directory) as sandbox:
        _build(sandbox)
        router = kind.start(sandbox, config)
        router.start()
        yield Routed(sandbox, name, kind, router)


def _build(sandbox: Sandbox) -> None:
    sandbox.add_namespaces("node", "router", "far")
    node, router, far = (sandbox.namespace(name) for name in ("node", "router", "far"))
    namespaces.ip_batch(
        [
            f"link add eth0 type veth peer name eth0 netns {router}",
            f"link add eth1 type veth peer name eth0 netns {far}",
        ],
        node,
    )
    callers = [
        *(one.address for one in (*NEIGHBOURS, WITH_LIMIT, WITH_ROLE) if one.address != FAR),
    ]
    _configure(node, "eth0", *callers)
    _configure(router, "eth0", ROUTER, ROUTER_V6)
    namespaces.ip_batch(["address add 198.18.0.1/24 dev eth1", "link set eth1 up"], node)
    namespaces.ip_batch(
        [f"address add {FAR}/24 dev eth0", "link set eth0 up", "route add default via 198.18.0.1"], far
    )
    namespaces.set_sysctls(node, {"net/ipv4/ip_forward": "1"})
    rule = f"type filter hook output priority mangle\n ip saddr {AGED} ip ttl set 254\n"
    aging = f"table ip aged {{\n chain c {{\n {rule} }}\n}}\n"
    namespaces.run(namespaces.execute(node, "nft", "-f", "-"), stdin=aging)
    namespaces.ip_batch([f"route add 198.18.0.0/24 via {PLAIN}"], router)


def _configure(namespace: str, link: str, *addresses: str) -> None:
    lines = [
        f"address add {address}/64 dev {link} nodad"
        if ":" in address
        else f"address add {address}/24 dev {link}"
        for address in addresses
    ]
    namespaces.ip_batch([*lines, f"link set {link} up"], namespace)


def config(source: str, **changes: Any) -> PeerConfig:
    """Ours, from that address, to the router of the same family."""
    settings: dict[str, Any] = {
        "local_asn": NODE_ASN,
        "peer_asn": ROUTER_ASN,
        "peer_address": ip_address(ROUTER_V6 if ":" in source else ROUTER),
        "source_address": ip_address(source),
        "connect_retry": (0.5, 1.0),
        "node_name": "node1",
    }
    return PeerConfig(**(settings | changes))


def routes(*prefixes: str, **attributes: Any) -> frozenset[Route]:
    shared = RouteAttributes(**attributes)
    return frozenset(Route(ip_network(prefix), shared) for prefix in prefixes)


def established(live: LivePeer) -> None:
    live.wait_for("the session", lambda status: status.state is State.ESTABLISHED)
