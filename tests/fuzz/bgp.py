"""What a router may write: any octets are messages or a fault with its NOTIFICATION, whole or in pieces."""

from __future__ import annotations

from announce.bgp.errors import NotificationError
from announce.bgp.framing import Framer
from announce.bgp.messages import (
    EXTENDED_OCTETS_MAX,
    HEADER_OCTETS,
    MESSAGE_OCTETS_MAX,
    Message,
    MessageType,
    Notification,
    Open,
    Update,
    decode_message,
    encode,
)

_OPTIONAL_OCTETS_MAX = 200
"""What we say of ourselves stays below this, so that only such an OPEN has to be written again."""


def message(data: bytes) -> None:
    """The first octet chooses type and width of AS numbers, the rest is the body."""
    if not data:
        return
    kind = list(MessageType)[data[0] % len(MessageType)]
    body = data[1:] if kind is not MessageType.NOTIFICATION else data[1:].ljust(2, b"\0")
    four_octet_as = data[0] < 128
    decoded = _decoded(kind, body, four_octet_as=four_octet_as)
    if isinstance(decoded, NotificationError):
        assert len(encode(Notification.answering(decoded))) <= MESSAGE_OCTETS_MAX
        return
    assert str(decoded)
    if _can_be_said_again(decoded, body):
        octets = encode(decoded, four_octet_as=four_octet_as)
        again = decode_message(kind, octets[HEADER_OCTETS:], four_octet_as=four_octet_as)
        assert again == decoded


def _decoded(kind: MessageType, body: bytes, *, four_octet_as: bool) -> Message | NotificationError:
    try:
        return decode_message(kind, body, four_octet_as=four_octet_as)
    except NotificationError as error:
        return error


def _can_be_said_again(decoded: Message, body: bytes) -> bool:
    match decoded:
        case Open():
            return len(body) < _OPTIONAL_OCTETS_MAX
        case Update():
            return decoded.fault is None and len(body) < MESSAGE_OCTETS_MAX // 2
        case _:
            return len(body) < MESSAGE_OCTETS_MAX // 2


def stream(data: bytes) -> None:
    """Cut into messages the same whether they come at once or octet by octet; nothing is held beyond one."""
    octets_max = EXTENDED_OCTETS_MAX if data[:1] > b"\x7f" else MESSAGE_OCTETS_MAX

    assert _outcome(data, max(1, len(data)), octets_max) == _outcome(data, 1, octets_max)


def _outcome(data: bytes, size: int, octets_max: int) -> tuple[list[tuple[MessageType, bytes]], int | None]:
    framer = Framer(octets_max)
    frames: list[tuple[MessageType, bytes]] = []
    try:
        for at in range(0, len(data), size):
            frames.extend(framer.feed(data[at : at + size]))
    except NotificationError as error:
        return frames, error.subcode
    return frames, None
