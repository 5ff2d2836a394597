"""Connections that break although their node lives: when one of five next hops leaves a route, and when it returns.

A client behind the router keeps 2,000 TCP connections to one Service on five nodes, each with a real speaker, and goes on opening
new ones. One node's cable is cut at the switch, BFD tells the router, later the cable is mended. A connection that the
router then sends to another node than before is reset by it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from bench.bgp_lan import Detection, SwimlbNode, bird_router, frr_router, manifests
from bench.membership import say
from bench.ring import pause
from swimlb.lab import faults, topology
from swimlb.lab.measure import Connection
from swimlb.lab.observers import LoadRun
from swimlb.lab.route_monitor import RouteChange, RouteMonitor
from swimlb.lab.router import BfdTimers
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import OUTSIDE, ROUTER, SWITCH, Host, walkthrough
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock

NODES = 5
ADDRESS, PORT = "192.168.0.10", 8080
PREFIX = f"{ADDRESS}/32"
STREAMS = 2000
INTERVAL = 1.0
"""A stream's pause between two lines."""
RATE = 100.0
"""New connections per second."""
IDLE_TIMER = 5
TABLE = 100
DETECTION = Detection(bfd=BfdTimers(interval_ms=300))
"""Slow, so that nothing else happens to the route on a busy machine: what breaks does not depend on how soon it is known."""
OPENING = 6.0
"""After it, all streams are open."""
WATCHED = 4.0
"""After a change of the route: long enough for each stream to send, and be reset."""
RETURN_WATCHED = IDLE_TIMER + WATCHED
FRESH = 3.0
"""New connections of the last seconds tell what share the node has that came back."""
CHANGE_WITHIN = 10.0
READY_WITHIN = 60.0
DISTURBED_MAX = 20


@dataclass(frozen=True, slots=True)
class Broken:
    """Connections, and how many of them broke."""

    count: int
    broken: int


@dataclass(frozen=True, slots=True)
class Return(Broken):
    fresh: int
    """New connections some time after the return."""
    fresh_on_returned: int


@dataclass(frozen=True, slots=True)
class Death:
    """One node died, and came back."""

    node: str
    others: Broken
    """Connections to nodes that lived."""
    back: Return


@dataclass(slots=True)
class Disruption:
    router: str
    ecmp: str
    deaths: list[Death] = field(default_factory=list[Death])
    disturbed: int = 0
    """Deaths that were not counted, because the route changed more often than it had a reason to."""


@dataclass(frozen=True, slots=True)
class Kind:
    router: str
    ecmp: str
    buckets: int | None = None
    """Of a resilient group; None: the kernel's hash-threshold."""


KINDS = (
    Kind("FRR", "hash-threshold"),
    Kind("BIRD", "hash-threshold"),
    Kind("BIRD", "resilient, 128 buckets", 128),
    Kind("BIRD", "resilient, 16,384 buckets", 16_384),
)


class Disturbed(Exception):
    """The route did not change in time, or once more, as by a false alarm on a machine that is too busy."""


