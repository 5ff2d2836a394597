"""What is not said again to a peer that cannot bear to hear it (RFC 5492 sections 3 and 5)."""

from __future__ import annotations

from announce.bgp.capabilities import CapabilityCode, code_of
from announce.bgp.cursor import Cursor
from announce.bgp.effects import EndKind, EndReason
from announce.bgp.errors import ErrorCode, NotificationError, OpenError
from announce.bgp.messages import Notification, Open

_DISPENSABLE = frozenset(CapabilityCode) - {CapabilityCode.MULTIPROTOCOL, CapabilityCode.FOUR_OCTET_AS}
"""Without these there is still the session that was configured."""


def withheld_after(own: Open, reason: EndReason) -> frozenset[int]:
    """Codes of capabilities in our OPEN that brought about the end of the attempt; most often none.

    A peer that does not know capabilities at all says so by Unsupported Optional Parameter. One that objects to
    some names them; one that names none objects to whatever can be done without.
    """
    notification = reason.notification
    if reason.kind is not EndKind.NOTIFICATION_RECEIVED or notification is None:
        return frozenset()
    offered = frozenset(map(code_of, own.capabilities))
    match notification.code, notification.subcode:
        case ErrorCode.OPEN_MESSAGE, OpenError.UNSUPPORTED_OPTIONAL_PARAMETER:
            return offered
        case ErrorCode.OPEN_MESSAGE, OpenError.UNSUPPORTED_CAPABILITY:
            # Also one that we do not offer may be named, because the peer demands it; then this changes nothing.
            return offered & _named(notification) if notification.data else offered & _DISPENSABLE
        case _:
            return frozenset()


def _named(notification: Notification) -> frozenset[int]:
    """The data are capabilities as in OPEN; how their values are filled is the peer's affair."""
    codes: set[int] = set()
    cursor = Cursor(notification.data, OpenError.UNSPECIFIC)
    try:
        while cursor:
            codes.add(cursor.u8())
            cursor.take(cursor.u8())
    except NotificationError:
        pass  # Cut short; what was read counts.
    return frozenset(codes)
