"""What all sets of tests share."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """SIGTERM ends a run as Ctrl-C does: what fixtures have begun, namespaces and processes, goes first."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
