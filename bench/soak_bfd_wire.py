"""The node's side of `bench.soak_bfd`: BGP and BFD as *wire* runs them, in a process of its own.

    python -m bench.soak_bfd_wire ROUTER NODE [PREFIXES]

With PREFIXES, so many routes change their MED every few seconds. Tells on standard output once a second how it is.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, ip_address
from pathlib import Path

from announce.bgp import Route, RouteAttributes
from swimlb.model import BfdProfile, BgpPeer
from swimlb.observe.logs import configure
from swimlb.runtime.garbage import GarbageKeeper
from swimlb.runtime.priority import take_precedence
from swimlb.runtime.recorder import Recorder
from swimlb.runtime.urgency import Urgency
from swimlb.speaker import effects as fx
from swimlb.wire.peers import Peers

NAME = "router"
PROFILE = BfdProfile(name="fast", receive_interval_ms=50, transmit_interval_ms=50, detect_multiplier=3)
NODE_ASN, ROUTER_ASN = 64496, 64497
CHANGE_EVERY = 15
"""Seconds between two changes of all routes."""
_FIRST_PREFIX = int(IPv4Address("10.0.0.0"))


def routes(count: int, med: int) -> frozenset[Route]:
    shared = RouteAttributes(med=med)
    return frozenset(Route(IPv4Network((_FIRST_PREFIX + number, 32)), shared) for number in range(count))


async def main(router: str, node: str, prefixes: int) -> None:
    urgency = Urgency()
    if (refusal := take_precedence() or urgency.start()) is not None:
        sys.exit(f"this process may not go before others, as wire does: {refusal}")
    GarbageKeeper().start()
    # Made beforehand, since a speaker is given its routes a few at a time.
    variants = [routes(prefixes, med) for med in (10, 20)]
    peer = BgpPeer(
        name=NAME,
        my_asn=NODE_ASN,
        peer_asn=ROUTER_ASN,
        peer_address=ip_address(router),
        source_address=ip_address(node),
        bfd=PROFILE,
    )
    async with asyncio.TaskGroup() as tasks:
        peers = Peers(
            "node-a",
            random.Random(),
            Recorder(),
            configure("warning", process="wire"),
            lambda event: None,
            lambda: None,
            tasks,
            lambda address: True,
        )
        peers.perform(fx.StartPeer(peer))
        told, waited_max = frozenset[Route](), 0.0
        for second, variant in enumerate(_seconds(variants)):
            if second % CHANGE_EVERY == 0:
                peers.perform(fx.Advertise(NAME, added=variant, removed=told))
                told = variant
            waited = _waited()
            await asyncio.sleep(1.0)
            waited_max = max(waited_max, _waited() - waited)
            of_process = {"waited_max": waited_max, "times_given_up": urgency.times_given_up}
            print(json.dumps({**_told(peers), **of_process}), flush=True)


def _waited() -> float:
    """Seconds that this process has been ready to run so far, and something else ran."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


def _seconds(variants: list[frozenset[Route]]) -> Iterator[frozenset[Route]]:
    second = 0
    while True:
        yield variants[second // CHANGE_EVERY % len(variants)]
        second += 1


def _told(peers: Peers) -> dict[str, object]:
    view = peers.views()[NAME]
    assert view.status is not None
    assert view.watch is not None
    watch = view.watch.status
    return {
        "bgp": view.status.state.value,
        "lost": view.status.sessions_lost,
        "updates_sent": view.status.updates_sent,
        "bfd": watch.state.name,
        "downs": watch.downs,
        "sent": watch.packets_sent,
        "received": watch.packets_received,
        "send_gap_max": watch.send_gap_max,
        "receive_gap_max": watch.receive_gap_max,
    }


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if sys.argv[3:] else 1))
