"""The exceptions of this package: one for the wire's faults, one for the operator's."""

from __future__ import annotations


class DecodeError(Exception):
    """A remote system sent bytes that are not memberlist's protocol. Nothing has changed by them.

    `reason` is short and machine-readable (`crc-mismatch`), fit for a metric's label.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class InvalidConfig(ValueError):
    """The operator chose a value that cannot work. Raised before anything has started."""

    def __init__(self, field: str, hint: str) -> None:
        super().__init__(f"{field}: {hint}")
        self.field = field
        self.hint = hint
