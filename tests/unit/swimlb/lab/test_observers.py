"""An observer that has gone blind says so, and does not tell of a quiet night."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from swimlb.lab import route_monitor
from swimlb.lab.errors import LabError, LabTimeoutError
from swimlb.lab.ledger import Ledger
from swimlb.lab.observers import ProbeRun, RouteSampler
from swimlb.lab.processes import myself
from swimlb.lab.route_monitor import RouteMonitor
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import wait_until


def put_in_place_of_ip(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    directory.mkdir()
    (directory / "ip").write_text(f"#!/bin/sh\n{script}\n")
    (directory / "ip").chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """One whose namespaces are all the one that the test runs in."""
    put_in_place_of_ip(tmp_path / "programs", monkeypatch, 'shift 3; exec "$@"')
    ledger = Ledger(
        path=tmp_path / "labs" / "demo" / "state.json", name="demo", prefix="swl0", owner=myself()
    )
    ledger.save()
    return Sandbox(ledger)


def test_a_prober_that_has_ended_by_itself_has_nothing_to_tell(sandbox: Sandbox) -> None:
    """What it had seen until then would look like a recording without an outage."""
    with sandbox, ProbeRun(sandbox, "127.0.0.1", 9) as run:
        before = run.recording()
        ((label, process),) = sandbox.ledger.processes.items()
        process.send(signal.SIGKILL)
        wait_until(lambda: sandbox.process(label) is None, timeout=5, what="the prober to end")

        with pytest.raises(LabError, match=r"prober/.* has ended by itself: it said nothing"):
            run.recording()
        with pytest.raises(LabError, match="has ended by itself"):
            run.answering()

    assert before.probes == ()


def test_one_that_was_stopped_tells_what_it_saw(sandbox: Sandbox) -> None:
    with sandbox:
        with ProbeRun(sandbox, "127.0.0.1", 9) as run:
            run.stop()

        assert len(run.recording().probes) >= 1


@pytest.mark.parametrize("failure", [LabError("no such namespace"), OSError("no such namespace")])
def test_a_route_that_cannot_be_read_any_more_is_not_taken_for_one_that_stays(failure: Exception) -> None:
    answers = [("192.0.2.1",)]

    def read() -> tuple[str, ...]:
        if not answers:
            raise failure
        return answers.pop()

    with RouteSampler(read) as sampler:
        wait_until(lambda: not sampler._thread.is_alive(), timeout=5, what="the sampler to fail")

    with pytest.raises(LabError, match="the route could not be followed: no such namespace"):
        sampler.samples()


def test_a_monitor_that_never_listens_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_place_of_ip(tmp_path / "programs", monkeypatch, "exec sleep 60")
    monkeypatch.setattr(route_monitor, "BEGIN_TIMEOUT", 0.1)
    monitor = RouteMonitor("node-a")

    with pytest.raises(LabTimeoutError, match="`ip monitor` to listen"), monitor:
        pass

    ended = monitor._process
    assert ended is not None
    assert ended.returncode == -signal.SIGKILL
