"""AES-GCM as memberlist seals with it: `version, nonce (12), ciphertext, tag (16)`.

Version 1 seals the plaintext as it is. Version 0, which members that speak protocol 1 send, first pads it to whole
blocks of 16. A packet *is* such a blob; on a stream it stands behind `0a` and its length, and these five octets are
authenticated with it, and so is the label. The version is not: who changes it on the way adds padding to a message
or takes octets off its end, and the decoders and the CRC see to the rest.

`cryptography` is imported with the first key: a ring in plaintext does not pay for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from membership.errors import DecodeError
from membership.wire.messages import MessageType

KEY_OCTETS = (16, 24, 32)
"""AES-128, AES-192, AES-256."""
NONCE_OCTETS = 12
STREAM_HEADER_OCTETS = 5
_TAG_OCTETS = 16
_BLOCK_OCTETS = 16


class SealVersion(IntEnum):
    PADDED = 0
    """For members that speak protocol 1."""
    UNPADDED = 1

    @property
    def overhead(self) -> int:
        """The most that sealing adds."""
        octets = 1 + NONCE_OCTETS + _TAG_OCTETS
        return octets + _BLOCK_OCTETS if self is SealVersion.PADDED else octets

    def sealed_octets(self, plaintext_octets: int) -> int:
        if self is SealVersion.UNPADDED:
            return self.overhead + plaintext_octets
        # There is always padding: a whole block of it when the plaintext ends with a block.
        return self.overhead + plaintext_octets - plaintext_octets % _BLOCK_OCTETS


class Cipher:
    """One key."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        assert len(key) in KEY_OCTETS
        self._aead = AESGCM(key)

    def seal(self, plaintext: bytes, nonce: bytes, associated: bytes, version: SealVersion) -> bytes:
        """The blob. A nonce must never be used twice with one key."""
        if version is SealVersion.PADDED:
            padding = _BLOCK_OCTETS - len(plaintext) % _BLOCK_OCTETS
            plaintext += bytes((padding,)) * padding
        return bytes((version,)) + nonce + self._aead.encrypt(nonce, plaintext, associated)

    def open(self, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes | None:
        """The plaintext with its padding, or None when it was not sealed with this key and this data."""
        from cryptography.exceptions import InvalidTag

        try:
            return self._aead.decrypt(nonce, ciphertext, associated)
        except InvalidTag:
            return None


def unseal(blob: bytes, associated: bytes, ciphers: Iterable[Cipher]) -> bytes:
    """Open a blob with the first key that fits, or raise DecodeError."""
    version = check_sealed(blob[:1], len(blob))
    nonce, ciphertext = blob[1 : 1 + NONCE_OCTETS], blob[1 + NONCE_OCTETS :]
    for cipher in ciphers:
        plaintext = cipher.open(nonce, ciphertext, associated)
        if plaintext is not None:
            return _unpad(plaintext) if version is SealVersion.PADDED else plaintext
    raise DecodeError("undecryptable")


def check_sealed(head: bytes, octets: int) -> SealVersion:
    """Could a blob of so many octets that begins like this be sealed at all? DecodeError if not."""
    if not head:
        raise DecodeError("sealed-too-short")
    if head[0] > SealVersion.UNPADDED:
        raise DecodeError("unknown-encryption")
    version = SealVersion(head[0])
    if octets < version.overhead:
        raise DecodeError("sealed-too-short")
    return version


def stream_header(blob_octets: int) -> bytes:
    """What stands before a blob on a stream."""
    return bytes((MessageType.ENCRYPT,)) + blob_octets.to_bytes(4, "big")


def _unpad(plaintext: bytes) -> bytes:
    # Members before 0.5 believe the last octet, whatever it is, and end when it is too large.
    padding = plaintext[-1] if plaintext else 0
    if not 1 <= padding <= _BLOCK_OCTETS or plaintext[-padding:] != bytes((padding,)) * padding:
        raise DecodeError("bad-padding")
    return plaintext[:-padding]
