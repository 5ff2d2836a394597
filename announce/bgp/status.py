"""How a peer is doing, for people and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from announce.bgp.effects import EndReason, SessionEstablished
from announce.bgp.messages import MessageType
from announce.bgp.routes import Route
from announce.bgp.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStatus:
    """Counts are those of all sessions since the start."""

    state: State
    since: float
    """When the state was entered, on the clock of `now`."""
    session: SessionEstablished | None
    """None unless Established."""
    advertised: tuple[Route, ...]
    """What the peer has been told, as far as it was asked for; all of it is gone where there is no session."""
    advertised_count: int
    waiting_count: int
    """Routes that are desired but not told: no session, a slow peer, or a family the session does not carry."""
    routes_received: int
    updates_sent: int
    received: Mapping[MessageType, int]
    sent: Mapping[MessageType, int]
    """Messages by their type; types that never came or went are left out."""
    sessions_established: int
    sessions_lost: int
    """Flaps: Established sessions that ended, but not by our stop."""
    last_end: EndReason | None