class Scene:
    def __init__(self, sandbox: Sandbox, kind: Kind, directory: Path, monitor: RouteMonitor) -> None:
        self._sandbox, self._kind, self._monitor = sandbox, kind, monitor
        self.nodes = walkthrough(NODES).nodes
        self._manifests = manifests(directory, f"{ADDRESS}/32", PORT, DETECTION)

    def start(self) -> None:
        if self._kind.router == "FRR":
            frr_router(self._sandbox, self.nodes, DETECTION).start()
        else:
            is_resilient = self._kind.buckets is not None
            bird_router(self._sandbox, self.nodes, DETECTION, TABLE if is_resilient else None).start()
        if self._kind.buckets is not None:
            self._start_mirror(self._kind.buckets)
        for node in self.nodes:
            options = ("--name", node.name, "--port", str(PORT))
            self._sandbox.start_module(
                f"backend/{node.name}", "swimlb.lab.backend", *options, namespace=node.name
            )
            SwimlbNode(self._sandbox, node, self._manifests, self.nodes).start()

    def _start_mirror(self, buckets: int) -> None:
        said, log = self._sandbox.home / "resilient", self._sandbox.home / "resilient.log"
        options = ("--from-table", str(TABLE), "--buckets", str(buckets), "--idle-timer", str(IDLE_TIMER))
        self._sandbox.start_module(
            "resilient",
            "swimlb.lab.resilient",
            *options,
            *("--output", str(said)),
            namespace=ROUTER.name,
            log=log,
        )
        wait_until(
            said.exists, timeout=READY_WITHIN, what="the mirror of routes to follow", seen=log.read_text
        )

    def die_and_return(self, node: Host) -> Death:
        """Each of the two before the eyes of new connections: those that survived a death would survive the return, too."""
        everyone = frozenset(one.address for one in self.nodes)
        others = everyone - {node.address}
        wait_until(
            lambda: self._next_hops() == everyone,
            timeout=READY_WITHIN,
            what="the router to have all nodes",
            seen=self._next_hops,
        )
        try:
            with self._load() as load:
                pause(OPENING)
                died = clock.monotonic()
                self._set_link(node, is_up=False)
                self._await_change(others, died)
                pause(WATCHED)
                load.stop()
                at_death = load.connections()
            self._forget_connections()
            with self._load() as load:
                pause(OPENING)
                healed = clock.monotonic()
                self._set_link(node, is_up=True)
                back = self._await_change(everyone, healed)
                pause(RETURN_WATCHED)
                load.stop()
                at_return = load.connections()
        finally:
            self._set_link(node, is_up=True)
            self._forget_connections()
        seen = [next_hops for next_hops, _ in groupby(one.route.next_hops for one in self._changes(died))]
        if seen != [others, everyone]:
            raise Disturbed
        return Death(
            node.name, judge_death(at_death, node.name, died), judge_return(at_return, node.name, back)
        )

    def _load(self) -> LoadRun:
        return LoadRun(
            self._sandbox,
            [ADDRESS],
            PORT,
            streams=STREAMS,
            rate=RATE,
            interval=INTERVAL,
            client=OUTSIDE,
        )

    def _set_link(self, node: Host, *, is_up: bool) -> None:
        faults.set_link(self._sandbox.namespace(SWITCH), node.name, is_up=is_up)

    def _await_change(self, wanted: frozenset[str], since: float) -> float:
        changed = self._monitor.wait_for(PREFIX, lambda hops: hops == wanted, since, CHANGE_WITHIN)
        if changed is None:
            raise Disturbed
        return changed

    def _changes(self, since: float = 0.0) -> tuple[RouteChange, ...]:
        """Of the route that forwards; the daemon's may be in a table that nobody looks into."""
        return self._monitor.changes(PREFIX, since)

    def _next_hops(self) -> frozenset[str]:
        changes = self._changes()
        return changes[-1].route.next_hops if changes else frozenset()

    def _forget_connections(self) -> None:
        """What the router no longer leads to would stay open on the nodes."""
        for node in self.nodes:
            self._sandbox.run(node.name, "ss", "-K", "-H", "-t", f"sport = :{PORT}")


def judge_death(connections: Iterable[Connection], node: str, died: float) -> Broken:
    """Of those to other nodes that were open as one died."""
    others = [one for one in _open_at(connections, died) if one.by != node]
    return Broken(len(others), sum(one.error is not None for one in others))


def judge_return(connections: Sequence[Connection], node: str, back: float) -> Return:
    """Of all that were open as one came back, none of which is on it; the last of them ended as the watch did."""
    there = _open_at(connections, back)
    ended = max(one.ended for one in connections)
    fresh = [
        one
        for one in connections
        if not one.is_stream and one.by is not None and one.error is None and one.begun > ended - FRESH
    ]
    return Return(
        count=len(there),
        broken=sum(one.error is not None for one in there),
        fresh=len(fresh),
        fresh_on_returned=sum(one.by == node for one in fresh),
    )


def _open_at(connections: Iterable[Connection], moment: float) -> list[Connection]:
    return [
        one
        for one in connections
        if one.is_stream and one.by is not None and one.connected is not None
        if one.connected <= moment < one.ended
    ]


@contextmanager
def scene(kind: Kind, scratch: Path) -> Generator[Scene]:
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox.create("bench-ecmp"))
        topology.build(sandbox, walkthrough(NODES))
        monitor = stack.enter_context(RouteMonitor(sandbox.namespace(ROUTER.name)))
        made = Scene(sandbox, kind, scratch / "manifests", monitor)
        made.start()
        yield made


def measure_kind(
    kind: Kind, deaths: int, found: Sequence[Disruption], scratch: Path, on_event: Callable[[], None]
) -> None:
    """What is lacking of a kind; the nodes die in turn."""
    disruption = next(one for one in found if (one.router, one.ecmp) == (kind.router, kind.ecmp))
    if len(disruption.deaths) >= deaths:
        return
    with scene(kind, scratch) as made:
        while len(disruption.deaths) < deaths:
            node = made.nodes[len(disruption.deaths) % NODES]
            try:
                disruption.deaths.append(made.die_and_return(node))
            except Disturbed:
                disruption.disturbed += 1
                if disruption.disturbed > DISTURBED_MAX:
                    raise
                say(f"{kind.router}, {kind.ecmp}: disturbed")
                continue
            say(f"{kind.router}, {kind.ecmp}: {disruption.deaths[-1]}")
            on_event()
