"""How a node goes from one gossip secret to another without leaving the ring: a machine.

The nodes learn of a new secret one after the other, as somebody copies a file or Kubernetes updates a volume. So a node
does not use a new key as soon as it has it:

    settled ──new keys──► reading ──delay──► using ──2 delays──► settled
                          by both,           by both,            by the new ones alone
                          sealing by the old sealing by the new

Within the delay all nodes must have got the new secret; then nobody is missed at any time. A node that was first drops
the old keys when even the last one has long ceased to use them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from membership import Keyring
from membership.keyring import KEYS_MAX

DELAY = 120.0
"""Above what kubelet takes to update a mounted Secret (its sync period and its cache, 60 s each at most)."""


@dataclass(frozen=True, slots=True)
class KeysRead:
    """The secret is this now, as far as keys go."""

    keyring: Keyring


@dataclass(frozen=True, slots=True)
class UseKeyring:
    keyring: Keyring
    reason: str
    """For the log: `reading`, `using` or `settled`."""


Event: TypeAlias = KeysRead
Effect: TypeAlias = UseKeyring


class Rotation:
    """Starts settled with what the secret was at the start; UseKeyring tells of every change after that."""

    def __init__(self, keyring: Keyring, delay: float = DELAY) -> None:
        self._delay = delay
        self._wanted = keyring
        self.keyring = keyring
        """In use right now."""
        self._use_at: float | None = None
        self._settle_at: float | None = None

    def step(self, event: Event, now: float) -> list[Effect]:
        if event.keyring == self._wanted:
            return []
        self._wanted, self._settle_at = event.keyring, None
        assert self._wanted.keys
        assert self.keyring.keys
        if self._wanted.keys[0] == self.keyring.keys[0]:
            return self._use(now)
        self._use_at = now + self._delay
        primary, *others = self.keyring.keys
        return [self._change([primary, *self._wanted.keys, *others], "reading")]

    def advance(self, now: float) -> list[Effect]:
        if self._use_at is not None and now >= self._use_at:
            return self._use(now)
        if self._settle_at is not None and now >= self._settle_at:
            self._settle_at = None
            return [self._change(list(self._wanted.keys), "settled")]
        return []

    def next_deadline(self) -> float | None:
        return self._use_at if self._use_at is not None else self._settle_at

    def _use(self, now: float) -> list[Effect]:
        self._use_at, self._settle_at = None, now + 2 * self._delay
        return [self._change([*self._wanted.keys, *self.keyring.keys], "using")]

    def _change(self, keys: list[bytes], reason: str) -> UseKeyring:
        # After many changes in a short time the oldest keys stand last, and go first.
        self.keyring = Keyring(tuple(dict.fromkeys(keys))[:KEYS_MAX])
        return UseKeyring(self.keyring, reason)
