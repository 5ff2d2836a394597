"""What a product costs each node while nothing happens: packets of its protocol, processor time, memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.matrix.cluster import Cluster
from bench.ring import pause
from swimlb.lab import namespaces
from swimlb.lab.resources import cpu_seconds
from swimlb.lab.topology import SWITCH, switch_port
from swimlb.runtime import clock

_TABLE = "bench_count"
PROTOCOLS: Mapping[str, tuple[str, ...]] = {
    "gossip": ("meta l4proto { tcp, udp } th dport 7946", "meta l4proto { tcp, udp } th sport 7946"),
    "VRRP": ("ether type ip ip protocol 112",),
    "ARP": ("ether type arp",),
    "BGP": ("tcp dport 179", "tcp sport 179"),
    "BFD": ("udp dport { 3784, 3785 }",),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one node, on average."""

    packets_per_second: float
    """Sent, of all its protocols, and of `by_protocol` each."""
    octets_per_second: float
    """With IP headers, without Ethernet's."""
    by_protocol: dict[str, float]
    cpu_percent: float
    """Of one core."""
    rss_mib: float
    pss_mib: float
    processes: float


@dataclass(frozen=True, slots=True)
class Traffic:
    packets: int
    octets: int


def at_rest(cluster: Cluster, duration: float) -> Cost:
    """Let time pass, and see. Nobody probes meanwhile, nor asks."""
    switch = cluster.sandbox.namespace(SWITCH)
    namespaces.run(namespaces.execute(switch, "nft", "-f", "-"), stdin=ruleset(cluster.nodes))
    try:
        before, cpu, begun = _traffic(switch), cpu_seconds(_pids(cluster)), clock.monotonic()
        pause(duration)
        after, cpu_after, elapsed = _traffic(switch), cpu_seconds(_pids(cluster)), clock.monotonic() - begun
    finally:
        namespaces.run(namespaces.execute(switch, "nft", "delete", "table", "bridge", _TABLE))
    per_node = 1 / elapsed / len(cluster.nodes)
    sent = {name: (after[name].packets - before[name].packets) * per_node for name in after}
    octets = sum(after[name].octets - before[name].octets for name in after)
    memory = [read_memory(Path(f"/proc/{pid}/smaps_rollup").read_text()) for pid in _pids(cluster)]
    return Cost(
        packets_per_second=sum(sent.values()),
        octets_per_second=octets * per_node,
        by_protocol={name: rate for name, rate in sent.items() if rate},
        cpu_percent=100 * (cpu_after - cpu) * per_node,
        rss_mib=sum(rss for rss, _ in memory) / len(cluster.nodes),
        pss_mib=sum(pss for _, pss in memory) / len(cluster.nodes),
        processes=len(memory) / len(cluster.nodes),
    )


def ruleset(nodes: Iterable[str]) -> str:
    """nftables: what enters the switch from nodes, each frame once, by protocol."""
    ports = ", ".join(f'"{switch_port(node)}"' for node in nodes)
    lines = [f"table bridge {_TABLE} {{"]
    lines += [f"  counter {name} {{}}" for name in PROTOCOLS]
    lines += ["  chain enter {", "    type filter hook prerouting priority -200; policy accept;"]
    for name, matches in PROTOCOLS.items():
        lines += [f"    iifname {{ {ports} }} {match} counter name {name} accept" for match in matches]
    return "\n".join([*lines, "  }", "}", ""])


def read_counters(answer: Mapping[str, Any]) -> dict[str, Traffic]:
    """What `nft -j list counters` says."""
    counters = (one["counter"] for one in answer["nftables"] if "counter" in one)
    return {one["name"]: Traffic(one["packets"], one["bytes"]) for one in counters}


def _traffic(switch: str) -> dict[str, Traffic]:
    command = ("nft", "-j", "list", "counters", "table", "bridge", _TABLE)
    return read_counters(json.loads(namespaces.run(namespaces.execute(switch, *command))))


def _pids(cluster: Cluster) -> list[int]:
    return [process.pid for node in cluster.nodes for process in cluster.family(node)]


def read_memory(rollup: str) -> tuple[float, float]:
    """RSS and PSS in MiB, from /proc/PID/smaps_rollup."""
    kib = {
        words[0]: int(words[1])
        for line in rollup.splitlines()
        if (words := line.split())[1:2] and words[1].isdigit()
    }
    return kib["Rss:"] / 1024, kib["Pss:"] / 1024
