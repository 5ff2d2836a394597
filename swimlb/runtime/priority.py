"""Precedence of the process that others watch: what keeps it waiting makes it look dead.

With the kernel's usual fairness a process that wants 2 % of a core still waits tens of milliseconds, and on a crowded host
hundreds, behind those that compute. With the lowest niceness it runs at once and gets, against one that computes at
niceness 0, 98 of 100 parts. Unlike real-time scheduling it cannot take a core away from the rest of the host.

Where the kernel groups processes by session (autogroups, sched(7): the default of most distributions), niceness counts within
the session only, and each session has an equal share, however nice. So the session gets a niceness, too.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from pathlib import Path

NICENESS = -20
_ATTEMPTS, _PAUSE = 10, 0.11
"""Without CAP_SYS_ADMIN the kernel changes one session in 0.1 s, and for all others it says EAGAIN."""


def take_precedence() -> str | None:
    """Ask for it, for this process and the threads it will have. None, or why the kernel says no: CAP_SYS_NICE is missing.

    It gets a session of its own, and that gets the niceness, too, where niceness counts within sessions.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
        with suppress(PermissionError):
            os.setsid()  # Refused to one that leads a process group: it has been started apart from others.
        if _is_grouped(os.getpid()):
            _renice_session(os.getpid(), NICENESS)
    except OSError as error:
        return error.strerror or str(error)
    return None


def lend_precedence(pid: int) -> None:
    """Hand it on, where this process has it, to one that it has started in a session of its own. Raises OSError."""
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    if niceness < 0 and _is_grouped(pid):
        _renice_session(pid, niceness)


def _is_grouped(pid: int) -> bool:
    """Not on kernels without autogroups, and not where the session is the kernel's first one: there the file is empty."""
    try:
        return bool(_autogroup(pid).read_text())
    except FileNotFoundError:
        return False


def _renice_session(pid: int, niceness: int) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _autogroup(pid).write_text(str(niceness))
        except OSError as error:
            if error.errno != errno.EAGAIN or attempt == _ATTEMPTS:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _autogroup(pid: int) -> Path:
    return Path(f"/proc/{pid}/autogroup")
