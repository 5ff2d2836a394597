"""Reads values out of a fuzzer's bytes: the same bytes always give the same scene."""

from __future__ import annotations


class Script:
    """Small numbers are one octet, so that a fuzzer's changes stay local. Past the end all is zero."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_over(self) -> bool:
        return self._at >= len(self._data)

    def number(self, below: int) -> int:
        return int.from_bytes(self.octets(1).ljust(1, b"\0"), "big") % below

    def u32(self) -> int:
        return int.from_bytes(self.octets(4).ljust(4, b"\0"), "big")

    def octets(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def blob(self) -> bytes:
        """A length of two octets, and so many: golden packets can be put in whole."""
        return self.octets(int.from_bytes(self.octets(2).ljust(2, b"\0"), "big"))


def blob(data: bytes) -> bytes:
    """What `Script.blob` reads."""
    return len(data).to_bytes(2, "big") + data
