"""Services with IPv4 and IPv6 addresses on the LAN, and what a client and a referee see of them during a fault."""

from __future__ import annotations

import json
import socket
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from swimlb.lab import namespaces
from swimlb.lab.lab import Lab
from swimlb.lab.measure import Connection, Outage, longest_outage
from swimlb.lab.observers import LoadRun, ProbeRun, Referee
from swimlb.lab.prober import INTERVAL
from swimlb.lab.waiting import pause, wait_until
from swimlb.runtime import clock

PORT = 8080
SETTLED_AFTER = 0.2
"""A takeover is several announcements, the first three within 150 ms."""

_POOLS = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: pool, namespace: metallb-system}
spec: {addresses: ["192.168.3.200-192.168.3.239", "192.168.64.0/20", "2001:db8:3::/112"]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: lan, namespace: metallb-system}
spec: {ipAddressPools: [pool]}
"""
_SERVICE = """
---
apiVersion: v1
kind: Service
metadata: {{name: web-{number}, annotations: {{{annotations}}}}}
spec:
  type: LoadBalancer
  loadBalancerIP: "{address}"
  ipFamilies: [{family}]
  ports: [{{name: http, port: {port}, protocol: TCP}}]
"""


def addresses4(count: int) -> list[str]:
    return [f"192.168.3.{200 + number}" for number in range(count)]


def addresses6(count: int) -> list[str]:
    return [f"2001:db8:3::{0x200 + number:x}" for number in range(count)]


def service(number: int, address: str, health_check: str | None = None) -> str:
    """The manifest of one Service, to be appended to others."""
    return _SERVICE.format(
        number=number,
        address=address,
        annotations="" if health_check is None else f"swimlb.io/health-check: '{health_check}'",
        family="IPv6" if ":" in address else "IPv4",
        port=PORT,
    )


def write_manifests(directory: Path, addresses: Sequence[str], health_check: str | None = None) -> Path:
    """A Service for each address."""
    services = (service(number, address, health_check) for number, address in enumerate(addresses))
    (directory / "services.yaml").write_text(_POOLS + "".join(services))
    return directory


def owners(lab: Lab, seen_by: str | None = None) -> dict[str, str | None]:
    """Who owns which address, as one speaker says."""
    status = lab.require_status(seen_by or lab.network.nodes[0].name)
    return {one.address: one.owner for one in status.l2}


@dataclass(frozen=True, slots=True)
class Pair:
    """An IPv4 and an IPv6 address that one node owns."""

    node: str
    addresses: tuple[str, str]


def find_pair(lab: Lab, *, not_of: Collection[str] = ()) -> Pair:
    """A node that owns addresses of both families."""
    by_node: dict[str | None, list[str]] = {}
    for address, owner in owners(lab).items():
        by_node.setdefault(owner, []).append(address)
    for node, addresses in by_node.items():
        four = [one for one in addresses if ":" not in one]
        six = [one for one in addresses if ":" in one]
        if node is not None and node not in not_of and four and six:
            return Pair(node, (four[0], six[0]))
    raise AssertionError(f"no node owns addresses of both families: {by_node}")


class Watch:
    """Probes of both addresses of a pair, and a referee, for as long as it is open."""

    def __init__(self, lab: Lab, pair: Pair, interval: float = INTERVAL) -> None:
        self._lab = lab
        self._stack = ExitStack()
        self.pair = pair
        self.referee = self._stack.enter_context(Referee(lab.sandbox))
        self.probes = {
            address: self._stack.enter_context(ProbeRun(lab.sandbox, address, PORT, interval=interval))
            for address in pair.addresses
        }

    def __enter__(self) -> Self:
        self.await_answers_of(self.pair.node)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def await_answers_of(self, node: str) -> None:
        wait_until(
            lambda: all(run.answering() == node for run in self.probes.values()),
            timeout=10,
            what=f"{node} to answer the client",
            seen=lambda: {address: run.answering() for address, run in self.probes.items()},
        )

    def await_successors(self) -> dict[str, str]:
        """Who answers instead of the pair's node, by address."""

        def successors() -> dict[str, str] | None:
            found = {address: run.answering() for address, run in self.probes.items()}
            others = {
                address: node
                for address, node in found.items()
                if node is not None and node != self.pair.node
            }
            return others if len(others) == len(found) else None

        return wait_until(
            successors,
            timeout=10,
            what=f"others than {self.pair.node} to answer the client",
            seen=lambda: {address: run.answering() for address, run in self.probes.items()},
        )

    def outage(self, address: str, since: float) -> Outage | None:
        return longest_outage(self.probes[address].since(since - 0.05).probes)

    def lost_for(self, address: str, since: float) -> float:
        """How long probes were lost in a row."""
        outage = self.outage(address, since)
        return 0.0 if outage is None else outage.lost_for

    def outages(self, since: float) -> dict[str, float]:
        """How long the client may have been without service, by address."""
        found = {address: self.outage(address, since) for address in self.pair.addresses}
        return {address: 0.0 if one is None else one.duration for address, one in found.items()}

    def overlaps(self, winners: dict[str, str], begin: float, end: float) -> dict[str, float]:
        """How long two answered, by address; by whom it is answered in the end is given by node."""
        return {
            address: self.referee.overlap(address, self._lab.mac(winner), begin, end)
            for address, winner in winners.items()
        }

    def doubled_for(self, begin: float, end: float = float("inf")) -> dict[str, float]:
        """How long in all two claimed an address in turns, by address."""
        return {address: self.referee.doubled_for(address, begin, end) for address in self.pair.addresses}

    def sole_claimants(self, begin: float) -> dict[str, tuple[str | None, ...]]:
        """Which nodes claimed each address since that moment; the client is made to ask anew first."""
        self.forget_neighbours()
        pause(0.5)
        return {
            address: tuple(map(self._lab.node_of_mac, self.referee.claimants(address, begin)))
            for address in self.pair.addresses
        }

    def forget_neighbours(self) -> None:
        self._lab.sandbox.run("inside", "ip", "neigh", "flush", "all")


