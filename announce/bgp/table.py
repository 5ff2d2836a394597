"""One address family of the Adj-RIB-Out: what is wanted, what the peer has been told, and the messages between.

Prefixes are known by their octets in messages. A prefix counts as told when the message with it is handed out.
So a peer that reads slowly costs no queue of messages: they are made when there is room to send them, and a
change that is overtaken by the next one is never sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TypeAlias

from announce.bgp.messages import BEGIN_OF_REFRESH, END_OF_REFRESH, RouteRefresh, encode
from announce.bgp.nlri import Family
from announce.bgp.outbound import Head, Outbound, withdrawal
from announce.bgp.routes import Route, RouteAttributes, merged

PREFIXES_AT_ONCE = 2048
"""Looked at together, to find those with equal attributes: a millisecond or two of work."""

_PREFIX_OCTETS_MAX = 17

Wanted: TypeAlias = Route | tuple[Route, ...]
"""Most prefixes have one route; those of several advertisements have several."""


class Table:
    """The routes of one family. Outlives sessions: `begin` is told of each new one that carries the family."""

    def __init__(self, family: Family) -> None:
        self.wanted: dict[bytes, Wanted] = {}
        self.told: dict[bytes, Route] = {}
        self._family = family
        self._outbound: Outbound | None = None
        self._withdrawing: dict[bytes, None] = {}
        self._announcing: dict[bytes, None] = {}
        """Prefixes of which the peer may believe something else than is wanted, in the order to tell them."""
        self._stale: set[bytes] = set()
        """Told, but wanted once more."""
        self._repeating: list[bytes] = []
        """Told, and to be told once more after what is news. A hundred thousand are not made stale at once."""
        self._uncarried: set[bytes] = set()
        """Wanted, but the session has no next hop for them."""
        self._is_refresh_beginning = False
        self._is_refreshing = False
        self._pending: Iterator[bytes] = iter(())

    @property
    def is_settled(self) -> bool:
        """The peer has been told everything."""
        return not (self._withdrawing or self._announcing or self._repeating or self._is_refreshing)

    @property
    def waiting_count(self) -> int:
        """Wanted, but not told: no session, no room yet, or nothing that the session can carry."""
        if self._outbound is None:
            return len(self.wanted)
        return max(0, len(self._announcing) - len(self._stale)) + len(self._uncarried)

    # What is wanted.

    def add(self, key: bytes, route: Route) -> None:
        match self.wanted.get(key):
            case None:
                self.put(key, route)
            case Route() as single if single != route:
                self.put(key, (single, route))
            case tuple() as several if route not in several:
                self.put(key, (*several, route))
            case _:
                pass

    def remove(self, key: bytes, route: Route) -> None:
        present = self.wanted.get(key)
        if present is None:
            return
        left = [it for it in (present if isinstance(present, tuple) else (present,)) if it != route]
        if not left:
            self.drop(key)
        else:
            self.put(key, left[0] if len(left) == 1 else tuple(left))

    def put(self, key: bytes, wanted: Wanted) -> None:
        if self.wanted.get(key) == wanted:
            return
        self.wanted[key] = wanted
        if self._outbound is not None:
            self._withdrawing.pop(key, None)
            self._announcing[key] = None
            self._pending = iter(())

    def drop(self, key: bytes) -> None:
        if self.wanted.pop(key, None) is None or self._outbound is None:
            return
        self._announcing.pop(key, None)
        self._stale.discard(key)
        self._uncarried.discard(key)
        if key in self.told:
            self._withdrawing[key] = None
        self._pending = iter(())

    def clear(self) -> None:
        """Nothing is wanted any more."""
        self.wanted.clear()
        self._announcing.clear()
        self._repeating.clear()
        self._stale.clear()
        self._uncarried.clear()
        self._withdrawing = dict.fromkeys(self.told)
        self._pending = iter(())

    # The session.

    def begin(self, outbound: Outbound) -> None:
        """A new session: the peer knows nothing."""
        self.end()
        if self._family in outbound.families:
            self._outbound = outbound
            self._announcing = dict.fromkeys(self.wanted)

    def end(self) -> None:
        self._outbound = None
        self.told.clear()
        self._withdrawing.clear()
        self._announcing.clear()
        self._repeating.clear()
        self._stale.clear()
        self._uncarried.clear()
        self._is_refresh_beginning = self._is_refreshing = False
        self._pending = iter(())

    def reshape(self, outbound: Outbound) -> None:
        """Everything takes another form, in the same session."""
        if self._outbound is not None:
            self._outbound = outbound
            self._announcing.update(dict.fromkeys(self._uncarried))
            self._uncarried.clear()
            self._repeat()

    def refresh(self, *, is_initial: bool) -> None:
        """Tell everything once more (RFC 2918), in brackets if the peer wants them (RFC 7313).

        What is still the initial update has no brackets: End-of-RIB is its end.
        """
        if self._outbound is not None:
            is_bracketed = self._outbound.has_enhanced_refresh and not is_initial
            self._is_refreshing = self._is_refresh_beginning = is_bracketed
            self._repeat()

    def _repeat(self) -> None:
        self._repeating = list(self.told)
        self._pending = iter(())

    # What the peer is told.

    def next_withdrawal(self) -> bytes | None:
        if not self._withdrawing or self._outbound is None:
            return None
        room = self._outbound.withdrawal_room(self._family)
        keys: list[bytes] = []
        for key in self._withdrawing:
            room -= len(key)
            if room < 0:
                break
            keys.append(key)
        for key in keys:
            del self._withdrawing[key]
            del self.told[key]
        self._pending = iter(())
        return withdrawal(self._family, b"".join(keys))

    def next_announcement(self) -> bytes | None:
        """And the brackets around a refresh."""
        outbound = self._outbound
        if outbound is None:
            return None
        if self._is_refresh_beginning:
            self._is_refresh_beginning = False
            return encode(RouteRefresh(self._family, BEGIN_OF_REFRESH))
        while (update := next(self._pending, None)) is None and (self._announcing or self._repeating):
            keys, is_last = self._next_keys()
            self._pending = self._updates(outbound, keys, is_last=is_last)
        if update is None and self._is_refreshing and not self._withdrawing:
            self._is_refreshing = False
            return encode(RouteRefresh(self._family, END_OF_REFRESH))
        return update

    def _next_keys(self) -> tuple[list[bytes], bool]:
        """The prefixes to look at together, and whether they are the last: what follows may fill up messages of others.

        What is only told once more never holds up what is news.
        """
        has_news = len(self._announcing) > len(self._stale)
        while not has_news and self._repeating and len(self._announcing) < PREFIXES_AT_ONCE:
            again = [key for key in self._repeating[-PREFIXES_AT_ONCE:] if key in self.told]
            del self._repeating[-PREFIXES_AT_ONCE:]
            self._stale.update(again)
            self._announcing.update(dict.fromkeys(again))
        keys = sorted(islice(self._announcing, PREFIXES_AT_ONCE))
        is_last = len(keys) == len(self._announcing) and (has_news or not self._repeating)
        return keys, is_last

    def _updates(self, outbound: Outbound, keys: list[bytes], *, is_last: bool) -> Iterator[bytes]:
        """Those of the prefixes that are not as they should be."""
        has_full = False
        for attributes, routes in self._alike(keys).items():
            next_hop = outbound.next_hop(self._family, attributes)
            if next_hop is None:
                self._pass_over([key for key, _ in routes])
                continue
            head = outbound.head(self._family, attributes, next_hop)
            for batch in _packed(routes, head):
                octets = b"".join([key for key, _ in batch])
                is_full = len(octets) + _PREFIX_OCTETS_MAX > head.room
                if has_full and not is_full and not is_last:
                    break  # With those behind the portion this will fill a message too.
                has_full |= is_full
                self.told.update(batch)
                self._settle([key for key, _ in batch])
                yield head.update(octets)

    def _alike(self, keys: list[bytes]) -> dict[RouteAttributes, list[tuple[bytes, Route]]]:
        """The routes that are to be told, by what they can share."""
        alike: dict[RouteAttributes, list[tuple[bytes, Route]]] = {}
        # Most routes share the object, and looking that up is cheaper than comparing attributes.
        by_object: dict[int, list[tuple[bytes, Route]]] = {}
        right: list[bytes] = []
        for key in keys:
            wanted = self.wanted.get(key)
            if wanted is None:
                right.append(key)
                continue
            route = merged(wanted) if isinstance(wanted, tuple) else wanted
            told = self.told.get(key)
            if told is not None and key not in self._stale and told == route:
                right.append(key)
                continue
            group = by_object.get(id(route.attributes))
            if group is None:
                group = by_object[id(route.attributes)] = alike.setdefault(route.attributes, [])
            group.append((key, route))
        self._settle(right)
        return alike

    def _pass_over(self, keys: list[bytes]) -> None:
        """The session cannot carry these; what it carried of them before has to go."""
        self._settle(keys)
        self._uncarried.update(keys)
        self._withdrawing.update((key, None) for key in keys if key in self.told)

    def _settle(self, keys: list[bytes]) -> None:
        announcing = self._announcing
        for key in keys:
            announcing.pop(key, None)
        if self._stale:
            self._stale.difference_update(keys)
        if self._uncarried:
            self._uncarried.difference_update(keys)


def _packed(routes: list[tuple[bytes, Route]], head: Head) -> Iterator[list[tuple[bytes, Route]]]:
    """As many at a time as fit into a message."""
    start, octets = 0, 0
    for position, (key, _) in enumerate(routes):
        octets += len(key)
        if octets > head.room:
            yield routes[start:position]
            start, octets = position, len(key)
    yield routes[start:]
