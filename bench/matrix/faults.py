"""What happens to the node that a client talks to, and what it makes necessary."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.matrix.cluster import Cluster
from bench.ring import pause
from swimlb.lab import processes

SIGSTOP_LASTS = 10.0
LOSS_PERCENT = 20.0
BUSY_LOOPS = 4
_BUSY_CORE = 0

Hurt = Callable[[Cluster, str], None]
"""The cluster, and the node that answers the client."""


def _nothing(_: Cluster, __: str) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    name: str
    title: str
    """As a heading."""
    what: str
    """As a sentence."""
    hurt: Hurt
    mend: Hurt = _nothing
    needed_moves: int = 2
    """How often a client's address has to change hands: away from the node, and back when it is well again."""
    lasts: float = 0.0
    """Seconds of it that are over and above the time in which a contender is watched."""
    hurts: Callable[[Sequence[str], str], tuple[str, ...]] = lambda _, victim: (victim,)
    """The nodes that may lose what they have."""
    before: Callable[[Cluster], None] | None = None
    """Once before all runs of a cell; `after` ends it."""
    after: Callable[[Cluster], None] | None = None
    needs_api: bool = False
    takes_machine: bool = False
    """Others that are measured beside it would suffer, too."""

    def needed(self, *, nodes: int, is_routed: bool) -> int:
        """Moves that are nobody's mistake. A router shares flows anew whenever a node goes or comes."""
        return 2 * nodes if is_routed and self.name == "rolling" else self.needed_moves


def half(nodes: Sequence[str], victim: str) -> tuple[str, ...]:
    """The victim and those after it, half of all, rounded up."""
    begin = list(nodes).index(victim)
    return tuple(nodes[(begin + number) % len(nodes)] for number in range((len(nodes) + 1) // 2))


def _cut_half(cluster: Cluster, victim: str) -> None:
    for node in half(cluster.nodes, victim):
        cluster.cut(node)


def _heal_half(cluster: Cluster, victim: str) -> None:
    for node in half(cluster.nodes, victim):
        cluster.heal(node)


def _hang(cluster: Cluster, victim: str) -> None:
    cluster.pause(victim)
    try:
        pause(SIGSTOP_LASTS)
    finally:
        cluster.resume(victim)


def _restart_all(cluster: Cluster, _: str) -> None:
    for node in cluster.nodes:
        cluster.stop(node)
        cluster.start(node)
        cluster.rest()


def _crowd(cluster: Cluster, victim: str) -> None:
    """All threads of its processes and the busy loops have one core between them, at whatever niceness they chose."""
    for process in cluster.family(victim):
        _pin(process.pid, {_BUSY_CORE})
    for number in range(BUSY_LOOPS):
        loop = f"import os\nos.sched_setaffinity(0, {{{_BUSY_CORE}}})\nwhile True: pass"
        cluster.sandbox.start(_busy(number), [sys.executable, "-c", loop], namespace=victim)


def _uncrowd(cluster: Cluster, victim: str) -> None:
    loops = (cluster.sandbox.process(_busy(number)) for number in range(BUSY_LOOPS))
    processes.kill(one for one in loops if one is not None)
    for process in cluster.family(victim):
        _pin(process.pid, set(range(os.cpu_count() or 1)))


def _busy(number: int) -> str:
    return f"busy/{number}"


def _pin(pid: int, cores: set[int]) -> None:
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), cores)


FAULTS = (
    Fault(
        name="cut",
        title="Link cut",
        what="its cable is cut at the switch: neither side sees a link go down",
        hurt=lambda cluster, victim: cluster.cut(victim),
        mend=lambda cluster, victim: cluster.heal(victim),
    ),
    Fault(
        name="sigkill",
        title="SIGKILL",
        what="all processes of the product on it are killed at once; the host lives",
        hurt=lambda cluster, victim: cluster.kill(victim),
        mend=lambda cluster, victim: cluster.start(victim),
    ),
    Fault(
        name="sigstop",
        title="SIGSTOP for 10 s",
        what=f"all processes of the product on it hang for {SIGSTOP_LASTS:g} s, and go on then",
        hurt=_hang,
        lasts=SIGSTOP_LASTS,
    ),
    Fault(
        name="stop",
        title="Graceful stop",
        what="the product is stopped there by SIGTERM",
        hurt=lambda cluster, victim: cluster.stop(victim),
        mend=lambda cluster, victim: cluster.start(victim),
    ),
    Fault(
        name="half",
        title="Half of the nodes at once",
        what="its cable and those of others are cut together, half of all nodes, rounded up",
        hurt=_cut_half,
        mend=_heal_half,
        hurts=half,
    ),
    Fault(
        name="rolling",
        title="Rolling restart",
        what="one node after the other is stopped by SIGTERM and started again, the next one when all is well",
        hurt=_restart_all,
        hurts=lambda nodes, _: tuple(nodes),
    ),
    Fault(
        name="api",
        title="Link cut while the API server is away",
        what="its cable is cut while nothing of the control plane is there any more",
        hurt=lambda cluster, victim: cluster.cut(victim),
        mend=lambda cluster, victim: cluster.heal(victim),
        before=lambda cluster: cluster.take_api_away(),
        after=lambda cluster: cluster.bring_api_back(),
        needs_api=True,
    ),
    Fault(
        name="loss",
        title="20 % loss",
        what=f"{LOSS_PERCENT:g} % of the frames from it and to it are lost at random, the client's too",
        hurt=lambda cluster, victim: cluster.lose(victim, LOSS_PERCENT),
        mend=lambda cluster, victim: cluster.lose(victim, 0),
        needed_moves=0,
        hurts=lambda _, __: (),
    ),
    Fault(
        name="crowded",
        title="One core pinned",
        what=f"its processes share one core with {BUSY_LOOPS} busy loops of niceness 0",
        hurt=_crowd,
        mend=_uncrowd,
        takes_machine=True,
        needed_moves=0,
        hurts=lambda _, __: (),
    ),
)


def find(name: str) -> Fault:
    return next(one for one in FAULTS if one.name == name)
