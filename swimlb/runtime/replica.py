"""A keyed table kept equal in two processes, over a channel that may lose its reader or its writer at any time.

*watch* publishes model records to *wire*, *wire* publishes facts to *watch*. Both directions are the same thing:
the publisher knows the table as it should be and what has changed since the last batch; the subscriber hands over
whole batches, so that nobody ever acts on half of an edit.

    publisher                                   subscriber
        │ ◄──────────── hello ───────────────────── │   "I am new: send everything"
        │ ── begin(schema) put* complete ─────────► │   the whole table: what is not in it, is gone
        │ ── put* remove* complete ───────────────► │   what changed since

A publisher that is new begins by itself. A subscriber believes nothing before a `begin`: it may find frames in the
channel that were meant for its dead predecessor. What is queued is never more than the table itself, because a key
that changes twice before it was sent is sent once, with its last value.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Set
from dataclasses import dataclass
from enum import IntEnum

import msgpack


class _Code(IntEnum):
    HELLO = 0
    BEGIN = 1
    PUT = 2
    REMOVE = 3
    COMPLETE = 4


class LinkError(Exception):
    """The other process speaks another version: ours to end, for the supervisor to start both anew."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes that belong together."""

    put: dict[str, bytes]
    removed: frozenset[str]


def hello() -> bytes:
    """What a new subscriber sends first."""
    return msgpack.packb([_Code.HELLO, 0, "", b""], use_bin_type=True)


def is_hello(frame: bytes) -> bool:
    return _unpack(frame)[0] == _Code.HELLO


def subject(frame: bytes) -> str:
    """The key that a frame is about."""
    return _unpack(frame)[2]


class Publisher:
    """The writing side. `next_frame` is asked whenever the channel has room."""

    def __init__(self, schema: int) -> None:
        self._schema = schema
        self._table: dict[str, bytes] = {}
        self._changed: OrderedDict[str, None] = OrderedDict()
        """In the order to tell them. A plain dict steps over all that has been taken from its front before."""
        self._is_ready = False
        self._has_begun = False
        self._is_batch_open = False

    def put(self, key: str, value: bytes) -> None:
        if self._table.get(key) != value:
            self._table[key] = value
            self._changed[key] = None

    def remove(self, key: str) -> None:
        if self._table.pop(key, None) is not None:
            self._changed[key] = None

    def replace(self, table: dict[str, bytes]) -> None:
        """Make the table this one; only the difference is sent."""
        for key in self._table.keys() - table.keys():
            self.remove(key)
        for key, value in table.items():
            self.put(key, value)
        self.start()

    @property
    def table(self) -> Mapping[str, bytes]:
        """As it should be."""
        return self._table

    def retain(self, keys: Set[str]) -> None:
        """What is under other keys is no more."""
        for key in self._table.keys() - keys:
            self.remove(key)
        self.start()

    def start(self) -> None:
        """The table is what is to be told from now on: the publisher's beginning, when called for the first time."""
        if not self._is_ready:
            self._is_ready = True
            self.begin()

    def begin(self) -> None:
        """There is a new subscriber: send everything.

        A publisher that does not know its table yet stays silent, for a begin with nothing after it would take all
        from a subscriber that still has it from this publisher's predecessor.
        """
        if not self._is_ready:
            return
        self._changed = OrderedDict.fromkeys(self._table)
        self._has_begun = False
        self._is_batch_open = True

    def next_frame(self) -> bytes | None:
        """The next frame to send, or None when all has been said."""
        if not self._is_ready:
            return None
        if not self._is_batch_open and not self._changed:
            return None
        if self._is_batch_open and not self._has_begun:
            self._has_begun = True
            return self._frame(_Code.BEGIN, self._schema)
        self._is_batch_open = True
        if not self._changed:
            # One that has held the whole table stays as large though it is empty.
            self._changed = OrderedDict()
            self._is_batch_open = False
            return self._frame(_Code.COMPLETE)
        key, _ = self._changed.popitem(last=False)
        value = self._table.get(key)
        return (
            self._frame(_Code.REMOVE, key=key)
            if value is None
            else self._frame(_Code.PUT, key=key, value=value)
        )

    @staticmethod
    def _frame(code: _Code, schema: int = 0, key: str = "", value: bytes = b"") -> bytes:
        return msgpack.packb([code, schema, key, value], use_bin_type=True)


class Subscriber:
    """The reading side."""

    def __init__(self, schema: int) -> None:
        self._schema = schema
        self._keys: set[str] | None = None
        self._put: dict[str, bytes] = {}
        self._removed: set[str] = set()
        self._is_whole = False

    def receive(self, frame: bytes) -> Batch | None:
        """Take one frame; gives the batch that it completes. Raises LinkError when versions differ."""
        code, schema, key, value = _unpack(frame)
        if code == _Code.BEGIN:
            if schema != self._schema:
                raise LinkError(f"the other process has schema {schema:#x}, this one {self._schema:#x}")
            self._put, self._removed, self._is_whole = {}, set(), True
        elif self._keys is None and not self._is_whole:
            return None
        elif code == _Code.PUT:
            self._put[key] = value
            self._removed.discard(key)
        elif code == _Code.REMOVE:
            self._put.pop(key, None)
            self._removed.add(key)
        elif code == _Code.COMPLETE:
            return self._complete()
        return None

    def _complete(self) -> Batch:
        keys = set[str]() if self._keys is None else self._keys
        removed = keys - self._put.keys() if self._is_whole else self._removed & keys
        batch = Batch(self._put, frozenset(removed))
        # In place: one change costs the same among thousands.
        keys -= removed
        keys.update(self._put)
        self._keys = keys
        self._put, self._removed, self._is_whole = {}, set(), False
        return batch


def _unpack(frame: bytes) -> tuple[int, int, str, bytes]:
    try:
        code, schema, key, value = msgpack.unpackb(frame)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise LinkError(f"a frame of the link is not one: {error}") from error
    return code, schema, key, value
