"""Addresses that were given back lately, and are kept from others, so that a stale client does not reach a stranger.

Names stay in caches for a while after an address is free. Its last user may have it back at once, and so may whoever
asks for the very address: an operator knows what they do. The quarantine lives in memory: a restart ends it.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from ipaddress import IPv4Address, IPv6Address

from swimlb.model import IpAddress

_STALE_ENDS_MAX = 64
"""Of addresses that were in use again before their time was over, beside as many as are kept."""


class Quarantine:
    """By address: whose it was, and until when. The owner tells the time before it gives anything back."""

    def __init__(self, duration: float | None) -> None:
        """Seconds; None: there is no quarantine."""
        self._duration = duration
        self._now = 0.0
        self._held: dict[IpAddress, tuple[float, str]] = {}
        self._by_user: dict[str, set[IpAddress]] = {}
        self._ends: list[tuple[float, int, int]] = []
        """A heap of ends with version and number of the address; may name some that have ended."""

    def __contains__(self, address: IpAddress) -> bool:
        return address in self._held

    def of(self, user: str) -> Iterable[IpAddress]:
        """Addresses that were the user's last."""
        return self._by_user.get(user, ())

    def begin(self, address: IpAddress, user: str) -> bool:
        """The user was the last one to give the address back; False where there is no quarantine."""
        if self._duration is None:
            return False
        end = self._now + self._duration
        self._held[address] = (end, user)
        self._by_user.setdefault(user, set()).add(address)
        heappush(self._ends, (end, address.version, int(address)))
        if len(self._ends) > _STALE_ENDS_MAX + 2 * len(self._held):
            self._ends = [(end, one.version, int(one)) for one, (end, _) in self._held.items()]
            heapify(self._ends)
        return True

    def end(self, address: IpAddress) -> None:
        """The address is in use again."""
        if (held := self._held.pop(address, None)) is not None:
            mine = self._by_user[held[1]]
            mine.discard(address)
            if not mine:
                del self._by_user[held[1]]

    def ended(self, now: float) -> list[IpAddress]:
        """Let time pass; the addresses that anybody may have now."""
        self._now = now
        over: list[IpAddress] = []
        while self._ends and self._ends[0][0] <= now:
            end, version, number = heappop(self._ends)
            address = _address(version, number)
            if (held := self._held.get(address)) is not None and held[0] == end:
                self.end(address)
                over.append(address)
        return over

    def next_end(self) -> float | None:
        """When to ask `ended` again; may be early."""
        return self._ends[0][0] if self._ends else None


def _address(version: int, number: int) -> IpAddress:
    return IPv4Address(number) if version == 4 else IPv6Address(number)
