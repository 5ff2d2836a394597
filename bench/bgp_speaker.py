"""A BGP speaker of ours for the benchmark: one peer with many routes, in a process of its own, told by lines on stdin.

    python -m bench.bgp_speaker --router ADDRESS --source ADDRESS --count N

`count` tells what it has sent as a line of JSON; `add PREFIX` announces one more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from ipaddress import ip_address, ip_network

from announce.bgp import (
    CloseConnection,
    Connect,
    Effect,
    Event,
    Peer,
    PeerConfig,
    Route,
    RouteAttributes,
    RoutesChanged,
    RoutesUpdated,
    Send,
    Started,
)
from announce.net.tcp import PeerConnections
from swimlb.runtime.driver import Driver
from swimlb.runtime.recorder import Recorder

NODE_ASN, ROUTER_ASN = 64496, 64497
_FIRST = int(ip_address("198.18.0.0"))
COUNT_MAX = 1 << 17
"""Host routes in 198.18.0.0/15, the network for benchmarks (RFC 2544)."""


def prefixes(count: int) -> list[str]:
    assert count <= COUNT_MAX
    return [f"{ip_address(_FIRST + number)}/32" for number in range(count)]


def _routes(*wanted: str) -> frozenset[Route]:
    shared = RouteAttributes()
    return frozenset(Route(ip_network(prefix), shared) for prefix in wanted)


async def _run(router: str, source: str, count: int) -> None:
    config = PeerConfig(
        local_asn=NODE_ASN,
        peer_asn=ROUTER_ASN,
        peer_address=ip_address(router),
        source_address=ip_address(source),
        connect_retry=(0.2,),
    )
    peer = Peer(config, random.Random(1))
    octets = 0
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with asyncio.TaskGroup() as tasks:
        connections = PeerConnections(lambda event: driver.feed(event), tasks)  # noqa: PLW0108 - the driver comes later

        def perform(effect: Effect) -> None:
            nonlocal octets
            if isinstance(effect, Send):
                octets += len(effect.data)
            if isinstance(effect, Connect | Send | CloseConnection):
                connections.perform(effect)

        driver: Driver[Event, Effect] = Driver("bgp", peer, perform, Recorder())
        driver.feed(RoutesChanged(_routes(*prefixes(count))))
        driver.feed(Started())
        print("ready", flush=True)
        while line := await lines.readline():
            match line.decode().split():
                case ["add", prefix]:
                    driver.feed(RoutesUpdated(_routes(prefix), frozenset()))
                case _:
                    sent = {"updates": peer.status().updates_sent, "octets": octets}
                    print(json.dumps(sent), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--router", required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--count", type=int, required=True)
    options = parser.parse_args()
    asyncio.run(_run(options.router, options.source, options.count))


if __name__ == "__main__":
    main()
