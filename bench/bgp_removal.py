"""How long a router's kernel goes on sending to a node that is gone: swimlb beside FRR and BIRD on the node.

One router has a session with a node of each contender, and with a witness that announces the same prefixes and stays: so what
is measured is a next hop that leaves a route which lives on, as with any Service. The contenders are taken away at the same
time, each again and again at random moments. The clock runs from the fault to the kernel's word about the route.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bench.bgp_lan import BirdNode, Detection, FrrNode, Node, SwimlbNode, bird_router, frr_router, manifests
from bench.membership import Lateness, say
from bench.ring import interrupt, pause
from swimlb.lab import faults, processes, topology
from swimlb.lab.measure import LATENESS_MAX
from swimlb.lab.route_monitor import RouteMonitor
from swimlb.lab.router import BfdRouter, BfdTimers
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import ROUTER, SWITCH, Host, Topology
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock

ROUTERS: dict[str, Callable[[Sandbox, Sequence[Host], Detection], BfdRouter]] = {
    "FRR": frr_router,
    "BIRD": bird_router,
}
CONTENDERS = {
    "swimlb": Host("swimlb", "192.168.3.103"),
    "FRR": Host("frr", "192.168.3.104"),
    "BIRD": Host("bird", "192.168.3.105"),
}
WITNESS = Host("witness", "192.168.3.106")
ADDRESSES = {"swimlb": "192.168.0.10", "FRR": "192.168.0.20", "BIRD": "192.168.0.30"}
PORT = 8080
READY_WITHIN = 60.0
WINDOW = 10.0
_SLACK = 0.01
_ATTEMPTS_MAX = 3
"""A run that the machine disturbed is done again; then it is taken as it is, with the lateness beside it."""


@dataclass(frozen=True, slots=True)
class Row:
    detection: Detection
    is_cut: bool
    """The node's cable is cut at the switch; else its daemons are killed."""

    @property
    def seconds_min(self) -> float:
        """What is sooner has another cause, such as a false alarm that was under way: the last packet came before the cut."""
        detection = self.detection
        if not self.is_cut:
            return 0.0
        if detection.bfd is None:
            return float(detection.hold_time - detection.keepalive) - _SLACK
        timers = detection.bfd
        return (timers.detect_multiplier - 1) * timers.interval_ms / 1000 - _SLACK


ROWS = {
    "BFD 50 ms x 3": Row(Detection(bfd=BfdTimers(interval_ms=50)), is_cut=True),
    "BFD 300 ms x 3": Row(Detection(bfd=BfdTimers(interval_ms=300)), is_cut=True),
    "hold time 3 s": Row(Detection(hold_time=3), is_cut=True),
    "SIGKILL": Row(Detection(), is_cut=False),
}


@dataclass(slots=True)
class Removal:
    """One contender at one router in one row. Seconds; None stands for longer than the benchmark waits."""

    row: str
    router: str
    contender: str
    seconds: list[float | None] = field(default_factory=list[float | None])
    lateness_worst: float = 0.0
    disturbed: int = 0
    """Runs that were not counted: the machine was too busy to tell the time of them, or they ended before they could."""
    false_alarms: int = 0
    """So often the route was lost before anything had happened to the node."""


class FalseAlarm(Exception):
    """The router dropped a node that nobody had hurt."""


