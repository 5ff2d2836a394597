"""Connections that break although their node lives: when one of five next hops leaves a route, and when it returns.

A client behind the router keeps 2,000 TCP connections to one Service on five nodes, each with a real speaker, and goes on opening
new ones. One node's cable is cut at the switch, BFD tells the router, later the cable is mended. A connection that the
router then sends to another node than before is reset by it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.bgp_lan import Detection, SwimlbNode, bird_router, frr_router, manifests
from bench.membership import say
from bench.ring import pause
from swimlb.lab import faults, topology
from swimlb.lab.measure import Connection
from swimlb.lab.observers import LoadRun
from swimlb.lab.route_monitor import RouteMonitor
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
DETECTION = Detection(bfd=BfdTimers(interval_ms=50))
OPENING = 6.0
"""After it, all streams are open."""
WATCHED = 4.0
"""After a change of the route: long enough for each stream to send, and be reset."""
RETURN_WATCHED = IDLE_TIMER + WATCHED
FRESH = 3.0
"""New connections of the last seconds tell what share the node has that came back."""
CHANGE_WITHIN = 10.0
READY_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Death:
    """One node, by its place among the next hops, died and came back. Counts of connections."""

    node: str
    others: int
    """On nodes that lived, as it died."""
    others_broken: int
    back: int
    """Of all, as it came back: none of these is on it."""
    back_broken: int
    fresh: int
    """New ones some time after it came back."""
    fresh_on_returned: int


@dataclass(slots=True)
class Disruption:
    router: str
    ecmp: str
    deaths: list[Death] = field(default_factory=list[Death])


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


class Scene:
    def __init__(self, sandbox: Sandbox, kind: Kind, directory: Path, monitor: RouteMonitor) -> None:
        self._sandbox, self._kind, self._monitor = sandbox, kind, monitor
        self.nodes = walkthrough(NODES).nodes
        self._manifests = manifests(directory, ADDRESS, PORT, DETECTION)

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
        everyone = frozenset(one.address for one in self.nodes)
        wait_until(
            lambda: self._next_hops() == everyone,
            timeout=READY_WITHIN,
            what="the router to have all nodes",
            seen=self._next_hops,
        )
        with LoadRun(
            self._sandbox,
            [ADDRESS],
            PORT,
            streams=STREAMS,
            rate=RATE,
            interval=INTERVAL,
            client=OUTSIDE,
        ) as load:
            pause(OPENING)
            died = clock.monotonic()
            self._set_link(node, is_up=False)
            self._await_change(lambda hops: hops == everyone - {node.address}, died)
            pause(WATCHED)
            healed = clock.monotonic()
            self._set_link(node, is_up=True)
            back = self._await_change(lambda hops: hops == everyone, healed)
            pause(RETURN_WATCHED)
            load.stop()
            connections = load.connections()
        self._forget_connections()
        return judge(connections, node=node.name, died=died, healed=healed, back=back)

    def _set_link(self, node: Host, *, is_up: bool) -> None:
        faults.set_link(self._sandbox.namespace(SWITCH), node.name, is_up=is_up)

    def _await_change(self, condition: Callable[[frozenset[str]], bool], since: float) -> float:
        changed = self._monitor.wait_for(PREFIX, condition, since, CHANGE_WITHIN)
        assert changed is not None, "the router's kernel has not changed its route in time"
        return changed

    def _next_hops(self) -> frozenset[str]:
        """Of the route that forwards; the daemon's may be in a table that nobody looks into."""
        changes = self._monitor.changes(PREFIX)
        return changes[-1].route.next_hops if changes else frozenset()

    def _forget_connections(self) -> None:
        """What the router no longer leads to would stay open on the nodes."""
        for node in self.nodes:
            self._sandbox.run(node.name, "ss", "-K", "-H", "-t", f"sport = :{PORT}")


def judge(connections: Iterable[Connection], *, node: str, died: float, healed: float, back: float) -> Death:
    """What a client's connections tell; the last of them ended as the watch did."""
    known = [one for one in connections if one.connected is not None and one.by is not None]
    streams = [one for one in known if one.is_stream]
    ended = max(one.ended for one in known)
    others = [one for one in _open_at(streams, died) if one.by != node]
    at_return = _open_at(streams, back)
    fresh = [one for one in known if not one.is_stream and one.error is None and one.begun > ended - FRESH]
    return Death(
        node=node,
        others=len(others),
        others_broken=sum(one.error is not None and one.ended < healed for one in others),
        back=len(at_return),
        back_broken=sum(one.error is not None for one in at_return),
        fresh=len(fresh),
        fresh_on_returned=sum(one.by == node for one in fresh),
    )


def _open_at(streams: Iterable[Connection], moment: float) -> list[Connection]:
    return [one for one in streams if one.connected is not None and one.connected <= moment < one.ended]


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
            disruption.deaths.append(made.die_and_return(node))
            say(f"{kind.router}, {kind.ecmp}: {disruption.deaths[-1]}")
            on_event()
