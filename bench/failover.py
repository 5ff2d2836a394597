"""One address on three nodes, by swimlb or by keepalived: how long a client is without it when its owner goes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.ring import pause
from swimlb.lab import faults, topology
from swimlb.lab.examples import find_examples
from swimlb.lab.keepalived import Keepalived, Vrrp
from swimlb.lab.lab import Lab
from swimlb.lab.measure import Outage, longest_outage
from swimlb.lab.observers import ProbeRun, Referee
from swimlb.lab.prober import SETTLED_AFTER
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import SWITCH, walkthrough
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock

ADDRESS, PORT = "192.168.3.170", 8080
NODES = 3
WINDOW = 6.0
"""How long a client is watched after each event."""
SETTLE_WITHIN = 30.0
STEADY_FOR = 1.0
"""Answers of one node for this long are a settled state."""
BLACK_HOLE_AFTER = 0.5
"""Probes lost for longer than this after another node's claim: the client followed a claim that was not the last."""
BEFORE = 0.05


class Cluster(Protocol):
    """Three nodes that share the address, running."""

    sandbox: Sandbox

    def cut(self, node: str, /) -> None: ...
    def heal(self, node: str, /) -> None: ...
    def stop(self, node: str, /) -> None: ...
    def start(self, node: str, /) -> None: ...
    def mac(self, host: str, /) -> str: ...
    def rest(self) -> None:
        """Return when nothing is going on any more, as far as the nodes can tell."""
        ...


@dataclass(frozen=True, slots=True)
class Contender:
    name: str
    product: str
    start: Callable[[Sandbox, Path], Cluster]
    window: float = WINDOW


@dataclass(frozen=True, slots=True)
class Event:
    """What one fault did to the client; times in seconds."""

    outage: float | None
    """From answer to answer; 0: nothing was lost, None: longer than the window."""
    lost: int
    """Probes."""
    claimed_after: float | None
    """When another node first claimed the address, counted from the fault."""
    is_black_hole: bool
    lateness: float
    """The most that a probe left after its time, in this window."""


class Ours:
    """swimlb: the lab as it is."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.sandbox = lab.sandbox
        self.cut, self.heal, self.stop, self.start = lab.cut, lab.heal, lab.stop, lab.start
        self.mac = lab.mac

    def rest(self) -> None:
        self._lab.wait_until_joined()
        self._lab.wait_until_settled()


class Theirs:
    """keepalived on the same network with the same workload."""

    def __init__(self, sandbox: Sandbox, advert_interval: float, version: int) -> None:
        self.sandbox = sandbox
        network = walkthrough(NODES)
        topology.build(sandbox, network)
        self._switch = sandbox.namespace(SWITCH)
        self._daemons: dict[str, Keepalived] = {}
        for number, node in enumerate(network.nodes):
            options = ("--name", node.name, "--port", str(PORT))
            sandbox.start_module(f"backend/{node.name}", "swimlb.lab.backend", *options, namespace=node.name)
            router = Vrrp(
                addresses=[ADDRESS],
                priority=100 - 10 * number,
                advert_interval=advert_interval,
                version=version,
            )
            self._daemons[node.name] = Keepalived(sandbox, node.name, router)
            self._daemons[node.name].start()

    def cut(self, node: str) -> None:
        faults.set_link(self._switch, node, is_up=False)

    def heal(self, node: str) -> None:
        faults.set_link(self._switch, node, is_up=True)

    def stop(self, node: str) -> None:
        self._daemons[node].stop()

    def start(self, node: str) -> None:
        self._daemons[node].start()

    def mac(self, host: str) -> str:
        return topology.namespaces.mac_of(self.sandbox.namespace(host))

    def rest(self) -> None:
        pass  # It does not tell; the client's answers do.


def _ours(profile: str) -> Callable[[Sandbox, Path], Cluster]:
    def start(sandbox: Sandbox, scratch: Path) -> Cluster:
        for name in ("nginx.yaml", "layer2.yaml"):
            shutil.copy(find_examples("walkthrough") / name, scratch)
        lab = Lab(sandbox, walkthrough(NODES), scratch, options=("--profile", profile))
        lab.build()
        return Ours(lab)

    return start


def _theirs(advert_interval: float, version: int) -> Callable[[Sandbox, Path], Cluster]:
    return lambda sandbox, _: Theirs(sandbox, advert_interval, version)


CONTENDERS = (
    Contender("swimlb normal", "swimlb", _ours("normal")),
    Contender("swimlb fast", "swimlb", _ours("fast")),
    Contender("keepalived 1 s", "keepalived", _theirs(1.0, 2)),
    Contender("keepalived 0.1 s", "keepalived", _theirs(0.1, 3)),
)


class Bench:
    """A contender whose owner is taken away again and again, each time before the eyes of a new client and referee."""

    def __init__(self, cluster: Cluster, window: float = WINDOW) -> None:
        self._cluster = cluster
        self._window = window

    def cut(self) -> Event:
        return self._watched(self._cluster.cut, self._cluster.heal)

    def stop(self) -> Event:
        return self._watched(self._cluster.stop, self._cluster.start)

    def _watched(self, take_away: Callable[[str], None], bring_back: Callable[[str], None]) -> Event:
        sandbox = self._cluster.sandbox
        self._cluster.rest()
        with ProbeRun(sandbox, ADDRESS, PORT) as probes, Referee(sandbox) as referee:
            owner = _settled_owner(probes)
            begun = clock.monotonic()
            take_away(owner)
            pause(max(0.0, begun + self._window + SETTLED_AFTER - clock.monotonic()))
        bring_back(owner)
        mac = self._cluster.mac(owner)
        claims = [
            claim.time
            for claim in referee.claims()
            if claim.address == ADDRESS and claim.mac != mac and begun <= claim.time <= begun + self._window
        ]
        return judge(
            longest_outage(probes.recording().between(begun - BEFORE, begun + self._window).probes),
            claimed_at=min(claims, default=None),
            begun=begun,
            lateness=probes.lateness(begun, begun + self._window),
        )


def _settled_owner(probes: ProbeRun) -> str:
    """Who has answered for a while, alone."""
    owner = wait_until(
        lambda: probes.answering(STEADY_FOR),
        timeout=SETTLE_WITHIN,
        what="steady answers",
        seen=probes.answering,
        interval=0.1,
    )
    pause(STEADY_FOR)
    return owner


def judge(outage: Outage | None, *, claimed_at: float | None, begun: float, lateness: float) -> Event:
    """What the client's longest outage of a window amounts to."""
    claimed_after = None if claimed_at is None else claimed_at - begun
    if outage is None:
        return Event(0.0, 0, claimed_after, False, lateness)
    is_dark = claimed_at is not None and outage.ended - max(claimed_at, outage.first_lost) > BLACK_HOLE_AFTER
    return Event(None if outage.is_open else outage.duration, outage.lost, claimed_after, is_dark, lateness)


@contextmanager
def running(contender: Contender, number: int, scratch: Path) -> Generator[Bench]:
    """The contender in a sandbox of its own, which is gone at the end."""
    with Sandbox.create(f"bench-{number}-{contender.name.replace(' ', '-')}") as sandbox:
        cluster = contender.start(sandbox, scratch)
        yield Bench(cluster, contender.window)
