"""Cutting the octets of a connection into messages (RFC 4271 sections 4.1 and 6.1)."""

from __future__ import annotations

from collections.abc import Iterator

from announce.bgp.errors import MessageHeaderError, NotificationError
from announce.bgp.messages import HEADER_OCTETS, MARKER, MESSAGE_OCTETS_MAX, MessageType

_OCTETS_MIN = {
    MessageType.OPEN: 29,
    MessageType.UPDATE: 23,
    MessageType.NOTIFICATION: 21,
    MessageType.KEEPALIVE: HEADER_OCTETS,
    MessageType.ROUTE_REFRESH: 23,
}

_OCTETS_MAX = {MessageType.OPEN: MESSAGE_OCTETS_MAX, MessageType.KEEPALIVE: HEADER_OCTETS}


class Framer:
    """Takes chunks as they come and yields whole messages as (type, body).

    Between two calls it holds less than one message. After an error the stream has no more frames: the
    caller answers with the NOTIFICATION and closes.
    """

    __slots__ = ("_buffer", "_octets_max")

    def __init__(self, octets_max: int = MESSAGE_OCTETS_MAX) -> None:
        """Longer messages are refused; an OPEN never has more than MESSAGE_OCTETS_MAX (RFC 8654 section 3)."""
        self._buffer = b""
        self._octets_max = octets_max

    def feed(self, chunk: bytes) -> Iterator[tuple[MessageType, bytes]]:
        """Exhaust the iterator before the next chunk, or drop the Framer."""
        data = self._buffer + chunk
        position = 0
        while len(data) - position >= HEADER_OCTETS:
            length, kind = _checked_header(data[position : position + HEADER_OCTETS], self._octets_max)
            if len(data) - position < length:
                break
            body = data[position + HEADER_OCTETS : position + length]
            position += length
            yield kind, body
        self._buffer = data[position:]


def _checked_header(header: bytes, octets_max: int) -> tuple[int, MessageType]:
    length_field, type_octet = header[16:18], header[18]
    length = int.from_bytes(length_field, "big")
    if header[:16] != MARKER:
        raise NotificationError(MessageHeaderError.CONNECTION_NOT_SYNCHRONIZED, "the marker is not all ones")
    if not HEADER_OCTETS <= length <= octets_max:
        raise NotificationError(
            MessageHeaderError.BAD_MESSAGE_LENGTH, f"a message of {length} octets", length_field
        )
    try:
        kind = MessageType(type_octet)
    except ValueError:
        raise NotificationError(
            MessageHeaderError.BAD_MESSAGE_TYPE, f"a message of type {type_octet}", bytes((type_octet,))
        ) from None
    if not _OCTETS_MIN[kind] <= length <= _OCTETS_MAX.get(kind, octets_max):
        raise NotificationError(
            MessageHeaderError.BAD_MESSAGE_LENGTH, f"{kind.name} of {length} octets", length_field
        )
    return length, kind
