"""What has been done for an address."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Tally:
    """What has been done for one announced address, on all interfaces."""

    requests_answered: int = 0
    announcements_sent: int = 0
