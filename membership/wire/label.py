"""The label: the name of a ring, in front of everything else, so that rings on one network do not mix.

    f4, length (1 to 255), the label, the packet or the rest of the stream

On a stream only the side that dials sends the header; the answer goes without. It is no secret: what protects a
ring is its key, and the label goes into the authenticated data of what the key seals.
"""

from __future__ import annotations

from membership.errors import DecodeError
from membership.wire.messages import MessageType

LABEL_OCTETS_MAX = 255
_HEADER_OCTETS = 2


def overhead(label: bytes) -> int:
    """What a label takes of a packet."""
    return _HEADER_OCTETS + len(label) if label else 0


def add_label(data: bytes, label: bytes) -> bytes:
    if not label:
        return data
    assert len(label) <= LABEL_OCTETS_MAX
    return bytes((MessageType.HAS_LABEL, len(label))) + label + data


def strip_label(data: bytes, label: bytes) -> bytes:
    """What is behind the header; DecodeError unless it is there and right, or rightly not there."""
    end = label_end(data, label)
    if end is None:
        raise DecodeError("label-truncated")
    return data[end:]


def label_end(data: bytes | bytearray, label: bytes) -> int | None:
    """Where the header ends, or None when more octets have to come. DecodeError as soon as it is wrong."""
    if not data:
        return None if label else 0
    if data[0] != MessageType.HAS_LABEL:
        if label:
            raise DecodeError("label-missing")
        return 0
    if not label:
        raise DecodeError("label-unexpected")
    if len(data) < _HEADER_OCTETS:
        return None
    if data[1] == 0:
        raise DecodeError("label-empty")
    if data[1] != len(label):
        raise DecodeError("label-mismatch")
    end = _HEADER_OCTETS + len(label)
    if len(data) < end:
        return None
    if data[_HEADER_OCTETS:end] != label:
        raise DecodeError("label-mismatch")
    return end
