"""What can go wrong in BFD, and whose fault it is."""

from __future__ import annotations


class PacketError(ValueError):
    """A packet breaks RFC 5880 section 6.8.6 and is discarded. No state has changed."""


class InvalidConfig(ValueError):
    """The operator's setting cannot work; nothing was built."""

    def __init__(self, field: str, hint: str) -> None:
        self.field = field
        self.hint = hint
        super().__init__(f"{field}: {hint}")
