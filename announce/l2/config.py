"""Settings of the layer 2 responder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from announce.l2.errors import InvalidConfig
from announce.l2.interface import DEFAULT_EXCLUDED_INTERFACES


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    excluded_interfaces: tuple[str, ...] = DEFAULT_EXCLUDED_INTERFACES
    """Regular expressions, searched in the name; a match keeps the interface silent."""

    announce_at: tuple[float, ...] = (0.0, 0.05, 0.15, 1.1, 2.2, 3.3, 4.4)
    """When an address that was taken over is announced, counted from the takeover.

    The first three follow closely because one lost broadcast would cost every neighbor its connections until
    the next; the others are MetalLB's, for switches that learn slowly.
    """

    refresh_interval: float | None = 60.0
    """Announce again for ever, about this often, so that switches do not forget; None: never."""

    frames_per_second: float = 1000.0
    """Announcements leave an interface at most this fast: switches police ARP, often at about this rate."""

    frames_at_once: int = 500
    """So many may go at once after a silence: the addresses of an ordinary node move without any waiting."""

    reannounce_interval: float = 1.0
    """The takeover announcements of one address start over at most this often: two nodes in a quarrel stay polite."""

    defend_interval: float = 10.0
    """DEFEND_INTERVAL of RFC 5227 section 1.1."""

    filter_settle: float = 1.0
    """How long the kernel's filter stays wide open while addresses change, before it is built anew.

    To build a large one takes milliseconds, in which nobody is answered; open, every ARP frame of the LAN wakes the process.
    """

    reopen_interval: float = 1.0
    """How long an interface that could not be opened is left alone."""

    complaint_interval: float = 60.0
    """The same failure of the same interface is told at most this often: it may come with every frame."""

    def __post_init__(self) -> None:
        for pattern in self.excluded_interfaces:
            try:
                re.compile(pattern)
            except re.error as error:
                raise InvalidConfig(
                    "excluded_interfaces", f"{pattern!r} is no regular expression: {error}"
                ) from error
        if not self.announce_at or self.announce_at[0] != 0.0:
            raise InvalidConfig("announce_at", "begin with 0.0, the announcement at the takeover itself")
        if any(later <= earlier for earlier, later in pairwise(self.announce_at)):
            raise InvalidConfig("announce_at", "put the times in ascending order, each once")
        if self.refresh_interval is not None and self.refresh_interval < 1.0:
            raise InvalidConfig("refresh_interval", "choose at least 1.0, or None for no refresh")
        if self.frames_per_second <= 0.0:
            raise InvalidConfig("frames_per_second", "choose a value above 0")
        if self.frames_at_once < 2:
            raise InvalidConfig("frames_at_once", "choose at least 2: an announcement is two frames")
        for field in (
            "reannounce_interval",
            "defend_interval",
            "filter_settle",
            "reopen_interval",
            "complaint_interval",
        ):
            if getattr(self, field) < 0.0:
                raise InvalidConfig(field, "choose 0 or more")
