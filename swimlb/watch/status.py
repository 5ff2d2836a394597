"""What the status API answers: the configuration as *watch* knows it, and the facts that *wire* has reported."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, cast

import msgpack

from swimlb.model import Problem
from swimlb.runtime import clock
from swimlb.runtime.replica import Batch
from swimlb.speaker.presence import Presence
from swimlb.speaker.rules import RuleOptions
from swimlb.watch.succession import successions
from swimlb.watch.world import World

SILENCE_MAX = 3.0
"""Seconds. *wire* tells something every second; one that does not is gone, or hangs."""


class Facts:
    """The last that was heard of *wire*."""

    def __init__(self, silence_max: float = SILENCE_MAX) -> None:
        self._silence_max = silence_max
        self._table: dict[str, dict[str, Any]] = {}
        self._heard_at: float | None = None

    def learn(self, batch: Batch) -> None:
        self._heard_at = clock.monotonic()
        for key in batch.removed:
            self._table.pop(key, None)
        for key, value in batch.put.items():
            self._table[key] = cast(dict[str, Any], msgpack.unpackb(value))

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [value for key, value in sorted(self._table.items()) if key.startswith(f"{kind}/")]

    def current(self) -> dict[str, dict[str, Any]]:
        """What is known to be so, in a copy; entries are replaced as a whole and never changed.

        Of a *wire* that is heard no more it is only that: its addresses may be another node's by now.
        """
        told = {} if self._is_silent else self._table
        return {**told, "speaker": self.speaker}

    @property
    def speaker(self) -> dict[str, Any]:
        """With the phase `silent` when *wire*, once heard, is heard no more."""
        told = self._table.get("speaker", {})
        return {**told, "phase": "silent", "pid": None} if self._is_silent else told

    @property
    def _is_silent(self) -> bool:
        return self._heard_at is not None and clock.monotonic() - self._heard_at > self._silence_max

    @property
    def gossip(self) -> dict[str, Any] | None:
        return self._table.get("gossip")

    @property
    def lan(self) -> dict[str, Any] | None:
        return self._table.get("lan")


def status(
    node: str,
    profile: str,
    pids: dict[str, int],
    world: World,
    problems: tuple[Problem, ...],
    facts: Facts,
    options: RuleOptions,
    source: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """`GET /v1/status`; described in `docs/reference/status-api.md`."""
    return {
        "node": node,
        "profile": profile,
        "phase": facts.speaker.get("phase", "starting"),
        "source": source,
        "processes": {**pids, "wire": facts.speaker.get("pid")},
        "gossip": facts.gossip,
        "lan": facts.lan,
        "members": facts.of_kind("member"),
        "services": _services(world),
        "l2": _addresses(node, world, facts, options),
        "bgp": [{**peer, "since": _moment(peer["since"])} for peer in facts.of_kind("bgp")],
        "withheld": facts.of_kind("withheld"),
        "problems": [asdict(problem) for problem in problems],
    }


def _addresses(node: str, world: World, facts: Facts, options: RuleOptions) -> list[dict[str, Any]]:
    presences = {entry["name"]: Presence.decode(entry["meta"]) for entry in facts.of_kind("presence")}
    found = successions(node, world.resolved.configuration, world.allocations, presences, options)
    by_text = {str(address): list(candidates) for address, candidates in found.items()}
    return [{**entry, "candidates": by_text.get(entry["address"], [])} for entry in facts.of_kind("l2")]


def _services(world: World) -> list[dict[str, Any]]:
    allocated: list[dict[str, Any]] = [
        {
            "namespace": entry.service.namespace,
            "name": entry.service.name,
            "addresses": [str(address) for address in entry.addresses],
            "pool": entry.pool,
            "state": "allocated",
            "reason": entry.reason or None,
        }
        for entry in world.allocations
    ]
    pending: list[dict[str, Any]] = [
        {
            "namespace": entry.service.namespace,
            "name": entry.service.name,
            "addresses": [],
            "pool": None,
            "state": "pending",
            "reason": entry.reason,
        }
        for entry in world.pending
    ]
    return sorted(allocated + pending, key=lambda service: (service["namespace"], service["name"]))


def _moment(monotonic: float | None) -> str | None:
    """*wire* tells moments on the host's monotonic clock; people want the time of day."""
    if monotonic is None:
        return None
    seconds = clock.wall() - (clock.monotonic() - monotonic)
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
