"""How long this machine itself keeps a process waiting: `python -m bench.stalls CORE`.

A real-time process that only sleeps goes before all others on its core. If it wakes late, nothing that a product does
could have helped: the hypervisor ran something else. One JSON line for each such stall on standard output; needs root.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from swimlb.runtime import clock

INTERVAL = 0.002
NOTABLE = 0.01
"""Seconds late from which on a stall is told."""
_PRIORITY = 90


def stalls(log: Path) -> Iterator[float]:
    """Lengths of those that a process has told into this file, in seconds."""
    for line in log.read_text().splitlines(keepends=True):
        if line.endswith("}\n"):
            yield json.loads(line)["stall"]


def watch(core: int) -> None:
    os.sched_setaffinity(0, {core})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    while True:
        before = clock.monotonic()
        time.sleep(INTERVAL)
        if (late := clock.monotonic() - before - INTERVAL) > NOTABLE:
            print(json.dumps({"stall": late}), flush=True)


if __name__ == "__main__":
    watch(int(sys.argv[1]))