def ask(namespace: str, address: str) -> None:
    """Let a host's kernel find out who has the address."""
    with namespaces.entered(namespace):
        client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    with client:
        client.sendto(b"hello", (address, 9))


def rest(lab: Lab) -> float:
    """Until the lab is at rest; since when."""
    lab.wait_until_joined()
    lab.wait_until_settled()
    return clock.monotonic()


def restart_in_turn(lab: Lab) -> float:
    """Stop and start every speaker, one after the other; how long it took."""
    begun = clock.monotonic()
    for node in lab.network.nodes:
        lab.stop(node.name)
        pause(0.5)
        lab.start(node.name)
        rest(lab)
        pause(0.5)
    return clock.monotonic() - begun


@dataclass(frozen=True, slots=True)
class RollingRestart:
    """What clients and the LAN saw while every speaker was restarted."""

    took: float
    connections: tuple[Connection, ...]
    claimants: dict[str, set[str]]
    """MACs that claimed an address, by address."""

    @property
    def broken(self) -> list[Connection]:
        return [one for one in self.connections if one.error is not None]

    @property
    def streams(self) -> list[Connection]:
        return [one for one in self.connections if one.is_stream]

    @property
    def fresh(self) -> list[Connection]:
        return [one for one in self.connections if not one.is_stream]

    def check(self, streams: int, rate: float, by: str) -> None:
        """All of the load was there all the time, answered by that server alone, and every address was elsewhere meanwhile."""
        assert len(self.streams) == streams
        assert min(one.ended - one.begun for one in self.streams) > self.took
        assert len(self.fresh) >= rate * self.took * 0.8
        # A connection that was being made when the load ended has no answer, and no error.
        assert {one.by for one in self.connections if one.by is not None} == {by}
        assert [address for address, macs in self.claimants.items() if len(macs) < 2] == []


def restart_under_load(lab: Lab, addresses: Sequence[str], *, streams: int, rate: float) -> RollingRestart:
    with Referee(lab.sandbox) as referee:
        with LoadRun(lab.sandbox, addresses, PORT, streams=streams, rate=rate) as load:
            pause(1.0)
            took = restart_in_turn(lab)
        connections = load.connections()
        claimants = {address: set(referee.claimants(address, 0.0)) for address in addresses}
    return RollingRestart(took, connections, claimants)


def milliseconds(values: dict[str, float]) -> str:
    return json.dumps({address: f"{1000 * value:.0f} ms" for address, value in values.items()}).replace(
        '"', ""
    )


def lateness(watch: Watch) -> str:
    worst = max(run.recording().lateness_max for run in watch.probes.values())
    return f"prober late by {1000 * worst:.0f} ms at most"
