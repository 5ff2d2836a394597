"""Two processes, one order: the supervisor in virtual time."""

from __future__ import annotations

import signal

from swimlb.runtime.supervisor import (
    EX_CONFIG,
    Config,
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

WIRE, WATCH = Process.WIRE, Process.WATCH
CONFIG = Config(backoff_first=0.25, backoff_max=1.0, healthy_after=10.0, wire_grace=8.0, watch_grace=2.0)


def running() -> Supervisor:
    supervisor = Supervisor(CONFIG)
    supervisor.step(Started(), 0.0)
    return supervisor


def test_starts_wire_first() -> None:
    """It opens the sockets; watch has nobody to talk to before."""
    assert Supervisor(CONFIG).step(Started(), 0.0) == [StartProcess(WIRE), StartProcess(WATCH)]


def test_passes_a_reload_on_to_watch() -> None:
    """Which reads the manifests; not while it is gone, nor when all is to end."""
    supervisor = running()

    assert supervisor.step(ReloadRequested(), 1.0) == [SignalProcess(WATCH, signal.SIGHUP)]
    supervisor.step(ProcessExited(WATCH, -9), 2.0)
    assert supervisor.step(ReloadRequested(), 2.1) == []
    supervisor.advance(2.25)
    supervisor.step(StopRequested(), 3.0)
    assert supervisor.step(ReloadRequested(), 3.1) == []


def test_starts_a_dead_process_again_and_leaves_the_other_alone() -> None:
    """After the first backoff."""
    supervisor = running()

    assert supervisor.step(ProcessExited(WATCH, -9), 1.0) == [TellRestart(WATCH, -9, 0.25)]
    assert supervisor.next_deadline() == 1.25
    assert supervisor.advance(1.25) == [StartProcess(WATCH)]


def test_waits_longer_for_a_process_that_keeps_dying() -> None:
    """Doubling up to the maximum; one that ran well for a while starts with the first backoff again."""
    supervisor = running()
    now, waits = 0.0, list[float]()
    for _ in range(4):
        supervisor.step(ProcessExited(WIRE, 1), now)
        due = supervisor.next_deadline()
        assert due is not None
        waits.append(due - now)
        supervisor.advance(now := due)

    assert waits == [0.25, 0.5, 1.0, 1.0]
    supervisor.step(ProcessExited(WIRE, 1), now + 10.0)
    assert supervisor.next_deadline() == now + 10.25


def test_stops_wire_before_watch() -> None:
    """So that people can still ask while addresses are handed over."""
    supervisor = running()

    assert supervisor.step(StopRequested(), 1.0) == [SignalProcess(WIRE, signal.SIGTERM)]
    assert supervisor.step(ProcessExited(WIRE, 0), 3.0) == [SignalProcess(WATCH, signal.SIGTERM)]
    assert supervisor.step(ProcessExited(WATCH, 0), 3.1) == [Exit(0)]


def test_tells_wire_alone_that_it_stops_for_a_restart() -> None:
    """It is *wire* that has something to leave standing."""
    supervisor = running()

    assert supervisor.step(StopRequested(is_restart=True), 1.0) == [SignalProcess(WIRE, signal.SIGUSR2)]
    assert supervisor.step(ProcessExited(WIRE, 0), 3.0) == [SignalProcess(WATCH, signal.SIGTERM)]
    assert supervisor.step(ProcessExited(WATCH, 0), 3.1) == [Exit(0)]


def test_kills_what_does_not_stop_in_time() -> None:
    """Each has a grace of its own, and is told once."""
    supervisor = running()
    supervisor.step(StopRequested(), 1.0)

    assert supervisor.step(StopRequested(), 2.0) == []
    assert supervisor.next_deadline() == 9.0
    assert supervisor.advance(9.0) == [SignalProcess(WIRE, signal.SIGKILL)]
    assert supervisor.next_deadline() is None
    assert supervisor.step(ProcessExited(WIRE, -9), 9.1) == [SignalProcess(WATCH, signal.SIGTERM)]


def test_does_not_wait_for_a_process_that_is_dead_already() -> None:
    """A restart that was due is called off."""
    supervisor = running()
    supervisor.step(ProcessExited(WIRE, -9), 1.0)

    assert supervisor.step(StopRequested(), 1.1) == [SignalProcess(WATCH, signal.SIGTERM)]
    assert supervisor.advance(5.0) == [SignalProcess(WATCH, signal.SIGKILL)]


def test_gives_up_when_starting_again_cannot_help() -> None:
    """A port in use stays in use: the reason was told, and the exit status says so too."""
    supervisor = running()

    assert supervisor.step(ProcessExited(WIRE, EX_CONFIG), 0.1) == [SignalProcess(WATCH, signal.SIGTERM)]
    assert supervisor.step(ProcessExited(WATCH, 0), 0.2) == [Exit(EX_CONFIG)]


def test_who_has_run_well_does_not_end_the_other_by_a_start_that_fails() -> None:
    """*watch* that finds its kubeconfig half written is tried again; *wire* goes on with what it knows."""
    supervisor = running()
    supervisor.step(ProcessExited(WATCH, -9), 3600.0)
    supervisor.advance(3600.25)

    assert supervisor.step(ProcessExited(WATCH, EX_CONFIG), 3600.5) == [TellRestart(WATCH, EX_CONFIG, 0.5)]
    assert supervisor.advance(3601.0) == [StartProcess(WATCH)]
