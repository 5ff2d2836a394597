"""What the peer has sent: counted and dropped, and remembered only as far as a limit or a curious person asks."""

from __future__ import annotations

from collections.abc import Iterator

from announce.bgp.attributes import PathAttributes
from announce.bgp.config import PeerConfig
from announce.bgp.messages import Update
from announce.bgp.nlri import Family, IpNetwork, Prefixes, decode_prefix

KEPT_MAX = 10_000
"""Prefixes kept for people to look at, where no limit says otherwise."""


def is_more_remembered(config: PeerConfig, before: PeerConfig) -> bool:
    """What the peer sent under the settings of before is not known, or not in full."""
    is_first_limit = config.received_prefixes_max is not None and before.received_prefixes_max is None
    return is_first_limit or (config.keeps_received and not before.keeps_received)


class AdjRibIn:
    """The prefixes of one session."""

    def __init__(self, config: PeerConfig) -> None:
        self._config = config
        self._kept: dict[tuple[int, bytes], PathAttributes] = {}

    @property
    def count(self) -> int:
        """Prefixes that are remembered."""
        return len(self._kept)

    def routes(self) -> Iterator[tuple[IpNetwork, PathAttributes]]:
        for (afi, encoded), attributes in self._kept.items():
            yield decode_prefix(afi, encoded), attributes

    def reconfigure(self, config: PeerConfig) -> None:
        """From now on. What nobody asks for any more is forgotten: it would not be kept up to date."""
        self._config = config
        if not self._is_remembering:
            self.clear()

    @property
    def excess(self) -> Family | None:
        """The family of the newest prefix, where there are more than the limit allows."""
        limit = self._config.received_prefixes_max
        if limit is None or len(self._kept) <= limit:
            return None
        afi, _ = next(reversed(self._kept))
        return Family(afi, 1)

    @property
    def _is_remembering(self) -> bool:
        return self._config.received_prefixes_max is not None or self._config.keeps_received

    def clear(self) -> None:
        self._kept.clear()

    def take(self, update: Update) -> Family | None:
        """The family in which the peer has sent one prefix too many, or None."""
        limit = self._config.received_prefixes_max
        if not self._is_remembering:
            return None
        self._withdraw(update)
        if update.fault is None:
            attributes = update.attributes if self._config.keeps_received else PathAttributes()
            for key in _announced(update):
                if limit is not None or key in self._kept or len(self._kept) < KEPT_MAX:
                    self._kept[key] = attributes
                if limit is not None and len(self._kept) > limit:
                    break
        return self.excess

    def _withdraw(self, update: Update) -> None:
        unreach = update.attributes.mp_unreach
        for prefixes in (update.withdrawn, *([unreach.withdrawn] if unreach else [])):
            for key in _keys(prefixes):
                self._kept.pop(key, None)
        if update.fault is not None:
            for key in _announced(update):
                self._kept.pop(key, None)


def _announced(update: Update) -> Iterator[tuple[int, bytes]]:
    yield from _keys(update.nlri)
    if update.attributes.mp_reach is not None:
        yield from _keys(update.attributes.mp_reach.nlri)


def _keys(prefixes: Prefixes) -> Iterator[tuple[int, bytes]]:
    for encoded in prefixes.encoded():
        yield prefixes.afi, _without_trailing_bits(encoded)


def _without_trailing_bits(encoded: bytes) -> bytes:
    """The bits behind the length are irrelevant, so that two forms may be the same prefix."""
    unused = -encoded[0] % 8
    if not unused or not encoded[-1] & (1 << unused) - 1:
        return encoded
    return encoded[:-1] + bytes((encoded[-1] >> unused << unused,))
