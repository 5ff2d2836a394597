"""Errors that end a process before it has done anything."""

from __future__ import annotations


class StartRefused(Exception):
    """The environment does not allow the start. Nothing is held, and a retry cannot help until somebody acts.

    The text says what and how: it is the one line that the operator gets.
    """
