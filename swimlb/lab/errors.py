"""What the lab says when it cannot go on."""

from __future__ import annotations


class LabError(Exception):
    """The lab, or a step of it, failed for a reason that its user can act on.

    The message is one line: what is wrong, and where it helps, what to do. Whatever the lab had built is
    still recorded and is removed when its sandbox closes.
    """


class LabTimeoutError(LabError):
    """Something did not come about in time; the message says what was waited for and what was seen last."""
