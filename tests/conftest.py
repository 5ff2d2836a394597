"""What all sets of tests share.

Hypothesis has no deadline per example, because a busy machine is not a defect. Its examples are the same in every run, so that a
change that breaks nothing does not fail by what was there before; `make soak-properties` looks for new ones.
"""

from __future__ import annotations

import signal

from hypothesis import settings

settings.register_profile("swimlb", deadline=None, max_examples=60, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=5000)
settings.load_profile("swimlb")


def pytest_configure() -> None:
    """SIGTERM ends a run as Ctrl-C does: what fixtures have begun, namespaces and processes, goes first."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
