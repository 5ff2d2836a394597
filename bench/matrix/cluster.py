"""What a contender is to the matrix: nodes of the lab's network that share addresses, and what is done to them."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from ipaddress import ip_address

from bench.matrix.questions import Questions
from bench.ring import pause
from swimlb.lab import faults, namespaces, processes
from swimlb.lab.errors import LabError
from swimlb.lab.processes import ProcessId
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import INSIDE, ROUTER, SWITCH, Host, Topology
from swimlb.lab.waiting import wait_until
from swimlb.speaker.election import succession

ADDRESSES = "198.18.0.0/15"
"""Set aside for measurements (RFC 2544). The client of a LAN has it on its link."""
PORT = 8080
REST_WITHIN = 90.0
_REST_INTERVAL = 0.3
_REST_ANSWERS = 3
"""So often in a row everything must be as it should."""


@dataclass(frozen=True, slots=True)
class Scale:
    nodes: int = 3
    addresses: int = 1

    def listed(self) -> tuple[str, ...]:
        """The addresses."""
        first = ip_address(ADDRESSES.partition("/")[0]) + 1
        return tuple(str(first + number) for number in range(self.addresses))

    def span(self) -> str:
        """The addresses, as a pool names them."""
        listed = self.listed()
        return f"{listed[0]}-{listed[-1]}"


class Cluster(ABC):
    """Running, in a sandbox that ends it."""

    client: Host = INSIDE
    """Where the clients are."""
    is_routed = False
    """All nodes have every address at once, and a router shares the flows among them."""

    def __init__(self, sandbox: Sandbox, network: Topology, addresses: Sequence[str]) -> None:
        self.sandbox = sandbox
        self.network = network
        self.addresses = tuple(addresses)
        self.nodes = tuple(node.name for node in network.nodes)
        self._macs: dict[str, str] = {}

    @abstractmethod
    def start(self, node: str, /) -> None: ...

    @abstractmethod
    def stop(self, node: str, /) -> None:
        """As an operator would; returns when it has ended."""

    @abstractmethod
    def family(self, node: str, /) -> tuple[ProcessId, ...]:
        """The processes of the product on the node, in the order to kill them in."""

    @abstractmethod
    def is_well(self) -> bool:
        """Everything is as it is when nothing has happened, as far as can be seen from outside or by asking."""

    def rest(self) -> None:
        """Return when all is well, and has been for a moment. `LabError` when that does not come."""
        well = 0

        def is_at_rest() -> bool:
            nonlocal well
            pause(0.0)  # An interrupted benchmark does not wait for it.
            well = well + 1 if self.is_well() else 0
            return well >= _REST_ANSWERS

        wait_until(is_at_rest, timeout=REST_WITHIN, what="all nodes to be well", interval=_REST_INTERVAL)

    def cut(self, node: str) -> None:
        faults.set_link(self._switch, node, is_up=False)

    def heal(self, node: str) -> None:
        faults.set_link(self._switch, node, is_up=True)

    def lose(self, node: str, percent: float) -> None:
        """Of the frames from and to the node; 0 ends it."""
        faults.apply(self._switch, {node: percent} if percent else {}, ())

    def kill(self, node: str) -> None:
        """All of them at once: a child that saw its parent die could tidy up, or a parent start another child."""
        self.pause(node)
        if processes.kill(self.family(node)):
            raise LabError(f"what runs on {node} has not ended after SIGKILL")

    def pause(self, node: str) -> None:
        for process in self.family(node):
            process.send(signal.SIGSTOP)

    def resume(self, node: str) -> None:
        for process in self.family(node):
            process.send(signal.SIGCONT)

    def take_api_away(self) -> None:
        raise LabError("there is no API server here")

    def bring_api_back(self) -> None:
        raise LabError("there is no API server here")

    def mac(self, node: str) -> str:
        if node not in self._macs:
            self._macs[node] = namespaces.mac_of(self.sandbox.namespace(node))
        return self._macs[node]

    def start_workload(self, *, has_addresses: bool) -> None:
        """What answers the clients, on each node; `has_addresses`: the product does not give the nodes theirs."""
        for node in self.nodes:
            options = ("--name", node, "--port", str(PORT))
            self.sandbox.start_module(f"backend/{node}", "swimlb.lab.backend", *options, namespace=node)
            if has_addresses:
                lines = [f"address add {address}/32 dev lo" for address in self.addresses]
                namespaces.ip_batch(lines, self.sandbox.namespace(node))

    @property
    def _switch(self) -> str:
        return self.sandbox.namespace(SWITCH)


class LanCluster(Cluster):
    """Each address is one node's, which answers ARP for it."""

    def owner(self, address: str) -> str:
        """Whose it is when all are well: by the election of MetalLB, which is ours."""
        return succession(ip_address(address), self.nodes)[0]

    def connect(self) -> None:
        """Let the clients look for the addresses on their own link. Once, when the network stands."""
        self.sandbox.run(INSIDE.name, "ip", "route", "add", ADDRESSES, "dev", "eth0")

    def questions(self) -> Questions:
        """From the router."""
        return Questions(self.sandbox.namespace(ROUTER.name), ROUTER)

    def is_well(self) -> bool:
        with closing(self.questions()) as questions:
            answers = questions.owners(self.addresses)
        return all(answers.get(one) == {self.mac(self.owner(one))} for one in self.addresses)
