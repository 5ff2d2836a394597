"""What can be refused in layer 2, and whose fault it is."""

from __future__ import annotations

from announce.l2.effects import DropReason


class InvalidConfig(ValueError):
    """The operator's: a setting that cannot work. Raised before anything has started."""

    def __init__(self, field: str, hint: str) -> None:
        super().__init__(f"{field}: {hint}")
        self.field = field
        self.hint = hint


class MalformedFrame(ValueError):
    """A neighbor's: the frame is not what it claims to be. No state has changed."""

    def __init__(self, reason: DropReason) -> None:
        super().__init__(reason.value)
        self.reason = reason
