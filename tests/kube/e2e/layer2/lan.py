"""The LAN on which Services are announced: who is asked for an address, and who says to have it."""

from __future__ import annotations

import socket
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from swimlb.lab import namespaces
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.observers import Referee
from swimlb.lab.topology import INSIDE
from swimlb.lab.waiting import pause, wait_until
from swimlb.runtime import clock
from tests.kube.e2e.api import TIMEOUT, Api
from tests.kube.e2e.objects import PORT, service, unique
from tests.kube.e2e.seen import wait_for_announcer, wait_until_served, wait_until_withheld

RANGES: Mapping[str, str] = {
    "IPv4": "192.168.3.110-192.168.3.169",
    "IPv6": "2001:db8:3::200-2001:db8:3::2ff",
}
POOL = "lan"
FAMILIES = tuple(RANGES)
NODES = ("master-01", "worker-01", "worker-02")
ANSWERED_AFTER = 0.2
"""Whoever wanted to answer a question on the LAN has done so by then."""


@dataclass(frozen=True, slots=True)
class Lan:
    lab: KubernetesLab
    api: Api
    referee: Referee
    pods: Mapping[str, str]
    """The Pod that answers on each node, by node."""

    def serve(
        self,
        name: str = "",
        *,
        family: str = "IPv4",
        annotations: Mapping[str, str] | None = None,
        **more: Any,
    ) -> tuple[str, str]:
        """A new Service, and the address that it has got: of the pool `lan`, unless it asks for another."""
        name = name or unique("served")
        # Pools of the test before may still be known.
        wishes = {"address-pool": POOL, **(annotations or {})}
        self.api.apply(service(name, ipFamilies=[family], annotations=wishes, **more))
        (address,) = wait_until_served(self.api, name)
        return name, address

    def settle_on(self, node: str) -> None:
        """Until all speakers know that this node alone is selected: they say so of a Service that it announces."""
        name, _ = self.serve()
        wait_for_announcer(self.api, name, node)
        wait_until_withheld(self.lab, name, "NodeNotSelected", but=node)

    def now(self) -> float:
        """For `claimants`."""
        return clock.monotonic()

    def claimants(self, address: str, begun: float) -> set[str]:
        """Whose interfaces have said since then to have the address: `node/link`."""
        return {self._links().get(mac, mac) for mac in self.referee.claimants(address, begun)}

    def ask(self, address: str) -> set[str]:
        """Everybody who answers a client that asks for the address: `node/link`; none: nobody does."""
        self.lab.sandbox.run(INSIDE.name, "ip", "neigh", "flush", "all")
        begun = clock.monotonic()
        with self.datagrams(address) as client:
            client.send(b"")
            pause(ANSWERED_AFTER)
        return self.claimants(address, begun)

    def wait_for_answers(self, address: str, *links: str) -> None:
        """Until these answer, and nobody else."""
        seen: list[set[str]] = []

        def is_right() -> bool:
            seen[:] = [self.ask(address)]
            return seen[0] == set(links)

        wait_until(is_right, timeout=TIMEOUT, what=f"{address} to be answered by {links}", seen=lambda: seen)

    @contextmanager
    def datagrams(self, address: str, port: int = PORT) -> Generator[socket.socket]:
        """A client's socket, connected to the address."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with namespaces.entered(self.lab.sandbox.namespace(INSIDE.name)):
            client = socket.socket(family, socket.SOCK_DGRAM)
        with client:
            client.settimeout(ANSWERED_AFTER)
            client.connect((address, port))
            yield client

    def _links(self) -> dict[str, str]:
        """All links of nodes to the LAN, by MAC."""
        return {
            link["address"]: f"{node}/{link['ifname']}"
            for node in NODES
            for link in namespaces.ip_json(self.lab.sandbox.namespace(node), "link", "show")
            if link["ifname"].startswith("eth")
        }
