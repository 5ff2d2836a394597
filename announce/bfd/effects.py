"""What a `Session` asks for or reports, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from announce.bfd.states import describe


@dataclass(frozen=True, slots=True)
class SendPacket:
    """A Control packet to the peer, at once. Nothing is told of its fate: silence is what BFD measures."""

    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SendEcho:
    """An Echo packet addressed to ourselves, by way of the peer (RFC 5881 section 4)."""

    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionUp:
    """Both directions work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDown:
    """A session that was Up is not any more."""

    diagnostic: int
    """Ours: why. With NEIGHBOR_SIGNALED_SESSION_DOWN, `remote_diagnostic` has the peer's reason."""
    remote_diagnostic: int = 0
    is_administrative: bool = False
    """The peer's operator ended it (AdminDown). That is no news about the path (RFC 5882 section 4.2)."""
    is_fate_shared: bool = True
    """The peer's C bit was clear: its routing protocol may just be restarting (RFC 5882 section 4.3)."""

    def __str__(self) -> str:
        words = describe(self.diagnostic)
        return f"{words} ({describe(self.remote_diagnostic)})" if self.remote_diagnostic else words


@dataclass(frozen=True, slots=True)
class TimingAgreed:
    """A Poll Sequence has ended: these intervals of ours, in microseconds, are in force."""

    desired_min_tx_us: int
    required_min_rx_us: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """What StopRequested asked for is done; the session does nothing more."""


Effect: TypeAlias = SendPacket | SendEcho | SessionUp | SessionDown | TimingAgreed | Stopped
