"""Processes that may outlive the one that started them, named so that nobody else's is ever signalled.

A pid alone is no name: the kernel hands it out again. Together with the start time it is one, and a pidfd
taken before the comparison makes check and signal one act.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from swimlb.runtime import clock

KILL_TIMEOUT = 5.0
"""How long a killed process may take to disappear: only one stuck in the kernel takes longer than a moment."""

POLL_INTERVAL = 0.005

_NO_PROCESS = (errno.ESRCH, errno.ENOENT, errno.EINVAL)
"""Nobody has the number, or by now a thread of another process has it: EINVAL, and of late ENOENT."""


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process for ever: its pid, and its start in clock ticks since boot (field 22 of /proc/PID/stat)."""

    pid: int
    started: int

    @property
    def is_alive(self) -> bool:
        """Whether it runs. A zombie does not: it only waits to be reaped."""
        return _start_ticks(self.pid) == self.started

    def send(self, signum: signal.Signals) -> bool:
        """Signal exactly this process; False when it is gone."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except OSError as error:
            if error.errno in _NO_PROCESS:
                return False
            raise
        try:
            if not self.is_alive:
                return False
            signal.pidfd_send_signal(descriptor, signum)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True


def identify(pid: int) -> ProcessId | None:
    """The lasting name of the process that has this pid now; None when there is none, or only a zombie."""
    started = _start_ticks(pid)
    return None if started is None else ProcessId(pid, started)


def myself() -> ProcessId:
    identity = identify(os.getpid())
    assert identity is not None
    return identity


def await_exit(processes: Iterable[ProcessId], timeout: float) -> tuple[ProcessId, ...]:
    """Wait until all are gone; give back those that are still there when the time is up.

    A child of the caller counts as gone when it has become a zombie; reaping it stays the caller's.
    """
    deadline = clock.monotonic() + timeout
    remaining = tuple(process for process in processes if process.is_alive)
    while remaining and clock.monotonic() < deadline:
        time.sleep(POLL_INTERVAL)
        remaining = tuple(process for process in remaining if process.is_alive)
    return remaining


def kill(processes: Iterable[ProcessId]) -> tuple[ProcessId, ...]:
    """SIGKILL and wait; give back those that did not go (none, unless the kernel holds one)."""
    targets = tuple(processes)
    for process in targets:
        process.send(signal.SIGKILL)
    return await_exit(targets, KILL_TIMEOUT)


def descendants(process: ProcessId) -> tuple[ProcessId, ...]:
    """Its children, their children and so on, as they are at this moment; none of a process that has ended."""
    parents = {
        ProcessId(int(entry.name), int(fields[19])): int(fields[1])
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None and fields[0] not in "ZX"
    }
    if not process.is_alive:
        return ()  # Those were the children of whoever has its pid now.
    found: list[ProcessId] = []
    generation = [process.pid]
    while generation:
        children = [one for one, parent in parents.items() if parent in generation]
        found += children
        generation = [one.pid for one in children]
    return tuple(found)


def _start_ticks(pid: int) -> int | None:
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third (state, parent, …) on."""
    with suppress(FileNotFoundError, ProcessLookupError):
        # The command's name may hold anything, also ") ": the fields begin after its last parenthesis.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return None
