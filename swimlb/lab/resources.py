"""What a process holds: memory of its own, open files (sockets among them) and threads; and the processor time it has had."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from swimlb.lab.processes import ProcessId


@dataclass(frozen=True, slots=True)
class Holding:
    private_kib: int
    """Dirty pages that no other process shares: RSS counts libraries once for every process."""
    files: int
    sockets: int
    threads: int


def held_by(process: ProcessId) -> Holding:
    """OSError when the process is gone."""
    proc = Path("/proc", str(process.pid))
    links = [os.readlink(entry) for entry in (proc / "fd").iterdir()]
    return Holding(
        private_kib=int(_field(proc / "smaps_rollup", "Private_Dirty")),
        files=len(links),
        sockets=sum(link.startswith("socket:") for link in links),
        threads=int(_field(proc / "status", "Threads")),
    )


def cpu_seconds(pids: Iterable[int]) -> float:
    """That threads of these processes which live have had so far, in seconds: to the nanosecond, where /proc/PID/stat counts ticks."""
    nanoseconds = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # It has ended meanwhile.
                nanoseconds += int((thread / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def _field(path: Path, name: str) -> str:
    line = next(line for line in path.read_text().splitlines() if line.startswith(f"{name}:"))
    return line.split()[1]
