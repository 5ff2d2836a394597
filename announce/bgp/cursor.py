"""Reading bytes that a peer wrote: every read is checked, so decoders need no length arithmetic."""

from __future__ import annotations

from ipaddress import IPv4Address
from types import TracebackType

from announce.bgp.errors import NotificationError, Subcode


class Cursor:
    """A position in some octets. A read past the end raises the NOTIFICATION given for that.

    As a context manager (mostly with `limit`) it raises the same when octets are left over at the end.
    """

    __slots__ = ("_data", "_end", "_position", "_subcode")

    def __init__(self, data: bytes, subcode: Subcode) -> None:
        self._data = data
        self._position = 0
        self._end = len(data)
        self._subcode: Subcode = subcode

    def __enter__(self) -> Cursor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self:
            raise NotificationError(self._subcode, f"{len(self)} octets too many")

    def __len__(self) -> int:
        return self._end - self._position

    def take(self, octets: int) -> bytes:
        start = self._position
        if start + octets > self._end:
            raise NotificationError(self._subcode, f"{octets} octets wanted where {len(self)} are left")
        self._position = start + octets
        return self._data[start : self._position]

    def peek(self) -> int | None:
        """The next octet, which stays to be read; None at the end."""
        return self._data[self._position] if self else None

    def rest(self) -> bytes:
        return self.take(len(self))

    def u8(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def ipv4(self) -> IPv4Address:
        return IPv4Address(self.take(4))

    def limit(self, octets: int) -> Cursor:
        """A cursor for just the next octets; this one goes on behind them."""
        return Cursor(self.take(octets), self._subcode)
