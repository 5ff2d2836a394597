"""The profile in force: the configured one, or memberlist's LAN defaults while a member asks for them.

The first timer that runs out decides for the whole ring. A member of another implementation answers, refutes and
accuses at the pace of memberlist's defaults, so a quicker one would declare it dead for nothing. Who can keep our pace
says so by the first octets of its meta (`Config.capability_prefix`).
"""

from __future__ import annotations

from membership.config import Config, Profile, lan
from membership.effects import PaceChanged
from membership.members import Record, Table


class Pace:
    """Everything that needs a duration asks `profile` for it, each time."""

    def __init__(self, config: Config, table: Table) -> None:
        self._configured = config.profile
        self._prefix = config.capability_prefix
        self._slow: dict[str, None] = {}
        self._local = table.local
        self.profile: Profile = config.profile
        if self._prefix:
            for record in table:
                self.hear(record)
            self.settle()

    def hear(self, record: Record) -> None:
        """The member's state or meta has changed."""
        if record.is_member and record is not self._local and not record.meta.startswith(self._prefix):
            self._slow[record.name] = None
        else:
            self._slow.pop(record.name, None)

    def settle(self) -> PaceChanged | None:
        """Set the profile by what was heard. A profile without observers is memberlist's own, and stays."""
        profile = lan() if self._slow and self._configured.observers else self._configured
        if profile == self.profile:
            return None
        self.profile = profile
        return PaceChanged(profile.name, tuple(self._slow)[:1])
