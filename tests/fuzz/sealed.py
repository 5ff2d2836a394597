"""The way through label and seal: what strangers send, and what holders of a key seal that they should not."""

from __future__ import annotations

import zlib
from contextlib import suppress

from membership.envelope import Envelope
from membership.errors import DecodeError
from membership.keyring import Encryption, Keyring
from membership.opener import StreamOpener
from membership.wire.crypto import Cipher, SealVersion, stream_header
from membership.wire.label import add_label
from membership.wire.packet import decode_packet

KEYS = (bytes(range(16)), bytes(range(24)), bytes(range(32)))
"""The keys of the golden packets, so that these open."""
_LABELS = (b"", b"ring-a")
_ENVELOPES = {
    label: Envelope(label, Encryption(keyring=Keyring(KEYS)), lambda: bytes(12), compression=False)
    for label in _LABELS
}
_CIPHERS = tuple(map(Cipher, KEYS))
_STREAM_OCTETS_MAX = 1 << 20


def sealed(data: bytes) -> None:
    """As it is, it opens or is refused; sealed with one of the keys, any plaintext gets as far as the decoders."""
    head, rest = data[:1].ljust(1, b"\0")[0], data[1:]
    label, cipher = _LABELS[head & 1], _CIPHERS[(head >> 1) % 3]
    envelope = _ENVELOPES[label]

    for packet in (rest, add_label(_seal(cipher, rest, label, head >> 7), label)):
        with suppress(DecodeError):
            decode_packet(envelope.open_packet(packet))
    header = stream_header(SealVersion.UNPADDED.overhead + len(rest))
    blob = _seal(cipher, rest, header + label, 1)
    for stream in (rest, add_label(header + blob, label)):
        _feed(StreamOpener(envelope, is_request=True, octets_max=_STREAM_OCTETS_MAX), stream, 1 + head)


def _seal(cipher: Cipher, plaintext: bytes, associated: bytes, version: int) -> bytes:
    """The padding is not ours to put right: whoever has a key can get it wrong."""
    nonce = zlib.crc32(plaintext).to_bytes(12, "big")
    return bytes((version,)) + cipher.seal(plaintext, nonce, associated, SealVersion.UNPADDED)[1:]


def _feed(opener: StreamOpener, data: bytes, size: int) -> None:
    with suppress(DecodeError):
        for at in range(0, len(data), size):
            if opener.feed(data[at : at + size]) is not None:
                return
