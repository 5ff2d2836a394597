"""The routers of MetalLB's BGP scenarios, real FRRs beside the lab's cluster.

    nodes ──┬── internal        of the nodes' AS, on their LAN
            ├── external ──┬── internal-far
            │              └── external-far      of another AS, like external
            └── guest           of the AS, and with the neighbours, that a test tells it

They have a session with each node over IPv4 and one over IPv6, each of which carries its own family.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_interface
from typing import Any

from swimlb.lab import namespaces, topology
from swimlb.lab.frr import Frr
from swimlb.lab.frr_dialect import frr_text, read_table
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.router import FAMILIES, Neighbour, Path, RouterConfig
from swimlb.lab.topology import LAN, LAN6, SWITCH, Host
from swimlb.lab.waiting import wait_until
from tests.kube.e2e.api import TIMEOUT, Object
from tests.kube.e2e.objects import peer

NODES_ASN, OTHER_ASN = 64496, 64497
HOPS_MAX = 4
POLL_INTERVAL = 0.05
LANS = {"ipv4": LAN, "ipv6": LAN6}
LENGTHS = {"ipv4": 24, "ipv6": 64}

Table = dict[str, dict[str, Path]]
"""What a router has been told: by prefix, the path by way of each node; by next hop, where that is no node's address."""
Expected = Mapping[str, Iterable[str]]
"""The nodes that lead to each prefix, and no prefix besides."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A router that has sessions with all nodes."""

    name: str
    asn: int
    addresses: Mapping[str, str]
    """By family."""
    is_far: bool = False

    @property
    def host(self) -> Host:
        return Host(self.name, self.addresses["ipv4"])

    def peers(self) -> Iterator[Object]:
        """The BGPPeers that name it, one a family."""
        for family, address in self.addresses.items():
            hops = {"ebgpMultiHop": True} if self.is_far and self.asn != NODES_ASN else {}
            yield peer(peer_name(self.name, family), address, NODES_ASN, self.asn, **hops)


def _on_the_lan(name: str, asn: int, number: int) -> Place:
    host = Host(name, f"192.168.3.{number}")
    return Place(name, asn, {"ipv4": host.address, "ipv6": host.address6})


def _a_router_away(name: str, asn: int, number: int) -> Place:
    addresses = {"ipv4": f"198.18.{number}.2", "ipv6": f"2001:db8:18:{number}::2"}
    return Place(name, asn, addresses, is_far=True)


INTERNAL = _on_the_lan("internal", NODES_ASN, 181)
EXTERNAL = _on_the_lan("external", OTHER_ASN, 182)
GUEST = _on_the_lan("guest", OTHER_ASN, 183)
INTERNAL_FAR = _a_router_away("internal-far", NODES_ASN, 1)
EXTERNAL_FAR = _a_router_away("external-far", OTHER_ASN, 2)
STANDING = (INTERNAL, EXTERNAL, INTERNAL_FAR, EXTERNAL_FAR)
"""Those whose neighbours are always the same."""


def peer_name(router: str, family: str) -> str:
    return f"{router}-{family}"


