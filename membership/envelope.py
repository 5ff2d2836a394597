"""What is around every message on its way: compression, CRC, encryption, label, in this order.

    packet:  message -> compressed, if smaller -> CRC, if it is understood -> sealed -> labelled
    stream:  message -> compressed -> sealed, behind its length -> labelled, by the side that dials

Opening is the exact reverse. Compression and CRC of what comes in are taken off by the decoders, which find them by
the type octet.
"""

from __future__ import annotations

from collections.abc import Callable

from membership.errors import DecodeError
from membership.keyring import Encryption
from membership.wire.crypto import NONCE_OCTETS, Cipher, stream_header, unseal
from membership.wire.label import add_label, overhead, strip_label
from membership.wire.packet import compress, with_crc


class Envelope:
    """Closes and opens; `nonces` gives 12 octets that it never gives again."""

    def __init__(
        self, label: bytes, encryption: Encryption, nonces: Callable[[], bytes], *, compression: bool
    ) -> None:
        self.label = label
        self._nonces = nonces
        self._compression = compression
        self._ciphers: dict[bytes, Cipher] = {}
        self.change(encryption)

    def change(self, encryption: Encryption) -> None:
        """From now on; what is under way is opened by the new keys, too."""
        self._encryption = encryption
        self._ciphers = {key: self._ciphers.get(key) or Cipher(key) for key in encryption.keyring.keys}

    @property
    def overhead(self) -> int:
        """Octets of a packet that are not for messages."""
        return overhead(self.label) + self._encryption.overhead

    @property
    def has_keys(self) -> bool:
        return bool(self._ciphers)

    @property
    def accepts_plaintext(self) -> bool:
        return not (self._ciphers and self._encryption.verify_incoming)

    # Packets

    def close_packet(self, message: bytes, *, has_crc: bool) -> bytes:
        if self._compression and len(compressed := compress(message)) < len(message):
            message = compressed
        if has_crc:
            message = with_crc(message)
        if self._encryption.seals:
            message = self._seal(message, self.label)
        return add_label(message, self.label)

    def open_packet(self, data: bytes) -> bytes:
        """What `decode_packet` takes, or DecodeError."""
        data = strip_label(data, self.label)
        if not self._ciphers:
            return data
        try:
            return self.unseal(data, self.label)
        except DecodeError:
            if self.accepts_plaintext:
                return data
            raise

    # Streams

    def close_stream(self, message: bytes, *, is_request: bool) -> bytes:
        if self._compression:
            # Also when it grows by it: so does memberlist.
            message = compress(message)
        if self._encryption.seals:
            header = stream_header(self._encryption.version.sealed_octets(len(message)))
            message = header + self._seal(message, header + self.label)
        return add_label(message, self.label) if is_request else message

    def unseal(self, blob: bytes, associated: bytes) -> bytes:
        return unseal(blob, associated, self._ciphers.values())

    def _seal(self, plaintext: bytes, associated: bytes) -> bytes:
        nonce = self._nonces()
        assert len(nonce) == NONCE_OCTETS
        primary = next(iter(self._ciphers.values()))
        return primary.seal(plaintext, nonce, associated, self._encryption.version)
