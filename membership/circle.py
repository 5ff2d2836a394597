"""Who observes whom: the members in a circle, each observed by a few of those that follow it.

The order is by a hash of the names, so all members of one view agree without a word. The observers of a member
are the live ones at the distances 1, 2 and 4 from it. A suspect is no observer: the next in line stands in for
it. So nobody observes more than its share; a member that comes or goes changes the observers of its few
neighbours only; and in a circle of seven or more, two members share at most one observer (their distances are a
perfect difference set), so that one bad observer counts at most once against anybody.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b

_HASH_OCTETS = 8
_PREFERRED = (1, 2, 4, 3)
"""Distances in the order of choice; after these all others, the near ones first."""


@lru_cache(maxsize=16_384)
def _token(name: str) -> bytes:
    """Where a name stands in the circle: evenly spread, and never twice the same place."""
    octets = name.encode()
    return blake2b(octets, digest_size=_HASH_OCTETS).digest() + octets


class Circle:
    """Finding somebody costs O(log n), a change moves a few pointers."""

    def __init__(self, names: Iterable[str], is_alive: Callable[[str], bool]) -> None:
        """All members, suspects too; `is_alive` says who is not suspect."""
        self._tokens = sorted(map(_token, names))
        self._is_alive = is_alive
        self._is_shared = False

    def fork(self, is_alive: Callable[[str], bool]) -> Circle:
        """The same circle in another member's eyes. Nothing is copied until one of the two changes."""
        other = Circle((), is_alive)
        other._tokens, other._is_shared, self._is_shared = self._tokens, True, True
        return other

    def __len__(self) -> int:
        return len(self._tokens)

    def add(self, name: str) -> None:
        self._unshare()
        token = _token(name)
        self._tokens.insert(bisect_left(self._tokens, token), token)

    def remove(self, name: str) -> None:
        place, is_in = self._find(name)
        assert is_in
        self._unshare()
        del self._tokens[place]

    def observers_of(self, name: str, count: int) -> list[str]:
        """Up to `count` live members; fewer only when there are no more. `name` need not be in the circle."""
        observers: list[str] = []
        for other in self._successors(name):
            if self._is_alive(other):
                observers.append(other)
                if len(observers) == count:
                    break
        return observers

    def charges_of(self, name: str, count: int) -> list[str]:
        """Whom `name` observes: the inverse of `observers_of`."""
        place, is_in = self._find(name)
        charges: list[str] = []
        live_between = 0
        for distance in range(1, len(self._tokens) + 1 - is_in):
            other = self._name_at(place - distance)
            if name in self.observers_of(other, count):
                charges.append(other)
            live_between += self._is_alive(other)
            if distance >= len(_PREFERRED) and live_between >= count:
                # Whoever is further away has enough observers that are nearer to it.
                break
        return charges

    def _unshare(self) -> None:
        if self._is_shared:
            self._tokens, self._is_shared = self._tokens.copy(), False

    def _successors(self, name: str) -> Iterator[str]:
        """All others, in the order in which they are chosen."""
        place, is_in = self._find(name)
        others = len(self._tokens) - is_in
        before = place - 1 + is_in
        for distance in _PREFERRED:
            if distance <= others:
                yield self._name_at(before + distance)
        for distance in range(len(_PREFERRED) + 1, others + 1):
            yield self._name_at(before + distance)

    def _find(self, name: str) -> tuple[int, bool]:
        """Where the name is, or would be."""
        token = _token(name)
        place = bisect_left(self._tokens, token)
        return place, place < len(self._tokens) and self._tokens[place] == token

    def _name_at(self, place: int) -> str:
        return self._tokens[place % len(self._tokens)][_HASH_OCTETS:].decode()
