"""What the API server answers when it does not do what was asked, as exceptions.

None of them says that nothing was done, except where that is written: a call that ended in `Unavailable` may have been
carried out. Messages are the API server's own, and hold no credentials.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec


class ApiError(Exception):
    """The API server refused a call. `reason` is its word for why, such as NotFound; `message` is for people."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class BadRequest(ApiError):
    """400: the call itself is wrong. Ours."""


class Unauthorized(ApiError):
    """401: the API server does not know who asks: the token has expired, or is not of this cluster."""


class Forbidden(ApiError):
    """403: who asks may not do this. The operator's: a Role or its binding is missing."""


class NotFound(ApiError):
    """404: there is no such object, or, if `is_kind_missing`, no such kind of object: a definition is not installed."""

    is_kind_missing = False


class Conflict(ApiError):
    """409: the object has changed since it was read, or another field manager owns the field. Nothing was done."""


class AlreadyExists(ApiError):
    """409: an object of this name is there. Nothing was done."""


class Gone(ApiError):
    """410: the resource version or the continue token is too old. List anew."""


class Invalid(ApiError):
    """422: the object breaks a rule of its kind, or a policy. Nothing was done."""


class TooManyRequests(ApiError):
    """429: the API server is busy, and did nothing."""

    retry_after: float = 1.0
    """Seconds that it asks to wait."""


class Unavailable(ApiError):
    """5xx, no connection, or no answer in time: whether anything was done is not known. `status` 0: no answer."""

    retry_after: float | None = None


def unavailable(message: str) -> Unavailable:
    """No answer."""
    return Unavailable(0, "Unavailable", message)


_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}
_MESSAGE_LENGTH_MAX = 1000


def error_of(status: int, body: bytes, headers: Mapping[str, str]) -> ApiError:
    """The exception for an answer; a body that is no Status object (a proxy's page, say) is quoted."""
    content = _status_object(body)
    error = error_of_status(content, status)
    if isinstance(error, NotFound) and not content.get("details"):
        # The API server names what it looked for; without the resource it does not know what that is.
        error.is_kind_missing = True
    if not content:
        error.message = body[:_MESSAGE_LENGTH_MAX].decode(errors="replace").strip() or "no explanation"
        error.args = (f"{status} {error.reason}: {error.message}",)
    wait = _seconds(headers.get("Retry-After"))
    if wait is not None and isinstance(error, TooManyRequests | Unavailable):
        error.retry_after = wait
    return error


def error_of_status(content: Mapping[str, Any], status: int = 0) -> ApiError:
    """The exception for a Status object, such as a watch has in its events of type ERROR."""
    code = content.get("code")
    status = status or (code if isinstance(code, int) else 500)
    reason = str(content.get("reason") or "")
    message = str(content.get("message") or "")[:_MESSAGE_LENGTH_MAX]
    if status == 409 and reason == "AlreadyExists":
        return AlreadyExists(status, reason, message)
    # Whatever its code, this one has one way out only: to list anew.
    cls = Gone if reason in ("Expired", "Gone") else _BY_STATUS.get(status)
    if cls is None:
        cls = Unavailable if status >= 500 else ApiError
    return cls(status, reason or cls.__name__, message)


def _status_object(body: bytes) -> Mapping[str, Any]:
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    if not isinstance(content, dict):
        return {}
    known = cast("dict[str, Any]", content)
    return known if known.get("kind") == "Status" else {}


def _seconds(text: str | None) -> float | None:
    """Retry-After in seconds; the API server sends no dates."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
