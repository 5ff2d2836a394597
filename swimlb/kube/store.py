"""The copy of one kind of object that a reflector keeps, and what of it its reader has not seen yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Changes(Generic[T]):
    """What is new since the last ones. An object that changed several times is in them once."""

    put: Mapping[str, T] = field(default_factory=dict[str, T])
    """By key: `namespace/name`, or the name of what is in no namespace."""
    gone: tuple[str, ...] = ()
    is_synced: bool = True
    """False: the first list has not come to its end, so what has not been told may still exist."""


class Store(Generic[T]):
    """Values by key, with the versions that they were made from.

    While a list is read, what it has not come to yet is kept as it is: no reader sees an object vanish and return.
    """

    def __init__(self) -> None:
        self.values: dict[str, T] = {}
        self._versions: dict[str, str] = {}
        self._listed: set[str] | None = None
        self._put: dict[str, None] = {}
        self._gone: dict[str, None] = {}
        self._is_synced = False
        self._has_news = False

    @property
    def is_synced(self) -> bool:
        """A list has come to its end, once."""
        return self._is_synced

    def has(self, key: str, version: str) -> bool:
        """Is this version the one we have? Then it need not be understood again, but it counts as listed."""
        self.see(key)
        return self._versions.get(key) == version

    def see(self, key: str) -> None:
        """It is listed, whatever it is by now."""
        if self._listed is not None:
            self._listed.add(key)

    def put(self, key: str, version: str, value: T) -> None:
        self._versions[key] = version
        self.see(key)
        if key in self.values and self.values[key] == value:
            return
        self.values[key] = value
        self._put[key] = None
        self._gone.pop(key, None)

    def drop(self, key: str) -> None:
        self._versions.pop(key, None)
        if self._listed is not None:
            self._listed.discard(key)
        if key in self.values:
            del self.values[key]
            self._put.pop(key, None)
            self._gone[key] = None

    def begin_list(self) -> None:
        """What comes from now on is the whole."""
        self._listed = set()

    def end_list(self) -> None:
        """It was: what has not come is gone."""
        assert self._listed is not None, "a list ends that has not begun"
        listed, self._listed = self._listed, None
        self._forget(key for key in self._versions if key not in listed)
        self._has_news |= not self._is_synced
        self._is_synced = True

    def abandon_list(self) -> None:
        """It broke off: what has come is true, of the rest nothing is known."""
        self._listed = None

    def take(self) -> Changes[T] | None:
        """What is new since the last call; None: nothing."""
        if not (self._put or self._gone or self._has_news):
            return None
        put, gone = {key: self.values[key] for key in self._put}, tuple(self._gone)
        self._put, self._gone, self._has_news = {}, {}, False
        return Changes(put, gone, self._is_synced)

    def _forget(self, keys: Iterable[str]) -> None:
        for key in list(keys):
            self.drop(key)
