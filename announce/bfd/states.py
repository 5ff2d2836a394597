"""Session states and diagnostic codes (RFC 5880 section 4.1)."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    ADMIN_DOWN = 0
    DOWN = 1
    INIT = 2
    UP = 3


class Diagnostic(IntEnum):
    """Why a session last left the state Up."""

    NONE = 0
    CONTROL_DETECTION_TIME_EXPIRED = 1
    ECHO_FUNCTION_FAILED = 2
    NEIGHBOR_SIGNALED_SESSION_DOWN = 3
    FORWARDING_PLANE_RESET = 4
    PATH_DOWN = 5
    CONCATENATED_PATH_DOWN = 6
    ADMINISTRATIVELY_DOWN = 7
    REVERSE_CONCATENATED_PATH_DOWN = 8


def describe(diagnostic: int) -> str:
    """In words; the codes 9 to 31 are reserved, and a peer may send them all the same."""
    try:
        return Diagnostic(diagnostic).name.lower().replace("_", " ")
    except ValueError:
        return f"diagnostic {diagnostic}"