class Scene:
    """A router, the contenders' nodes and the witness, running."""

    def __init__(self, sandbox: Sandbox, router: str, row: Row, scratch: Path, monitor: RouteMonitor) -> None:
        self._sandbox, self._row, self._monitor = sandbox, row, monitor
        hosts = [*CONTENDERS.values(), WITNESS]
        self._router = ROUTERS[router](sandbox, hosts, row.detection)
        directory = manifests(scratch / router, _prefix("swimlb"), PORT, row.detection)
        self._nodes: dict[str, Node] = {
            "swimlb": SwimlbNode(sandbox, CONTENDERS["swimlb"], directory),
            "FRR": FrrNode(sandbox, CONTENDERS["FRR"], [_prefix("FRR")], row.detection),
            "BIRD": BirdNode(sandbox, CONTENDERS["BIRD"], [_prefix("BIRD")], row.detection),
        }
        self._witness = BirdNode(sandbox, WITNESS, [_prefix(name) for name in CONTENDERS], row.detection)

    def start(self) -> None:
        self._router.start()
        for node in (self._witness, *self._nodes.values()):
            node.start()

    def take_away(self, contender: str, rng: Random, lateness: Lateness) -> tuple[float | None, float]:
        """Seconds until the router's kernel no longer sends to the contender, which is brought back at the end.

        And by how much the machine was late meanwhile.
        """
        host = CONTENDERS[contender]
        self._wait_until_ready(contender)
        pause(rng.uniform(1.0, 2.0))
        if host.address not in self._router.next_hops(_prefix(contender)):
            raise FalseAlarm
        lateness.take()
        begun = self._cut(host) if self._row.is_cut else self._kill(contender)
        gone = self._monitor.wait_for(
            _prefix(contender), lambda hops: host.address not in hops, begun, WINDOW
        )
        late = lateness.take()
        if self._row.is_cut:
            pause(rng.uniform(0.5, 1.0))
            faults.set_link(self._sandbox.namespace(SWITCH), host.name, is_up=True)
        else:
            self._nodes[contender].start()
        return None if gone is None else gone - begun, late

    def _cut(self, host: Host) -> float:
        faults.set_link(self._sandbox.namespace(SWITCH), host.name, is_up=False)
        return clock.monotonic()

    def _kill(self, contender: str) -> float:
        victims = self._nodes[contender].family()
        begun = clock.monotonic()
        assert not processes.kill(victims), f"{contender} has not ended after SIGKILL"
        return begun

    def _wait_until_ready(self, contender: str) -> None:
        wait_until(
            lambda: self._is_routed(contender) and self._is_watched(contender),
            timeout=READY_WITHIN,
            what=f"{contender} to be routed and watched by BFD",
            seen=lambda: (self._router.next_hops(_prefix(contender)), self._is_watched(contender)),
            interval=0.2,
        )

    def _is_routed(self, contender: str) -> bool:
        hops = {CONTENDERS[contender].address, WITNESS.address}
        return set(self._router.next_hops(_prefix(contender))) == hops

    def _is_watched(self, contender: str) -> bool:
        """The router holds it for up by BFD, and the intervals are those that were asked for."""
        bfd = self._row.detection.bfd
        if bfd is None:
            return True
        agreed = self._router.detection_time(CONTENDERS[contender].address)
        return agreed is not None and abs(agreed - bfd.interval_ms * bfd.detect_multiplier / 1000) < 0.001


def _prefix(contender: str) -> str:
    return f"{ADDRESSES[contender]}/32"


@contextmanager
def scene(router: str, row: Row, scratch: Path) -> Generator[Scene]:
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox.create(f"bench-bgp-{router.lower()}"))
        topology.build(sandbox, Topology((*CONTENDERS.values(), WITNESS)))
        monitor = stack.enter_context(RouteMonitor(sandbox.namespace(ROUTER.name)))
        made = Scene(sandbox, router, row, scratch, monitor)
        made.start()
        yield made


def measure_row(
    name: str, runs: int, found: Sequence[Removal], scratch: Path, on_event: Callable[[], None]
) -> None:
    """What is lacking of a row, all routers and contenders at the same time: they wait for most of it."""
    lacking = [one for one in found if one.row == name and len(one.seconds) < runs]
    if not lacking:
        return
    with ExitStack() as stack:
        scenes = {
            router: stack.enter_context(scene(router, ROWS[name], scratch))
            for router in dict.fromkeys(one.router for one in lacking)
        }
        with ThreadPoolExecutor(len(lacking)) as pool:
            begun = [pool.submit(_repeat, scenes[one.router], runs, one, on_event) for one in lacking]
            try:
                for future in begun:
                    future.result()
            except BaseException:
                interrupt()  # The pool waits for its threads.
                raise


def _repeat(scene: Scene, runs: int, removal: Removal, on_event: Callable[[], None]) -> None:
    rng = Random(f"{removal.row} {removal.router} {removal.contender}")
    seconds_min = ROWS[removal.row].seconds_min
    attempt = 1
    with Lateness() as lateness:
        while len(removal.seconds) < runs:
            try:
                took, late = scene.take_away(removal.contender, rng, lateness)
            except FalseAlarm:
                removal.false_alarms += 1
                say(f"{removal.row}, router {removal.router}: {removal.contender} was dropped by mistake")
                continue
            if (took is not None and took < seconds_min) or (late > LATENESS_MAX and attempt < _ATTEMPTS_MAX):
                removal.disturbed += 1
                attempt += 1
                continue
            removal.seconds.append(took)
            removal.lateness_worst = max(removal.lateness_worst, late)
            attempt = 1
            on_event()
    known = [f"{1000 * one:.0f}" if one is not None else "never" for one in removal.seconds]
    say(f"{removal.row}, router {removal.router}, {removal.contender} on the node: {' '.join(known)} ms")
