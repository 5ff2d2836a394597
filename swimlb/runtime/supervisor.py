"""Keeps the two processes of a node running, and stops them in order. A machine; `processes.py` is its shell.

    wire    is started first and stopped first: it lets go of its addresses (a planned move) while *watch* still
            answers people who ask. If it dies by itself, that is a failover: it is started again.
    watch   is started again whenever it dies; *wire* goes on with what it knows in the meantime.

    running ──exit──► backing off ──time──► running
       │  a stop is requested
       ▼
    stopping wire ──gone──► stopping watch ──gone──► Exit
       (SIGTERM, or for a restart SIGUSR2 to wire; and SIGKILL when `grace` has passed)

A process that says at its first start that starting it again cannot help (exit status 78, EX_CONFIG: a port in use, a
missing right) ends the whole; it has told the reason in its own words. One that has run well before is tried again: what
keeps it from it, such as a file that is just being written, is no reason to end the other one.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, assert_never

EX_CONFIG = 78
"""sysexits.h: something in the configuration or the environment must change before a start can succeed."""

EX_TEMPFAIL = 75
"""sysexits.h: a later start may succeed."""

EX_OSERR = 71
"""sysexits.h: the process could not even be made."""


class Process(StrEnum):
    WIRE = "wire"
    WATCH = "watch"


@dataclass(frozen=True, slots=True)
class Started:
    """The supervisor itself runs; nothing else does yet."""


@dataclass(frozen=True, slots=True)
class ProcessExited:
    process: Process
    status: int
    """Exit status, or minus the number of the signal that ended it."""


@dataclass(frozen=True, slots=True)
class StopRequested:
    """SIGTERM or SIGINT reached the supervisor, or SIGUSR2: the speaker is to be started again at once."""

    is_restart: bool = False


@dataclass(frozen=True, slots=True)
class ReloadRequested:
    """SIGHUP reached the supervisor."""


Event: TypeAlias = Started | ProcessExited | StopRequested | ReloadRequested


@dataclass(frozen=True, slots=True)
class StartProcess:
    process: Process


@dataclass(frozen=True, slots=True)
class SignalProcess:
    process: Process
    signal: signal.Signals


@dataclass(frozen=True, slots=True)
class TellRestart:
    """The process has ended by itself, and is started again after a wait."""

    process: Process
    status: int
    wait: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Exit:
    """Both are gone: end with this status."""

    status: int


Effect: TypeAlias = StartProcess | SignalProcess | TellRestart | Exit


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    backoff_first: float = 0.2
    """Wait before a process that died is started again. Doubles with every early death."""
    backoff_max: float = 10.0
    healthy_after: float = 10.0
    """A process that ran this long starts with the first backoff again."""
    wire_grace: float = 28.0
    """From SIGTERM to SIGKILL. Above the longest planned move, and below the 30 s of a kubelet: up to 20 s for
    routers to look for other ways, drain 3 s, leave 1 s, and slow machines."""
    watch_grace: float = 3.0

    def grace(self, process: Process) -> float:
        return self.wire_grace if process is Process.WIRE else self.watch_grace


@dataclass(slots=True)
class _Child:
    is_running: bool = False
    has_run_well: bool = False
    started_at: float = 0.0
    backoff: float = 0.0
    restart_at: float | None = None
    is_told_to_stop: bool = False
    kill_at: float | None = None


class Supervisor:
    """Two children, one order: wire before watch, at the start and at the end."""

    def __init__(self, config: Config | None = None) -> None:
        self._config = config or Config()
        self._children = {process: _Child() for process in Process}
        self._is_stopping = False
        self._wire_signal = signal.SIGTERM
        """What tells *wire* to stop, and whether routers are to keep its routes: to *watch* a stop is a stop."""
        self._status = 0

    def step(self, event: Event, now: float) -> list[Effect]:
        match event:
            case Started():
                return [effect for process in Process for effect in self._start(process, now)]
            case ProcessExited(process, status):
                return self._exited(process, status, now)
            case StopRequested(is_restart):
                return self._stop(0, now, is_restart=is_restart)
            case ReloadRequested():
                # Only *watch* reads manifests; it would find the edit by itself, a little later.
                is_running = self._children[Process.WATCH].is_running and not self._is_stopping
                return [SignalProcess(Process.WATCH, signal.SIGHUP)] if is_running else []
            case _:
                assert_never(event)

    def advance(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for process, child in self._children.items():
            if child.restart_at is not None and child.restart_at <= now:
                effects += self._start(process, now)
            if child.kill_at is not None and child.kill_at <= now:
                child.kill_at = None
                effects.append(SignalProcess(process, signal.SIGKILL))
        return effects

    def next_deadline(self) -> float | None:
        deadlines = [
            at
            for child in self._children.values()
            for at in (child.restart_at, child.kill_at)
            if at is not None
        ]
        return min(deadlines, default=None)

    def _start(self, process: Process, now: float) -> list[Effect]:
        child = self._children[process]
        child.is_running, child.started_at, child.restart_at = True, now, None
        return [StartProcess(process)]

    def _exited(self, process: Process, status: int, now: float) -> list[Effect]:
        child = self._children[process]
        child.is_running, child.kill_at = False, None
        if self._is_stopping:
            return self._stop_next(now)
        early = now - child.started_at < self._config.healthy_after
        child.has_run_well |= not early
        if status == EX_CONFIG and not child.has_run_well:
            return self._stop(EX_CONFIG, now)
        child.backoff = (
            min(child.backoff * 2, self._config.backoff_max)
            if early and child.backoff
            else self._config.backoff_first
        )
        child.restart_at = now + child.backoff
        return [TellRestart(process, status, child.backoff)]

    def _stop(self, status: int, now: float, *, is_restart: bool = False) -> list[Effect]:
        if self._is_stopping:
            return []
        if is_restart:
            self._wire_signal = signal.SIGUSR2
        self._is_stopping, self._status = True, status
        for child in self._children.values():
            child.restart_at = None
        return self._stop_next(now)

    def _stop_next(self, now: float) -> list[Effect]:
        for process, child in self._children.items():
            if not child.is_running:
                continue
            if child.is_told_to_stop:
                return []
            child.is_told_to_stop, child.kill_at = True, now + self._config.grace(process)
            return [SignalProcess(process, self._wire_signal if process is Process.WIRE else signal.SIGTERM)]
        return [Exit(self._status)]
