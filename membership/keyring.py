"""The keys of a ring, and how far it has come on its way from plaintext to encryption. Values, without secrets' text.

To rotate a ring's key without losing anybody: `add` the new key on every member, then `use` it on every member, then
`remove` the old one; a member reads whatever any of its keys opens, and seals with the first. Hand each new keyring
to the member by EncryptionChanged.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from membership.errors import InvalidConfig
from membership.wire.crypto import KEY_OCTETS, SealVersion

KEYS_MAX = 16
"""A packet of a stranger costs one attempt per key."""


def fingerprint(key: bytes) -> str:
    """A short name of a key, for people who compare what two hosts have. It does not give the key away."""
    return hashlib.sha256(b"gossip key fingerprint" + key).hexdigest()[:8]


@dataclass(frozen=True, slots=True, repr=False)
class Keyring:
    """Keys in the order in which they are tried. The first, the primary, alone is used to seal."""

    keys: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if any(len(key) not in KEY_OCTETS for key in self.keys):
            raise InvalidConfig("keys", "give keys of 16, 24 or 32 octets")
        if len(set(self.keys)) != len(self.keys):
            raise InvalidConfig("keys", "give each key once")
        if len(self.keys) > KEYS_MAX:
            raise InvalidConfig("keys", f"remove keys that are out of use, to have {KEYS_MAX} or less")

    def __repr__(self) -> str:
        # What is recorded and logged must not hold the keys.
        return f"Keyring({', '.join(map(fingerprint, self.keys))})"

    def add(self, key: bytes) -> Keyring:
        """With a further key to read by. The first of all is the primary; a known one changes nothing."""
        return self if key in self.keys else Keyring((*self.keys, key))

    def use(self, key: bytes) -> Keyring:
        """With an installed key as the primary."""
        if key not in self.keys:
            raise InvalidConfig("keys", "add the key, on all members, before it is used")
        return Keyring((key, *(other for other in self.keys if other != key)))

    def remove(self, key: bytes) -> Keyring:
        """Without a key. The primary is refused: nothing could be sealed, or all would be lost at once."""
        if key == next(iter(self.keys), None):
            raise InvalidConfig("keys", "use another key, on all members, before the primary is removed")
        return Keyring(tuple(other for other in self.keys if other != key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """How a member seals and what it accepts. Without keys all is plaintext.

    A ring comes from plaintext to encryption in three rounds over all members: keys with both switches off, then
    `verify_outgoing` on, then `verify_incoming` on. The other way round it goes back.
    """

    keyring: Keyring = field(default_factory=Keyring)

    verify_incoming: bool = True
    """Refuse what is not sealed by one of the keys."""

    verify_outgoing: bool = True
    """Seal what is sent."""

    version: SealVersion = SealVersion.UNPADDED
    """What to seal with; both are read."""

    @property
    def seals(self) -> bool:
        return bool(self.keyring.keys) and self.verify_outgoing

    @property
    def overhead(self) -> int:
        """What sealing takes of a packet."""
        return self.version.overhead if self.seals else 0
