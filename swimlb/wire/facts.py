"""What *wire* tells *watch* of its state: a flat table, one entry per thing, so that a change costs what it changes.

Keys are `gossip`, `member/NAME`, `l2/ADDRESS`, `bgp/PEER`, `withheld/SERVICE/BY` and `speaker`; values are what the status API
shows for it. They stand in `docs/reference/status-api.md`.
"""

from __future__ import annotations

from typing import Any

import msgpack

import membership as ml
from announce import bfd
from announce.l2 import Interface
from swimlb.model import IpAddress
from swimlb.speaker.core import Speaker
from swimlb.wire.bfd import BfdView
from swimlb.wire.lan import Lan
from swimlb.wire.peers import Peers, PeerView
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
    entries |= {f"bgp/{name}": _peer(name, view) for name, view in peers.views().items()}
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


def _peer(name: str, view: PeerView) -> dict[str, Any]:
    status = view.status
    where = (
        view.settings.interface if view.address is None else endpoint(view.address, view.settings.peer_port)
    )
    return {
        "peer": name,
        "address": where,
        "state": "idle" if status is None else status.state.name.lower(),
        "since": None if status is None else status.since,
        "last_error": view.obstacle
        or (None if status is None or status.last_end is None else str(status.last_end)),
        "routes": [] if status is None else sorted(str(route.prefix) for route in status.advertised),
        "bfd": None if view.watch is None else _watch(view.watch),
    }


def _watch(view: BfdView) -> dict[str, Any]:
    status = view.status
    return {
        "state": status.state.name.lower(),
        "since": status.since,
        "is_multihop": view.config.is_multihop,
        "problem": view.problem,
        "last_down": bfd.describe(status.diagnostic) if status.diagnostic else None,
        "transmit_interval": status.transmit_interval,
        "detection_time": status.detection_time,
        "is_echo_active": status.is_echo_active,
        "packets_sent": status.packets_sent,
        "packets_received": status.packets_received,
        "echo_sent": status.echo_sent,
        "echo_received": status.echo_received,
        "ups": status.ups,
        "downs": status.downs,
        "send_gap_max": status.send_gap_max,
        "receive_gap_max": status.receive_gap_max,
    }


def endpoint(address: IpAddress, port: int) -> str:
    """As it is written in URLs: brackets keep the port apart from an IPv6 address."""
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"
