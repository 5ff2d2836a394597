"""What is to be looked at, a few at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key")


class Waiting(Generic[Key]):
    """Keys, each of them once, about in the order in which they came.

    Taking the first key of a dict again and again steps over all that were taken before it, which of 10,000 is the most
    of the work. An OrderedDict does not, but has to hash every key that it is given.
    """

    def __init__(self) -> None:
        self._keys: dict[Key, None] = {}
        self._order: Iterator[Key] = iter(())
        """Of those that were there when the last one ran out; some have gone since."""

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: Key) -> bool:
        return key in self._keys

    def add(self, key: Key) -> None:
        self._keys[key] = None

    def add_all(self, keys: Mapping[Key, object]) -> None:
        self._keys.update(dict.fromkeys(keys))

    def discard(self, key: Key) -> None:
        self._keys.pop(key, None)

    def take(self) -> Key:
        """There is one."""
        assert self._keys
        while True:
            for key in self._order:
                if self._keys.pop(key, False) is None:
                    return key
            self._keys = dict(self._keys)
            self._order = iter(list(self._keys))
