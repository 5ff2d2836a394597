"""FRR's language: bgpd.conf from the common description of a router, and the common records from its JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from swimlb.lab.router import FAMILIES, Neighbour, NeighbourState, Path, RouterConfig, as_numbers

_GROUP = "NODES"
_NOTIFICATION = re.compile(
    r"%NOTIFICATION: received from neighbor (?P<address>\S+) \d+/\d+ \((?P<reason>[^)]*)\)"
    r"(?: \"(?P<text>[^\"\n]*)\")?"
)


def frr_text(config: RouterConfig) -> str:
    """bgpd.conf. A neighbour whose address is a network makes any node of it one."""
    lines = [
        f"router bgp {config.asn}",
        f" bgp router-id {config.router_id}",
        " no bgp ebgp-requires-policy",
        " no bgp default ipv4-unicast",
        " no bgp network import-check",
        " bgp log-neighbor-changes",
        f" timers bgp {config.keepalive} {config.hold_time}",
    ]
    if any(neighbour.helps_restart for neighbour in config.neighbours):
        lines.append(" bgp graceful-restart restart-time 60")
    names = {id(one): _GROUP if "/" in one.address else one.address for one in config.neighbours}
    for neighbour in config.neighbours:
        lines += _neighbour(neighbour, names[id(neighbour)])
    for family in FAMILIES:
        lines.append(f" address-family {family} unicast")
        lines.append(f"  maximum-paths {config.paths_max}")
        lines += [f"  network {prefix}" for prefix in config.announced(family)]
        for neighbour in config.neighbours:
            if family in neighbour.families:
                name = names[id(neighbour)]
                lines.append(f"  neighbor {name} activate")
                if neighbour.max_prefixes is not None:
                    lines.append(f"  neighbor {name} maximum-prefix {neighbour.max_prefixes}")
        lines.append(" exit-address-family")
    return "\n".join(lines) + "\n"


def _neighbour(neighbour: Neighbour, name: str) -> Iterator[str]:
    if "/" in neighbour.address:
        yield f" neighbor {name} peer-group"
        yield f" neighbor {name} remote-as {neighbour.asn}"
        yield f" bgp listen range {neighbour.address} peer-group {name}"
    else:
        yield f" neighbor {name} remote-as {neighbour.asn}"
    if neighbour.is_passive:
        yield f" neighbor {name} passive"
    if neighbour.password is not None:
        yield f" neighbor {name} password {neighbour.password}"
    if neighbour.multihop is not None:
        yield f" neighbor {name} ebgp-multihop {neighbour.multihop}"
    if neighbour.has_ttl_security:
        yield f" neighbor {name} ttl-security hops 1"
    if neighbour.has_extended_next_hop:
        yield f" neighbor {name} capability extended-nexthop"
    if neighbour.helps_restart:
        yield f" neighbor {name} graceful-restart-helper"
    if neighbour.role is not None:
        yield f" neighbor {name} local-role {neighbour.role}"
    if neighbour.bfd is not None:
        timers = neighbour.bfd
        yield f" neighbor {name} bfd {timers.detect_multiplier} {timers.interval_ms} {timers.interval_ms}"


def read_neighbour(record: dict[str, Any], address: str, log: str) -> NeighbourState:
    """A neighbour in the answer to `show bgp neighbors json`; an empty record is one that has never called.

    Why its session ended is read from bgpd's log: the answer forgets it as soon as next hops are looked up again.
    """
    told = [found for found in _NOTIFICATION.finditer(log) if found["address"] == address]
    state = record.get("bgpState", "Idle")
    return NeighbourState(
        state=state,
        is_established=state == "Established",
        last_error=told[-1]["reason"] if told else "",
        communication=(told[-1]["text"] or "") if told else "",
    )


def read_detection_time(peers: list[dict[str, Any]], address: str) -> float | None:
    """A session in the answer to `show bfd peers json`, whose intervals are milliseconds (RFC 5880 section 6.8.4)."""
    for peer in peers:
        if peer["peer"] == address and peer["status"] == "up":
            interval_ms = max(peer["receive-interval"], peer["remote-transmit-interval"])
            return float(peer["remote-detect-multiplier"] * interval_ms) / 1000
    return None


def read_table(routes: dict[str, Any]) -> dict[str, tuple[Path, ...]]:
    """The `routes` of `show bgp FAMILY unicast json detail`: about a prefix first itself, then its paths."""
    found = {
        prefix: tuple(_path(one) for one in entries if "peer" in one and "local" not in one)
        for prefix, entries in routes.items()
    }
    return {prefix: paths for prefix, paths in found.items() if paths}


def _path(record: Any) -> Path:
    """Of two next hops of IPv6 the global one is named first."""
    return Path(
        neighbour=record["peer"]["peerId"],
        next_hop=record["nexthops"][0]["ip"],
        as_path=as_numbers(record["aspath"]["string"]) if record["aspath"]["string"] != "Local" else (),
        origin=record["origin"].lower(),
        med=record.get("metric"),
        local_pref=record.get("locPrf"),
        communities=frozenset((one[0], one[1]) for one in _communities(record, "community")),
        large_communities=frozenset(
            (one[0], one[1], one[2]) for one in _communities(record, "largeCommunity")
        ),
        is_stale=record.get("stale", False),
    )


_WELL_KNOWN = {"graceful-shutdown": "65535:0", "no-export": "65535:65281", "no-advertise": "65535:65282"}


def _communities(record: Any, kind: str) -> Iterator[tuple[int, ...]]:
    """FRR writes well-known ones as words."""
    words: str = record[kind]["string"] if kind in record else ""
    for word in words.split():
        yield tuple(int(part) for part in _WELL_KNOWN.get(word, word).split(":"))
