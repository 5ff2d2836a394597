"""A member's machine: whether it runs, by which clock, and what waits in its sockets."""

from __future__ import annotations

from dataclasses import dataclass, field

from membership import Config, Endpoint, Event, Memberlist

_SOCKET_BUFFER_EVENTS = 2048
"""About what Linux's default receive buffer holds of packets of this size."""


@dataclass(slots=True, eq=False)
class Host:
    """Its clock starts at `started` and runs `clock_rate` times as fast as the simulation's."""

    config: Config
    memberlist: Memberlist
    started: float
    clock_rate: float = 1.0
    generation: int = 0
    """How often it has begun anew, without memory."""
    is_up: bool = True
    is_paused: bool = False
    resumes_at: float = 0.0
    wake_at: float | None = None
    """In the simulation's time: the one wake-up on the agenda that counts."""
    inbox: list[Event] = field(default_factory=list[Event])
    endpoint: Endpoint = field(init=False)

    def __post_init__(self) -> None:
        self.endpoint = self.config.endpoint

    def clock(self, now: float) -> float:
        """What the member's own clock shows."""
        if self.clock_rate == 1.0:
            return now
        return self.started + (now - self.started) * self.clock_rate

    def when(self, reading: float) -> float:
        """The moment at which the member's clock shows this."""
        if self.clock_rate == 1.0:
            return reading
        return self.started + (reading - self.started) / self.clock_rate

    def buffer(self, event: Event) -> None:
        """What does not fit is lost, as in the kernel."""
        if len(self.inbox) < _SOCKET_BUFFER_EVENTS:
            self.inbox.append(event)
