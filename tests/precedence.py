"""Tests in which a moment counts, on a machine that others keep busy: some sets of tests run beside each other."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

from swimlb.runtime.urgency import PRIORITY as OF_WIRE

PRIORITY = OF_WIRE + 1


@contextmanager
def before_all_others() -> Generator[None]:
    """The calling thread runs as soon as it can, and so do the threads and processes that it starts meanwhile."""
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
