"""The lab's network: a LAN with the nodes, a client and a router, and a second client behind the router.

    inside ─────┐                              ┌── master-01, worker-01, worker-02, …
    (client)    ├── switch (bridge, own ns) ───┤
                └── router (FRR) ── outside (client)

This is the walkthrough's network, so its addresses are the walkthrough's too.
"""

from __future__ import annotations

from dataclasses import dataclass

from swimlb.lab import namespaces
from swimlb.lab.errors import LabError
from swimlb.lab.sandbox import Sandbox

LAN = "192.168.3.0/24"
LAN6 = "2001:db8:3::/64"
ROUTER_ASN = 65000
NODES_ASN = 65001
NODES_MAX = 60
"""The addresses from .103 on, up to where the walkthrough's Service addresses begin."""

SWITCH = "switch"
_FIRST_NODE = 103


@dataclass(frozen=True, slots=True)
class Host:
    """A machine of the lab: the name is that of its namespace, the address that of its link to the LAN."""

    name: str
    address: str

    @property
    def address6(self) -> str:
        """Its IPv6 address on the LAN, which ends like the other one: `2001:db8:3::1:103`."""
        return f"{LAN6.removesuffix('/64')}1:{self.address.rpartition('.')[2]}"

    @property
    def port(self) -> str:
        """Its switch port."""
        return switch_port(self.name)


INSIDE = Host("inside", "192.168.3.3")
ROUTER = Host("router", "192.168.3.180")
OUTSIDE = Host("outside", "198.51.100.10")
OUTSIDE_GATEWAY = "198.51.100.1"


@dataclass(frozen=True, slots=True)
class Topology:
    nodes: tuple[Host, ...]
    others: tuple[Host, ...] = ()
    """Further machines on the LAN."""

    @property
    def on_the_switch(self) -> tuple[Host, ...]:
        return (*self.nodes, *self.others, INSIDE, ROUTER)

    def node(self, name: str) -> Host:
        """`LabError` when there is no such node."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise LabError(f"there is no node `{name}`: the lab has {', '.join(one.name for one in self.nodes)}")


def walkthrough(nodes: int = 3, others: tuple[Host, ...] = ()) -> Topology:
    """The walkthrough's network: `master-01` and as many workers as make up the number of nodes."""
    if not 1 <= nodes <= NODES_MAX:
        raise LabError(f"a lab has 1 to {NODES_MAX} nodes, not {nodes}")
    names = ["master-01", *(f"worker-{number:02}" for number in range(1, nodes))]
    hosts = tuple(Host(name, f"192.168.3.{_FIRST_NODE + index}") for index, name in enumerate(names))
    return Topology(hosts, others)


def switch_port(name: str) -> str:
    return f"p-{name}"


def build(sandbox: Sandbox, topology: Topology) -> None:
    """Make the namespaces, wire them up, give addresses and routes."""
    hosts = topology.on_the_switch
    sandbox.add_namespaces(SWITCH, OUTSIDE.name, *(host.name for host in hosts))
    switch, router, outside = (sandbox.namespace(name) for name in (SWITCH, ROUTER.name, OUTSIDE.name))
    namespaces.build_switch(switch)
    for host in hosts:
        namespaces.set_sysctls(sandbox.namespace(host.name), namespaces.LONG_UP_SYSCTLS)
    namespaces.plug_in(switch, {host.port: sandbox.namespace(host.name) for host in hosts})
    namespaces.ip_batch([f"link add eth1 type veth peer name eth0 netns {outside}"], router)
    namespaces.configure(router, addresses={"eth0": f"{ROUTER.address}/24", "eth1": f"{OUTSIDE_GATEWAY}/24"})
    namespaces.configure(outside, addresses={"eth0": f"{OUTSIDE.address}/24"}, gateway=OUTSIDE_GATEWAY)
    namespaces.set_sysctls(router, namespaces.ROUTER_SYSCTLS)
    for host in (*topology.nodes, *topology.others, INSIDE):
        configure_host(sandbox, host)
    for node in topology.nodes:
        namespaces.set_sysctls(sandbox.namespace(node.name), namespaces.NODE_SYSCTLS)


def configure_host(sandbox: Sandbox, host: Host) -> None:
    """Addresses and routes of a machine on the LAN."""
    name = sandbox.namespace(host.name)
    namespaces.configure(name, addresses={"eth0": f"{host.address}/24"}, gateway=ROUTER.address)
    namespaces.ip_batch([f"address add {host.address6}/64 dev eth0 nodad"], name)
