"""The supervisor's shell: starts real processes, waits for signals and exits, without an event loop.

It imports next to nothing, since it lives as long as the speaker and does almost nothing in between. The children
share a pair of sequenced-packet sockets (`link.py`); this process keeps both ends open, so that neither child sees
the link break when the other one dies.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping

from swimlb.runtime import clock
from swimlb.runtime.supervisor import (
    EX_OSERR,
    Effect,
    Event,
    Exit,
    Process,
    ProcessExited,
    ReloadRequested,
    SignalProcess,
    Started,
    StartProcess,
    StopRequested,
    Supervisor,
    TellRestart,
)

LINK_BUFFER_OCTETS = 1 << 20
"""Room for a burst of records; the kernel may give less, which only makes the sender wait."""

_PR_SET_PDEATHSIG = 1
_WATCHED = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR2, signal.SIGHUP, signal.SIGCHLD}


def supervise(
    command: Callable[[Process, int], list[str]],
    supervisor: Supervisor | None = None,
    *,
    environment: Callable[[Process], Mapping[str, str] | None] = lambda _: None,
) -> int:
    """Run both processes until told to stop; return the exit status.

    `command(process, link_fd)` gives the argument list of a process, `environment(process)` its environment; None: this
    process's own. SIGTERM and SIGINT start the orderly stop, SIGUSR2 that before a restart; SIGHUP makes *watch* look at
    its files at once.
    """
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LINK_BUFFER_OCTETS)
    try:
        links = dict(zip(Process, ends, strict=True))
        return _Supervision(command, environment, supervisor or Supervisor(), links).run()
    finally:
        for end in ends:
            end.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


class _Supervision:
    def __init__(
        self,
        command: Callable[[Process, int], list[str]],
        environment: Callable[[Process], Mapping[str, str] | None],
        supervisor: Supervisor,
        link_ends: dict[Process, socket.socket],
    ) -> None:
        self._command = command
        self._environment = environment
        self._supervisor = supervisor
        self._link_ends = link_ends
        self._running: dict[Process, subprocess.Popen[bytes]] = {}
        self._status: int | None = None

    def run(self) -> int:
        try:
            self._step(Started())
            while self._status is None:
                self._wait()
            return self._status
        finally:
            # Only reached with children alive when this process itself fails.
            for child in self._running.values():
                child.kill()
                child.wait()

    def _wait(self) -> None:
        deadline = self._supervisor.next_deadline()
        # With no deadline there is nothing to do but wait; the bound only keeps a lost signal from lasting for ever.
        timeout = 5.0 if deadline is None else max(0.0, deadline - clock.monotonic())
        got = signal.sigtimedwait(_WATCHED, min(timeout, 5.0))
        if got is not None and got.si_signo in (signal.SIGTERM, signal.SIGINT):
            self._step(StopRequested())
        if got is not None and got.si_signo == signal.SIGUSR2:
            self._step(StopRequested(is_restart=True))
        if got is not None and got.si_signo == signal.SIGHUP:
            self._step(ReloadRequested())
        for process, child in list(self._running.items()):
            status = child.poll()
            if status is not None:
                del self._running[process]
                self._step(ProcessExited(process, status))
        for effect in self._supervisor.advance(clock.monotonic()):
            self._perform(effect)

    def _step(self, event: Event) -> None:
        for effect in self._supervisor.step(event, clock.monotonic()):
            self._perform(effect)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case StartProcess(process):
                self._start(process)
            case SignalProcess(process, number):
                self._running[process].send_signal(number)
            case TellRestart(process, status, wait):
                end = f"signal {-status}" if status < 0 else f"exit status {status}"
                print(f"swimlb: {process} has ended ({end}); started again in {wait:g} s", file=sys.stderr)
            case Exit(status):
                self._status = status

    def _start(self, process: Process) -> None:
        fd = self._link_ends[process].fileno()
        try:
            self._running[process] = subprocess.Popen(
                self._command(process, fd),
                pass_fds=(fd,),
                stdin=subprocess.DEVNULL,
                env=self._environment(process),
            )
        except OSError as error:
            # No memory, no process number, the interpreter just being replaced: the other process is none the worse.
            print(f"swimlb: {process} cannot be started: {error}", file=sys.stderr)
            self._step(ProcessExited(process, EX_OSERR))


def become_child(supervisor_pid: int) -> None:
    """Called first by a child: take signals again, and get SIGTERM should the supervisor be killed.

    A speaker whose supervisor is gone would be nobody's child and outlive its node's shutdown; SIGTERM makes its end
    the same planned move as any. Ends the process when the supervisor is gone already.
    """
    # By default it would end a process that has no use for it, or does not listen yet.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != supervisor_pid:
        sys.exit("swimlb: the supervisor ended before its child had started")
