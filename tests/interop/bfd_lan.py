"""A node and a router on one switch, for BFD."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from swimlb.lab import namespaces
from swimlb.lab.frr import Frr
from swimlb.lab.sandbox import Sandbox
from swimlb.runtime import clock
from tests.precedence import before_all_others

NODE, NODE_V6 = "192.0.2.10", "2001:db8::10"
ROUTER, ROUTER_V6 = "192.0.2.1", "2001:db8::1"


@dataclass(frozen=True, slots=True)
class Lan:
    """A node and a router on one bridge, so that neither sees the other's link go down."""

    sandbox: Sandbox

    @property
    def node(self) -> str:
        return self.sandbox.namespace("node")

    def frr(self, bfdd_config: str) -> Frr:
        frr = Frr(self.sandbox, "router", bgpd_config="", bfdd_config=bfdd_config)
        frr.start()
        return frr

    def cut(self) -> float:
        """The node's port at the switch goes down. The time of it."""
        namespaces.ip_batch(["link set p-node down"], self.sandbox.namespace("switch"))
        return clock.monotonic()

    def mend(self) -> None:
        namespaces.ip_batch(["link set p-node up"], self.sandbox.namespace("switch"))


@contextmanager
def bfd_lan(base: Path) -> Generator[Lan]:
    """With it the test runs before all others, and so does the router: late by 150 ms, either would be a death."""
    with Sandbox.create("bfd", base=base) as sandbox, before_all_others():
        sandbox.add_namespaces("switch", "node", "router")
        switch, node, router = map(sandbox.namespace, ("switch", "node", "router"))
        namespaces.build_switch(switch)
        namespaces.plug_in(switch, {"p-node": node, "p-router": router})
        for name, address, address_v6 in ((node, NODE, NODE_V6), (router, ROUTER, ROUTER_V6)):
            namespaces.configure(name, addresses={"eth0": f"{address}/24"})
            namespaces.ip_batch([f"address add {address_v6}/64 dev eth0 nodad"], name)
        yield Lan(sandbox)
