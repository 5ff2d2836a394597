"""What the lab and `detour_server` say to each other."""

from __future__ import annotations

import msgspec

SOCKET = "detour.sock"
"""In the control plane's directory."""


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes wrong on the way. By default nothing does."""

    delay: float = 0.0
    """Seconds that each request waits before it is passed on."""
    refused_percent: float = 0.0
    """So many requests are answered with 429, as a busy API server does, and not passed on."""
    watch_lifetime: float | None = None
    """Seconds after which the connection of a watch breaks, in the middle of its answer."""
    is_silent: bool = False
    """Nothing comes back any more, and connections stay open: a half-open connection, as a firewall leaves it."""


class Tally(msgspec.Struct):
    """Requests that came, since the start, by verb and path without names: what a client has cost."""

    requests: dict[str, int] = {}
    refused: int = 0
    broken: int = 0

    def note(self, request: str) -> None:
        self.requests[request] = self.requests.get(request, 0) + 1
