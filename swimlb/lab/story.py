"""What a demo was: its figures, and everything that was seen on the way, ready to be drawn."""

from __future__ import annotations

from dataclasses import dataclass, field

from swimlb.lab.measure import Claim, Recording
from swimlb.lab.observers import RouteSample


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure of the play, and the bound it was held to."""

    step: int
    what: str
    value: str
    bound: str = ""
    """Empty: told, not judged."""
    holds: bool = True


@dataclass(frozen=True, slots=True)
class Marker:
    """Something that was done to the lab."""

    time: float
    text: str


@dataclass(frozen=True, slots=True)
class Track:
    """One L2 address, as the client and the switch saw it."""

    address: str
    recording: Recording
    claims: tuple[Claim, ...] = ()
    """Of this address only."""


@dataclass(frozen=True, slots=True)
class Closeup:
    """A stretch of a track worth seeing probe by probe."""

    address: str
    begin: float
    end: float
    title: str


@dataclass(slots=True)
class Story:
    """Filled in as the play goes, so that one that failed can be told too."""

    nodes: dict[str, str] = field(default_factory=dict[str, str])
    """Node name -> its address on the LAN, which is also its next hop."""
    macs: dict[str, str] = field(default_factory=dict[str, str])
    """MAC -> node name."""
    facts: list[Fact] = field(default_factory=list[Fact])
    markers: list[Marker] = field(default_factory=list[Marker])
    closeups: list[Closeup] = field(default_factory=list[Closeup])
    tracks: list[Track] = field(default_factory=list[Track])
    prefix: str | None = None
    """The BGP route that was watched."""
    routes: tuple[RouteSample, ...] = ()
    begin: float = 0.0
    end: float = 0.0

    @property
    def has_held(self) -> bool:
        """Every figure is within its bound."""
        return bool(self.facts) and all(fact.holds for fact in self.facts)

    @property
    def is_disturbed(self) -> bool:
        """A prober was late: the machine was too busy for its figures to mean much."""
        return any(track.recording.is_disturbed for track in self.tracks)
