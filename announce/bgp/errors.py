"""What can go wrong between two BGP speakers, in the code points of the NOTIFICATION message.

Every fault of a peer is raised as a `NotificationError`, which holds the code, subcode and data of the
NOTIFICATION that answers it, so that the place which finds a fault also decides how it is answered.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias


class ErrorCode(IntEnum):
    """RFC 4271 section 4.5, RFC 7313 and RFC 9687."""

    MESSAGE_HEADER = 1
    OPEN_MESSAGE = 2
    UPDATE_MESSAGE = 3
    HOLD_TIMER_EXPIRED = 4
    FINITE_STATE_MACHINE = 5
    CEASE = 6
    ROUTE_REFRESH_MESSAGE = 7
    SEND_HOLD_TIMER_EXPIRED = 8


class MessageHeaderError(IntEnum):
    UNSPECIFIC = 0
    CONNECTION_NOT_SYNCHRONIZED = 1
    BAD_MESSAGE_LENGTH = 2
    BAD_MESSAGE_TYPE = 3


class OpenError(IntEnum):
    UNSPECIFIC = 0
    UNSUPPORTED_VERSION_NUMBER = 1
    BAD_PEER_AS = 2
    BAD_BGP_IDENTIFIER = 3
    UNSUPPORTED_OPTIONAL_PARAMETER = 4
    UNACCEPTABLE_HOLD_TIME = 6
    UNSUPPORTED_CAPABILITY = 7
    ROLE_MISMATCH = 11


class UpdateError(IntEnum):
    UNSPECIFIC = 0
    MALFORMED_ATTRIBUTE_LIST = 1
    UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE = 2
    MISSING_WELL_KNOWN_ATTRIBUTE = 3
    ATTRIBUTE_FLAGS_ERROR = 4
    ATTRIBUTE_LENGTH_ERROR = 5
    INVALID_ORIGIN_ATTRIBUTE = 6
    INVALID_NEXT_HOP_ATTRIBUTE = 8
    OPTIONAL_ATTRIBUTE_ERROR = 9
    INVALID_NETWORK_FIELD = 10
    MALFORMED_AS_PATH = 11


class HoldTimerError(IntEnum):
    UNSPECIFIC = 0


class FsmError(IntEnum):
    """RFC 6608."""

    UNSPECIFIC = 0
    UNEXPECTED_MESSAGE_IN_OPENSENT = 1
    UNEXPECTED_MESSAGE_IN_OPENCONFIRM = 2
    UNEXPECTED_MESSAGE_IN_ESTABLISHED = 3


class CeaseError(IntEnum):
    """RFC 4486, RFC 8538 and RFC 9384."""

    UNSPECIFIC = 0
    MAXIMUM_NUMBER_OF_PREFIXES_REACHED = 1
    ADMINISTRATIVE_SHUTDOWN = 2
    PEER_DECONFIGURED = 3
    ADMINISTRATIVE_RESET = 4
    CONNECTION_REJECTED = 5
    OTHER_CONFIGURATION_CHANGE = 6
    CONNECTION_COLLISION_RESOLUTION = 7
    OUT_OF_RESOURCES = 8
    HARD_RESET = 9
    BFD_DOWN = 10


class RouteRefreshError(IntEnum):
    """RFC 7313."""

    RESERVED = 0
    INVALID_MESSAGE_LENGTH = 1


class SendHoldTimerError(IntEnum):
    UNSPECIFIC = 0


Subcode: TypeAlias = (
    MessageHeaderError
    | OpenError
    | UpdateError
    | HoldTimerError
    | FsmError
    | CeaseError
    | RouteRefreshError
    | SendHoldTimerError
)

_SUBCODES: dict[ErrorCode, type[Subcode]] = {
    ErrorCode.MESSAGE_HEADER: MessageHeaderError,
    ErrorCode.OPEN_MESSAGE: OpenError,
    ErrorCode.UPDATE_MESSAGE: UpdateError,
    ErrorCode.HOLD_TIMER_EXPIRED: HoldTimerError,
    ErrorCode.FINITE_STATE_MACHINE: FsmError,
    ErrorCode.CEASE: CeaseError,
    ErrorCode.ROUTE_REFRESH_MESSAGE: RouteRefreshError,
    ErrorCode.SEND_HOLD_TIMER_EXPIRED: SendHoldTimerError,
}
_CODES = {subcodes: code for code, subcodes in _SUBCODES.items()}


def code_of(subcode: Subcode) -> ErrorCode:
    return _CODES[type(subcode)]


def describe(code: int, subcode: int) -> str:
    """Code and subcode in words, `Open Message Error: Bad Peer AS`; numbers where no RFC named them."""
    try:
        known = ErrorCode(code)
    except ValueError:
        return f"error code {code}, subcode {subcode}"
    words = _words(known)
    if known not in (
        ErrorCode.CEASE,
        ErrorCode.HOLD_TIMER_EXPIRED,
        ErrorCode.SEND_HOLD_TIMER_EXPIRED,
    ):
        words += " Error"
    if not subcode:
        return words
    try:
        return f"{words}: {_words(_SUBCODES[known](subcode))}"
    except ValueError:
        return f"{words}: subcode {subcode}"


_UPPERCASE = {"AS", "BGP", "BFD", "OPENSENT", "OPENCONFIRM"}


def _words(member: IntEnum) -> str:
    return " ".join(word if word in _UPPERCASE else word.capitalize() for word in member.name.split("_"))


class NotificationError(Exception):
    """The peer broke the protocol, and this is the NOTIFICATION that tells it so. No state has changed."""

    def __init__(self, subcode: Subcode, reason: str = "", data: bytes = b"") -> None:
        self.code = code_of(subcode)
        self.subcode = subcode
        self.reason = reason or describe(self.code, subcode)
        self.data = data
        super().__init__(self.reason)


class InvalidConfig(ValueError):
    """The operator's setting cannot work; nothing was built."""

    def __init__(self, field: str, hint: str) -> None:
        self.field = field
        self.hint = hint
        super().__init__(f"{field}: {hint}")
