"""Standalone mode: traffic for a Service address ends on this node, so the addresses of all Services are on `lo`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from swimlb.model import Allocation, IpAddress
from swimlb.speaker.effects import AddLocalAddress, Effect, RemoveLocalAddress


class LocalAddresses:
    """Counts who needs an address: Services may share one."""

    def __init__(self) -> None:
        self._users: Counter[IpAddress] = Counter()
        self._unused: set[IpAddress] = set()
        """Still there, and nobody's as it seems: their next Service may be about to be told of."""

    def change(self, allocations: Iterable[tuple[Allocation | None, Allocation | None]]) -> list[Effect]:
        """Services had these addresses and have those; what is missing is added."""
        added: set[IpAddress] = set()
        for before, after in allocations:
            for address in after.addresses if after is not None else ():
                self._users[address] += 1
                if self._users[address] == 1 and address not in self._unused:
                    added.add(address)
                self._unused.discard(address)
            for address in before.addresses if before is not None else ():
                self._users[address] -= 1
                if not self._users[address]:
                    del self._users[address]
                    self._unused.add(address)
        new = added - self._unused
        self._unused -= added
        return list(map(AddLocalAddress, sorted(new, key=order)))

    def remove_unused(self) -> list[Effect]:
        """Nothing more is known about whose addresses these might be."""
        removed, self._unused = self._unused, set()
        return list(map(RemoveLocalAddress, sorted(removed, key=order)))

    def remove_all(self) -> list[Effect]:
        removed = {*self._users, *self._unused}
        self._users.clear()
        self._unused.clear()
        return list(map(RemoveLocalAddress, sorted(removed, key=order)))


def order(address: IpAddress) -> tuple[int, int]:
    """For effects, so that runs repeat."""
    return address.version, int(address)
