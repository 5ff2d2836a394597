"""Which nodes have no ready endpoint for which Services, as they tell by gossip: by Service, where presences are by node."""

from __future__ import annotations

from collections.abc import Set

from swimlb.speaker.presence import Presence, service_id

_NOBODY: frozenset[str] = frozenset()


class Unreadiness:
    """The presences of all nodes turned round."""

    def __init__(self) -> None:
        self._ids: dict[str, bytes] = {}
        self._services: dict[bytes, set[str]] = {}
        """The inverse of `_ids`: several Services may share one."""
        self._told: dict[str, Presence] = {}
        """Nodes that are unready for something."""
        self._nodes: dict[bytes, set[str]] = {}
        self._unready_for_all: set[str] = set()

    def know(self, service: str) -> None:
        """There is such a Service."""
        if service not in self._ids:
            self._ids[service] = name = service_id(service)
            self._services.setdefault(name, set()).add(service)

    def forget(self, service: str) -> None:
        name = self._ids.pop(service, None)
        if name is not None:
            self._services[name].discard(service)
            if not self._services[name]:
                del self._services[name]

    def note(self, node: str, presence: Presence | None) -> tuple[list[str], bool]:
        """What a node says now; None: it is gone. Gives the Services that it matters to, and whether to all."""
        before = self._told.pop(node, None)
        old = before.unready if before is not None else frozenset[bytes]()
        new = presence.unready if presence is not None else frozenset[bytes]()
        for name in old - new:
            self._nodes[name].discard(node)
            if not self._nodes[name]:
                del self._nodes[name]
        for name in new - old:
            self._nodes.setdefault(name, set()).add(node)
        was_for_all = node in self._unready_for_all
        self._unready_for_all.discard(node)
        if presence is not None and (new or presence.is_unready_for_all):
            self._told[node] = presence
            if presence.is_unready_for_all:
                self._unready_for_all.add(node)
        touched = [service for name in sorted(old ^ new) for service in sorted(self._services.get(name, ()))]
        return touched, was_for_all != (node in self._unready_for_all)

    def unready_for(self, service: str) -> Set[str]:
        """Nodes that do not serve it. Whoever reads it must not change it."""
        if not self._told:
            return _NOBODY
        own = self._nodes.get(self._ids[service], _NOBODY)
        return own | self._unready_for_all if self._unready_for_all else own
