"""A process that measures goes before all that is measured: what it waits for a core would be taken for an outage.

sched(7)
"""

from __future__ import annotations

import os
from contextlib import suppress

_PRIORITY = 2
"""The product's own is 1 (`swimlb.runtime.urgency`)."""


def go_first() -> None:
    """Real-time scheduling, before the product's own. Where that is not allowed, only the recorded lateness tells of waits.

    For what sleeps most of the time.
    """
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
