"""How full a member is: what a metric shows, and what a simulation holds it to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepths:
    """A snapshot of `Memberlist.depths`; each field counts entries."""

    table: int
    """Members known, the dead and this one included."""
    broadcasts: int
    """News still to be gossiped: never more than one for each member."""
    suspicions: int
    probes: int
    """Our own questions without an answer so far."""
    relays: int
    """Questions asked for others."""
    streams: int
    reconnects: int
    """Addresses to be asked after, so that a cut ring heals."""
