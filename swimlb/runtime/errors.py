"""Errors that end a process before it has done anything."""

from __future__ import annotations


class NotStarted(Exception):
    """The environment does not allow the start. Nothing is held.

    The text says what and how: it is the one line that the operator gets.
    """


class StartRefused(NotStarted):
    """A retry cannot help until somebody acts."""


class StartFailed(NotStarted):
    """A retry may help: what is lacking comes by itself at times, such as an address of the host at boot."""
