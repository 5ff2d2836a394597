"""The answer as JSON: an interface, described by docs/reference/plan.schema.json. Keys are only ever added."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from swimlb.allocator.counts import PoolCounts
from swimlb.model import Problem
from swimlb.planning.records import BgpEntry, L2Entry, Move, Outlook, ServiceOutlook, WithheldEntry


def document(outlook: Outlook, problems: Iterable[Problem]) -> dict[str, Any]:
    """`services`, `pools` and `problems`, and `moves` where a question was asked."""
    told: dict[str, Any] = {
        "services": [_service(service) for service in outlook.services],
        "pools": [_pool(pool) for pool in outlook.pools],
        "problems": [problem_document(problem) for problem in problems],
    }
    if outlook.moves is not None:
        told["moves"] = [_move(move) for move in outlook.moves]
    return told


def problem_document(problem: Problem) -> dict[str, Any]:
    return {
        "severity": str(problem.severity),
        "object": problem.object,
        "field": problem.field,
        "file": problem.file,
        "line": problem.line,
        "message": problem.message,
        "hint": problem.hint,
    }


def _service(service: ServiceOutlook) -> dict[str, Any]:
    return {
        "namespace": service.namespace,
        "name": service.name,
        "state": str(service.state),
        "reason": service.reason,
        "addresses": [str(address) for address in service.addresses],
        "pool": service.pool,
        "l2": [_l2(entry) for entry in service.l2],
        "bgp": [_bgp(entry) for entry in service.bgp],
        "withheld": [_withheld(entry) for entry in service.withheld],
    }


def _l2(entry: L2Entry) -> dict[str, Any]:
    return {
        "address": str(entry.address),
        "node": entry.node,
        "interfaces": ["*"] if entry.interfaces is None else list(entry.interfaces),
        "candidates": list(entry.candidates),
    }


def _bgp(entry: BgpEntry) -> dict[str, Any]:
    return {
        "prefix": str(entry.prefix),
        "peer": entry.peer,
        "nodes": list(entry.nodes),
        "localPref": entry.local_pref,
        "communities": list(entry.communities),
        "largeCommunities": list(entry.large_communities),
    }


def _withheld(entry: WithheldEntry) -> dict[str, Any]:
    return {"by": entry.by, "node": entry.node, "reason": entry.reason}


def _pool(pool: PoolCounts) -> dict[str, Any]:
    return {
        "name": pool.pool,
        "assignedIPv4": pool.assigned_ipv4,
        "availableIPv4": pool.available_ipv4,
        "assignedIPv6": pool.assigned_ipv6,
        "availableIPv6": pool.available_ipv6,
    }


def _move(move: Move) -> dict[str, Any]:
    return {
        "address": str(move.address),
        "from": move.source,
        "to": move.target,
        "service": move.service,
    }
