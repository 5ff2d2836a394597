"""One contender on its network, whose nodes are hurt one after the other before the eyes of clients and referee."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from random import Random

from bench.matrix.cluster import PORT, Cluster, LanCluster
from bench.matrix.faults import Fault
from bench.matrix.judge import Run, Seen, judged
from bench.matrix.questions import Asking
from bench.matrix.routed import some
from bench.ring import pause
from swimlb.lab.observers import LoadRun, ProbeRun, Referee
from swimlb.lab.prober import INTERVAL, SETTLED_AFTER
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock

STREAMS = 20
STREAM_INTERVAL = 0.25
SAMPLED = 4
"""So many addresses are probed where there are many, each a few times more seldom than the only one would be."""
_FLOWS = 8
"""Of them, where a router shares flows among the nodes: some will be the victim's."""
_STEADY_FOR = 1.0
_SETTLE_WITHIN = 30.0
_CALM = 0.5


class Scene:
    def __init__(self, cluster: Cluster, window: float) -> None:
        self.cluster = cluster
        self._window = window

    def suffer(self, fault: Fault, rng: Random) -> Run:
        """The node that answers the client suffers it. All has to be well, and is so again when this returns."""
        cluster = self.cluster
        with ExitStack() as stack:
            sampled = self._sampled()
            interval = INTERVAL * min(len(sampled), SAMPLED)
            probes = [
                stack.enter_context(ProbeRun(cluster.sandbox, address, PORT, cluster.client, interval))
                for address in sampled
            ]
            load = LoadRun(
                cluster.sandbox,
                sampled,
                PORT,
                streams=STREAMS,
                rate=0.0,
                interval=STREAM_INTERVAL,
                client=cluster.client,
            )
            stack.enter_context(load)
            referee = self._referee(stack, sampled)
            victim = _answering(probes[0])
            watched = [one for one in probes if _answering(one) == victim]
            pause(rng.uniform(0.0, 1.0))
            begun = clock.monotonic()
            fault.hurt(cluster, victim)
            ended = max(begun + self._window + fault.lasts, clock.monotonic())
            pause(max(0.0, ended + SETTLED_AFTER - clock.monotonic()))
            fault.mend(cluster, victim)
            cluster.rest()
            pause(_CALM)
            well = clock.monotonic()
            pause(SETTLED_AFTER)
            load.stop()
        return judged(
            Seen(
                begun=begun,
                ended=ended,
                well=well,
                recordings={one.address: one.recording() for one in watched},
                lateness=max(one.lateness(begun, ended) for one in watched),
                claims=() if referee is None else referee.claims(),
                connections=load.connections(),
                victim=victim,
                owners=self._owners(),
                hurt={cluster.mac(node) for node in fault.hurts(cluster.nodes, victim)},
                needed_moves=fault.needed(nodes=len(cluster.nodes), is_routed=cluster.is_routed),
            )
        )

    def _sampled(self) -> tuple[str, ...]:
        """The addresses that are probed: of one node, where each has its own."""
        cluster = self.cluster
        if not isinstance(cluster, LanCluster):
            return some(cluster.addresses, _FLOWS)
        first = cluster.owner(cluster.addresses[0])
        return some([one for one in cluster.addresses if cluster.owner(one) == first], SAMPLED)

    def _referee(self, stack: ExitStack, sampled: Sequence[str]) -> Referee | None:
        if not isinstance(self.cluster, LanCluster):
            return None
        referee = stack.enter_context(Referee(self.cluster.sandbox))
        stack.enter_context(Asking(self.cluster.questions(), sampled))
        return referee

    def _owners(self) -> dict[str, str]:
        cluster = self.cluster
        if not isinstance(cluster, LanCluster):
            return {}
        return {address: cluster.mac(cluster.owner(address)) for address in cluster.addresses}


def _answering(probes: ProbeRun) -> str:
    """Who has answered for a while, alone."""
    return wait_until(
        lambda: probes.answering(_STEADY_FOR),
        timeout=_SETTLE_WITHIN,
        what="steady answers",
        seen=probes.answering,
        interval=0.1,
    )
