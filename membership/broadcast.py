"""News to be gossiped: at most one message per member, each sent a number of times and then dropped."""

from __future__ import annotations

from math import ceil, log10

from membership.wire.packet import PART_OVERHEAD_OCTETS, PARTS_MAX

_MISFITS_MAX = 8
_MESSAGE_OCTETS_MIN = 24


def transmit_limit(retransmit_mult: int, member_count: int) -> int:
    """How often each member sends a piece of news, so that all hear of it with high probability."""
    return retransmit_mult * ceil(log10(member_count + 1))


class BroadcastQueue:
    """Holds messages by the name of the member they are about, so it is never longer than the table."""

    def __init__(self) -> None:
        self._tiers: list[dict[str, bytes]] = [{}]
        """One tier for each count of transmits so far, each in the order of arrival."""
        self._tier_of: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._tier_of)

    def __contains__(self, name: str) -> bool:
        return name in self._tier_of

    def put(self, name: str, message: bytes) -> None:
        """Queue news about `name`, in place of older news about it."""
        self.discard(name)
        self._tiers[0][name] = message
        self._tier_of[name] = 0

    def discard(self, name: str) -> None:
        if (tier := self._tier_of.pop(name, None)) is not None:
            del self._tiers[tier][name]

    def take(self, octets: int, limit: int, parts_max: int = PARTS_MAX - 1) -> list[bytes]:
        """Messages for one packet of so many octets: the least sent first, among these the newest."""
        chosen: list[str] = []
        misfits = 0
        for tier in self._tiers:
            for name in reversed(tier):
                if octets < _MESSAGE_OCTETS_MIN or len(chosen) == parts_max or misfits == _MISFITS_MAX:
                    break
                size = len(tier[name]) + PART_OVERHEAD_OCTETS
                if size > octets:
                    misfits += 1
                    continue
                octets -= size
                chosen.append(name)
        return [self._count_transmit(name, limit) for name in chosen]

    def _count_transmit(self, name: str, limit: int) -> bytes:
        tier = self._tier_of[name]
        message = self._tiers[tier].pop(name)
        if tier + 1 >= limit:
            del self._tier_of[name]
            return message
        if tier + 1 == len(self._tiers):
            self._tiers.append({})
        self._tiers[tier + 1][name] = message
        self._tier_of[name] = tier + 1
        return message
