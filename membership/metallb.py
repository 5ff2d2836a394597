"""The keys that MetalLB's speakers make of their secret, so that ours can stand in one ring with them.

MetalLB means to hash the secret, but appends the hash of nothing to it and cuts the result: from 0.14 on to 32 octets
(AES-256), before to 16. The secret is taken byte for byte: a line feed at its end is part of it.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

from membership.errors import InvalidConfig
from membership.keyring import Keyring

_HASH_OF_NOTHING = hashlib.sha256(b"").digest()


class KeyDerivation(StrEnum):
    METALLB = "metallb"
    """MetalLB 0.14 and later."""
    METALLB_0_13 = "metallb-0.13"
    """MetalLB 0.13 and earlier."""
    SHA256 = "sha256"
    """The hash of the secret, as is proposed for MetalLB. All of a long secret counts, unlike in the other two."""

    def key(self, secret: bytes) -> bytes:
        match self:
            case KeyDerivation.METALLB:
                return (secret + _HASH_OF_NOTHING)[:32]
            case KeyDerivation.METALLB_0_13:
                return (secret + _HASH_OF_NOTHING)[:16]
            case KeyDerivation.SHA256:
                return hashlib.sha256(secret).digest()


def keyring(secret: bytes, derivation: KeyDerivation = KeyDerivation.METALLB) -> Keyring:
    """The chosen key to seal with, and those of the other derivations to read by.

    So a ring goes from one MetalLB to the next, or from one derivation to another, member by member.
    """
    if not secret:
        raise InvalidConfig(
            "secret", "an empty secret is no secret: give MetalLB's, or 16 random octets or more"
        )
    keys = [derivation.key(secret), *(other.key(secret) for other in KeyDerivation)]
    return Keyring(tuple(dict.fromkeys(keys)))
