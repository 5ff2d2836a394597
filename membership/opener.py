"""One direction of a stream, from the octets that come in to the one message that they are."""

from __future__ import annotations

from membership.envelope import Envelope
from membership.errors import DecodeError
from membership.wire.crypto import STREAM_HEADER_OCTETS, check_sealed
from membership.wire.label import label_end
from membership.wire.messages import MessageType
from membership.wire.stream import STREAM_OCTETS_MAX, StreamDecoder, StreamMessage


class StreamOpener:
    """Takes off label and seal as the octets come. No more of them are held than have arrived."""

    def __init__(self, envelope: Envelope, *, is_request: bool, octets_max: int = STREAM_OCTETS_MAX) -> None:
        """`is_request`: the other side has dialled. Only then its octets begin with the label."""
        self._envelope = envelope
        self._is_label_due = is_request
        self._octets_max = octets_max
        self._buffer = bytearray()
        self._plain: StreamDecoder | None = None

    def feed(self, data: bytes) -> StreamMessage | None:
        """Take octets; None means that the message needs more. Raises DecodeError, and is then spent."""
        if self._plain is not None:
            return self._plain.feed(data)
        self._buffer += data
        if self._is_label_due:
            if (end := label_end(self._buffer, self._envelope.label)) is None:
                return None
            del self._buffer[:end]
            self._is_label_due = False
        return self._open() if self._buffer else None

    def _open(self) -> StreamMessage | None:
        match self._buffer[0]:
            case MessageType.ENCRYPT:
                return self._open_sealed()
            case MessageType.HAS_LABEL:
                raise DecodeError("label-unexpected")
            case _:
                if not self._envelope.accepts_plaintext:
                    raise DecodeError("not-encrypted")
                self._plain = StreamDecoder(self._octets_max)
                return self._plain.feed(self._take(len(self._buffer)))

    def _open_sealed(self) -> StreamMessage | None:
        if not self._envelope.has_keys:
            raise DecodeError("encrypted")
        if len(self._buffer) < STREAM_HEADER_OCTETS:
            return None
        header = bytes(self._buffer[:STREAM_HEADER_OCTETS])
        octets = int.from_bytes(header[1:], "big")
        if octets > self._octets_max:
            # A promise of gigabytes is not waited for.
            raise DecodeError("stream-too-long")
        if octets == 0 or len(self._buffer) > STREAM_HEADER_OCTETS:
            check_sealed(bytes(self._buffer[STREAM_HEADER_OCTETS : STREAM_HEADER_OCTETS + 1]), octets)
        if len(self._buffer) < STREAM_HEADER_OCTETS + octets:
            return None
        self._take(STREAM_HEADER_OCTETS)
        plaintext = self._envelope.unseal(self._take(octets), header + self._envelope.label)
        message = StreamDecoder(self._octets_max).feed(plaintext)
        if message is None:
            raise DecodeError("message-truncated" if plaintext else "empty")
        return message

    def _take(self, octets: int) -> bytes:
        taken = bytes(self._buffer[:octets])
        del self._buffer[:octets]
        return taken
