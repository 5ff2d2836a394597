"""What is told of one BGP peer: how its session is, what both sides agreed on, and what went over it."""

from __future__ import annotations

from itertools import islice
from operator import itemgetter
from typing import Any

from announce import bfd, bgp
from announce.bgp.received import AdjRibIn
from swimlb.model import IpAddress
from swimlb.wire.bfd import BfdView
from swimlb.wire.peers import ROUTES_TOLD_MAX, PeerView

_SENT = {
    bgp.MessageType.OPEN: "opens_sent",
    bgp.MessageType.NOTIFICATION: "notifications_sent",
    bgp.MessageType.KEEPALIVE: "keepalives_sent",
}
_RECEIVED = {
    bgp.MessageType.OPEN: "opens_received",
    bgp.MessageType.UPDATE: "updates_received",
    bgp.MessageType.NOTIFICATION: "notifications_received",
    bgp.MessageType.KEEPALIVE: "keepalives_received",
}

_RECEIVED_OCTETS_MAX = 128 * 1024
"""Of the routes of one peer that are told: half of what one record may have."""
_ROUTE_OCTETS = 100
"""Of one route, packed, without what it has many of; rather more."""
_VALUES_MAX = 100
"""Of the AS path and of the communities of one route."""


def peer_entry(name: str, view: PeerView) -> dict[str, Any]:
    status = view.status
    entry: dict[str, Any] = {
        "peer": name,
        "address": view.settings.interface
        if view.address is None
        else endpoint(view.address, view.settings.peer_port),
        "state": "idle",
        "since": None,
        "last_error": view.obstacle or None,
        "routes": [],
        "route_count": 0,
        "received": None,
        "session": None,
        "counters": None,
        "bfd": None if view.watch is None else _watch(view.watch),
    }
    if status is None:
        return entry
    return {
        **entry,
        "state": status.state.name.lower(),
        "since": status.since,
        "last_error": None if status.last_end is None else str(status.last_end),
        "routes": sorted(str(route.prefix) for route in status.advertised),
        "route_count": status.advertised_count,
        "received": None if view.received is None else _received(view.received),
        "session": None if status.session is None else _session(status.session),
        "counters": _counters(status),
    }


def _received(routes: AdjRibIn) -> list[dict[str, Any]]:
    """As many as fit: what a router sends is as long as it likes, and the whole entry is one record."""
    told: list[dict[str, Any]] = []
    room = _RECEIVED_OCTETS_MAX
    for prefix, attributes in islice(routes.routes(), ROUTES_TOLD_MAX):
        asns = (asn for segment in attributes.as_path or () for asn in segment.asns)
        as_path = list(islice(asns, _VALUES_MAX))
        communities = [f"{high}:{low}" for high, low in islice(attributes.communities, _VALUES_MAX)]
        room -= _ROUTE_OCTETS + 5 * len(as_path) + 12 * len(communities)
        if room < 0:
            break
        told.append(
            {
                "prefix": str(prefix),
                "as_path": as_path,
                "med": attributes.med,
                "communities": communities,
            }
        )
    return sorted(told, key=itemgetter("prefix"))


def _session(session: bgp.SessionEstablished) -> dict[str, Any]:
    return {
        "local_address": str(session.local_address),
        "router_id": str(session.router_id),
        "remote_asn": session.remote_asn,
        "remote_router_id": str(session.remote_router_id),
        "is_inbound": session.is_inbound,
        "hold_time": session.hold_time,
        "families": sorted(map(str, session.families)),
        "has_four_octet_asn": session.is_four_octet_as,
        "has_graceful_restart": session.has_graceful_restart,
        "has_extended_next_hop": session.has_extended_next_hop,
        "has_extended_messages": session.has_extended_messages,
        "has_enhanced_refresh": session.has_enhanced_refresh,
    }


def _counters(status: bgp.PeerStatus) -> dict[str, int]:
    return {
        "routes_waiting": status.waiting_count,
        "routes_received": status.routes_received,
        "updates_sent": status.updates_sent,
        "messages_sent": sum(status.sent.values()),
        "messages_received": sum(status.received.values()),
        **{name: status.sent.get(kind, 0) for kind, name in _SENT.items()},
        **{name: status.received.get(kind, 0) for kind, name in _RECEIVED.items()},
        "sessions_established": status.sessions_established,
        "sessions_lost": status.sessions_lost,
    }


def _watch(view: BfdView) -> dict[str, Any]:
    status = view.status
    return {
        "state": status.state.name.lower(),
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