class Routers:
    """Builds them into the lab's network; `close` takes them out of it again."""

    def __init__(self, lab: KubernetesLab) -> None:
        self._lab = lab
        self._sandbox = lab.sandbox
        self.nodes = tuple(node.name for node in lab.network.nodes)
        self._names = {
            address: node.name for node in lab.network.nodes for address in (node.address, node.address6)
        }
        self._is_guest_told = False
        self._routers = {
            place.name: Frr(self._sandbox, place.name, bgpd_config=self._text(place), bfdd_config="")
            for place in STANDING
        } | {GUEST.name: Frr(self._sandbox, GUEST.name, bgpd_config="", bfdd_config="")}

    def build(self) -> None:
        self._sandbox.add_namespaces(*self._routers)
        for place in (INTERNAL, EXTERNAL, GUEST):
            port = {place.host.port: self._sandbox.namespace(place.name)}
            namespaces.plug_in(self._sandbox.namespace(SWITCH), port)
            topology.configure_host(self._sandbox, place.host)
            # It knows no other way to an address than what nodes tell it.
            namespaces.ip_batch(["route delete default"], self._sandbox.namespace(place.name))
        forwarding = {**namespaces.ROUTER_SYSCTLS, "net/ipv6/conf/all/forwarding": "1"}
        for place in (EXTERNAL, GUEST):
            # The guest sends Echo packets of BFD back where they come from.
            namespaces.set_sysctls(self._sandbox.namespace(place.name), forwarding)
        for place in (INTERNAL_FAR, EXTERNAL_FAR):
            self._connect(place)
        for router in self._routers.values():
            router.start()

    def close(self) -> None:
        for router in self._routers.values():
            router.kill()
        for place in (INTERNAL_FAR, EXTERNAL_FAR):
            self._route("delete", place)
        for name in self._routers:
            namespaces.delete(self._sandbox.namespace(name))

    def __getitem__(self, name: str) -> Frr:
        return self._routers[name]

    def tell_guest(self, *neighbours: Neighbour, asn: int = OTHER_ASN, lines: Iterable[str] = ()) -> None:
        """Give the guest these neighbours, and none besides. `lines` are of bgpd, in the router's own section."""
        text = frr_text(_config(asn, GUEST, neighbours))
        self.forget_guest()
        self._is_guest_told = True
        self[GUEST.name].vtysh("configure terminal", *text.splitlines(), f"router bgp {asn}", *lines)

    def forget_guest(self) -> None:
        """It speaks to nobody any more."""
        if self._is_guest_told:
            self[GUEST.name].vtysh("configure terminal", "no router bgp")
        self._is_guest_told = False

    def neighbours(self, family: str, asn: int = NODES_ASN, **settings: Any) -> list[Neighbour]:
        """All nodes, as a router is told of them that has a session with each over one family."""
        return [
            replace(Neighbour(address=address_of(node, family), asn=asn, families=(family,)), **settings)
            for node in self._lab.network.nodes
        ]

    # What they see.

    def table(self, router: str) -> Table:
        with self[router].vty() as vty:
            answers = [json.loads(vty.ask(f"show bgp {family} unicast json detail")) for family in FAMILIES]
        return {
            prefix: {self._names.get(path.next_hop, path.next_hop): path for path in paths}
            for answer in answers
            for prefix, paths in read_table(answer.get("routes", {})).items()
        }

    def neighbour(self, router: str, node: str, family: str = "ipv4") -> dict[str, Any]:
        """A node's session, in the router's words."""
        records: dict[str, Any] = self[router].vtysh_json("show bgp neighbors json")
        return records.get(address_of(self._lab.network.node(node), family), {})

    def established(self, router: str, family: str = "ipv4") -> set[str]:
        """The nodes whose sessions over the family are up."""
        with self[router].vty() as vty:
            records = json.loads(vty.ask("show bgp neighbors json"))
        addresses = {address_of(node, family): node.name for node in self._lab.network.nodes}
        return {
            addresses[address]
            for address, record in records.items()
            if address in addresses and record.get("bgpState") == "Established"
        }

    # Waiting.

    def wait_for(self, expected: Expected, *places: Place) -> dict[str, Table]:
        """What these routers (default: all standing ones) have been told, once it is this and nothing else."""
        wanted = {prefix: set(nodes) for prefix, nodes in expected.items() if nodes}
        names = [place.name for place in places or STANDING]
        tables: dict[str, Table] = {}

        def are_there() -> bool:
            tables.update({name: self.table(name) for name in names})
            return all(_nodes(table) == wanted for table in tables.values())

        wait_until(
            are_there,
            timeout=TIMEOUT,
            what=f"{', '.join(names)} to have {wanted}",
            seen=lambda: {name: _nodes(table) for name, table in tables.items()},
            interval=POLL_INTERVAL,
        )
        return tables

    def wait_for_sessions(self, family: str, nodes: Iterable[str], *places: Place) -> None:
        """Until exactly these nodes have a session with each of the routers (default: all standing ones)."""
        wanted, names = set(nodes), [place.name for place in places or STANDING]
        wait_until(
            lambda: all(self.established(name, family) == wanted for name in names),
            timeout=TIMEOUT,
            what=f"{', '.join(names)} to have {family} sessions with {sorted(wanted)}",
            seen=lambda: {name: self.established(name, family) for name in names},
            interval=POLL_INTERVAL,
        )

    def _text(self, place: Place) -> str:
        hops = {"multihop": HOPS_MAX} if place.is_far and place.asn != NODES_ASN else {}
        neighbours = [one for family in FAMILIES for one in self.neighbours(family, **hops)]
        return frr_text(_config(place.asn, place, neighbours))

    def _connect(self, place: Place) -> None:
        """Hang a router on the external one, which leads to whatever the nodes announce."""
        gateway, name = (self._sandbox.namespace(one) for one in (EXTERNAL.name, place.name))
        link = f"to-{place.name}"
        namespaces.ip_batch([f"link add {link} type veth peer name eth0 netns {name}"], gateway)
        for family, length in LENGTHS.items():
            address, nodad = place.addresses[family], "nodad" if family == "ipv6" else ""
            nearer = f"{address[:-1]}1"
            for namespace, own, dev in ((gateway, nearer, link), (name, address, "eth0")):
                lines = [f"link set {dev} up", f"address add {own}/{length} dev {dev} {nodad}"]
                namespaces.ip_batch(lines, namespace)
            namespaces.ip_batch([f"route add {LANS[family]} via {nearer}"], name)
        self._route("add", place)

    def _route(self, verb: str, place: Place) -> None:
        """The nodes' way there."""
        lines = [
            f"route {verb} {ip_interface(f'{place.addresses[family]}/{length}').network} via {EXTERNAL.addresses[family]}"
            for family, length in LENGTHS.items()
        ]
        for node in self._lab.network.nodes:
            namespaces.ip_batch(lines, self._sandbox.namespace(node.name))


def address_of(node: Host, family: str) -> str:
    return node.address if family == "ipv4" else node.address6


def _config(asn: int, place: Place, neighbours: Iterable[Neighbour]) -> RouterConfig:
    return RouterConfig(
        asn=asn,
        router_id=place.addresses["ipv4"],
        neighbours=list(neighbours),
        # So long that a machine with other work ends no session.
        keepalive=10,
        hold_time=30,
    )


def _nodes(table: Table) -> dict[str, set[str]]:
    return {prefix: set(paths) for prefix, paths in table.items()}
