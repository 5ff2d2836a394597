"""What *wire* tells *watch* of its state: a flat table, one entry per thing, so that a change costs what it changes.

Keys are `gossip`, `member/NAME`, `l2/ADDRESS`, `bgp/PEER`, `withheld/SERVICE/BY` and `speaker`; values are what the status API
shows for it. They stand in `docs/reference/status-api.md`.
"""

from __future__ import annotations

from typing import Any

import msgpack

import membership as ml
from announce.l2 import Interface
from swimlb.model import IpAddress
from swimlb.speaker.core import Speaker
from swimlb.wire.lan import Lan
from swimlb.wire.peer_facts import peer_entry
from swimlb.wire.peers import Peers
from swimlb.wire.ring import Ring


def table(speaker: Speaker, ring: Ring, lan: Lan, peers: Peers, process: dict[str, Any]) -> dict[str, bytes]:
    """Everything, as of now."""
    entries: dict[str, dict[str, Any]] = {"speaker": {"phase": speaker.phase.name.lower(), **process}}
    if (metrics := ring.metrics()) is not None:
        entries["gossip"] = _gossip(metrics)
    deaf = speaker.inventory.deaf
    entries |= {
        f"member/{member.name}": _member(member, deaf.get(member.name, ())) for member in ring.members()
    }
    entries |= {f"l2/{address}": _address(address, speaker, lan) for address in speaker.plan.duties}
    entries |= {f"bgp/{name}": peer_entry(name, view) for name, view in peers.views().items()}
    entries |= {
        f"withheld/{entry.service}/{entry.by}": {
            "service": entry.service,
            "by": entry.by,
            "reason": str(entry.reason),
        }
        for entry in speaker.withheld
    }
    return {key: msgpack.packb(value, use_bin_type=True) for key, value in entries.items()}


def _gossip(metrics: ml.Metrics) -> dict[str, Any]:
    return {
        "profile": metrics.profile,
        "awareness": metrics.awareness,
        "rtt_mean": metrics.rtt_mean,
        "rtt_max": metrics.rtt_max,
        "suspicions": metrics.suspicions,
        "failures": metrics.failures,
        "refutations": metrics.refutations,
        "lateness_max": metrics.lateness_max,
        "dropped": sum(metrics.drops.values()),
    }


def _member(member: ml.Member, deaf_to: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": member.name,
        "address": member.address,
        "port": member.port,
        "state": member.state.name.lower(),
        "incarnation": member.incarnation,
        "deaf_to": list(deaf_to),
    }


def _address(address: IpAddress, speaker: Speaker, lan: Lan) -> dict[str, Any]:
    duty = speaker.plan.duties[address]
    is_announced_here = address in speaker.announced
    squatter = speaker.squatters.get(address)
    return {
        "address": str(address),
        "owner": duty.owner,
        "candidates": list(duty.candidates),
        "is_announced_here": is_announced_here,
        "interfaces": [_interface(interface) for interface in lan.interfaces_of(address)]
        if is_announced_here
        else [],
        "in_use_by": None if squatter is None else {"mac": squatter.mac, "interface": squatter.interface},
    }


def _interface(interface: Interface) -> dict[str, Any]:
    return {"name": interface.name, "mac": interface.mac.hex(":")}
