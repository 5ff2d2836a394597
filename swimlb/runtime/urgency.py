"""Real-time scheduling for the process that others watch, given up by itself when it computes for long.

Niceness (`swimlb.runtime.priority`) decides how much of a core a process gets, not when: where the kernel groups processes, by
session or by control group, even the least nice one waits now and then until another has used up its turn. A real-time
process waits for no ordinary one. So that it takes no core away from them while it computes for long, as with the first
inventory of a large cluster, the kernel tells it when it has not slept for so long (RLIMIT_RTTIME); it is an ordinary process
then, until a pause has gone by.

    sched(7), setrlimit(2)
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from contextlib import suppress
from types import FrameType

LIMIT = 0.25
"""Seconds of computing at a stretch: a change of 100,000 routes takes some of these, a settled cluster never one."""

PAUSE = 0.1
"""Seconds as an ordinary process, each time."""

PRIORITY = 1
"""The lowest: what else of the host has been made real-time goes first."""


class Urgency:
    """Of the main thread. Threads that it starts meanwhile are real-time, too, and stay it: they are to wait, not to compute."""

    def __init__(self, limit: float = LIMIT, pause: float = PAUSE) -> None:
        self._limit, self._pause = limit, pause
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.times_given_up = 0
        """So far."""

    def start(self) -> str | None:
        """Needs a running loop. None, or why it cannot be: CAP_SYS_NICE is missing, or the control group has no real-time share."""
        _, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
        if hard != resource.RLIM_INFINITY:
            return f"RLIMIT_RTTIME has a hard limit of {hard} us, at which the kernel would kill this process"
        self._loop = asyncio.get_running_loop()
        signal.signal(signal.SIGXCPU, self._give_up)
        try:
            self._begin()
        except OSError as error:
            self.close()
            return error.strerror or str(error)
        return None

    def close(self) -> None:
        """An ordinary process from here on. An interpreter that ends without it may die of the kernel's signal on the way."""
        if self._loop is None:
            return
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        resource.setrlimit(resource.RLIMIT_RTTIME, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)

    def _begin(self) -> None:
        # Each time, as the kernel adds a second whenever it tells.
        microseconds = round(self._limit * 1e6)
        resource.setrlimit(resource.RLIMIT_RTTIME, (microseconds, resource.RLIM_INFINITY))
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))

    def _give_up(self, number: int, frame: FrameType | None) -> None:
        """In the middle of whatever the loop is doing."""
        if self._loop is None:
            return
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        self.times_given_up += 1
        self._loop.call_soon_threadsafe(self._rest)

    def _rest(self) -> None:
        if self._loop is not None:
            self._timer = self._loop.call_later(self._pause, self._begin_again)

    def _begin_again(self) -> None:
        """Who has not slept by the next tick of the kernel gives up once more."""
        # Moved to another control group meanwhile, it may not be allowed any more.
        with suppress(OSError):
            self._begin()
