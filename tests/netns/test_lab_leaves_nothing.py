"""Whatever ends a run, and at whatever moment: no namespace, no process and no file of it stays."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from swimlb.lab.errors import LabError
from swimlb.lab.ledger import Ledger
from swimlb.lab.sandbox import Sandbox, remove_stale
from swimlb.lab.waiting import wait_until

STUBBORN = (
    "trap '' TERM INT HUP; (trap '' TERM INT HUP; while :; do sleep 1; done) & while :; do sleep 1; done"
)
"""A process that no polite signal ends, with a child that is like it."""

RUN = """
import signal, sys, time
from pathlib import Path
from swimlb.lab.endings import ending_signals_raise
from swimlb.lab.sandbox import Sandbox

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # These tests may themselves have been started by nohup.
name, base, stubborn, ending = sys.argv[1:]
with ending_signals_raise(), Sandbox.create(name, Path(base)) as sandbox:
    sandbox.add_namespaces("node-a", "node-b")
    sandbox.add_directory(Path("/run") / f"{sandbox.prefix}-elsewhere")
    sandbox.start("stubborn", ["sh", "-c", stubborn], namespace="node-a")
    if ending == "hand over":
        sandbox.hand_over()
        sys.exit(0)
    print("ready", flush=True)
    if ending == "fail":
        sys.stdin.readline()
        raise RuntimeError("a step failed")
    time.sleep(60)
"""


@contextmanager
def running(base: Path, ending: str = "wait") -> Generator[tuple[subprocess.Popen[str], Ledger]]:
    """A run in a process of its own, at the point where it has made all kinds of things."""
    name = f"test-{secrets.token_hex(3)}"
    with subprocess.Popen(
        [sys.executable, "-c", RUN, name, str(base), STUBBORN, ending],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        try:
            yield child, Ledger.load(base / name / "state.json")
        finally:
            child.kill()
            child.wait()
            remove_stale(base)


def traces(ledger: Ledger) -> list[str]:
    """What of a sandbox is still on this machine."""
    found = [name for name in ledger.namespaces if Path("/run/netns", name).exists()]
    found += [directory for directory in ledger.directories if Path(directory).exists()]
    found += [label for label, process in ledger.processes.items() if process.is_alive]
    found += [str(ledger.path.parent)] if ledger.path.parent.exists() else []
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return found + [line for line in listing.splitlines() if ledger.prefix in line]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_behind(base: Path, signum: signal.Signals) -> None:
    with running(base) as (child, ledger):
        before = traces(ledger)

        child.send_signal(signum)
        child.wait(10)

        assert len(before) >= 5
        assert traces(ledger) == []


def test_an_impatient_user_leaves_nothing_behind(base: Path) -> None:
    """Interrupts that come while the teardown is under way do not cut it short."""
    with running(base) as (child, ledger):
        while child.poll() is None:
            child.send_signal(signal.SIGINT)
            child.send_signal(signal.SIGTERM)

        assert traces(ledger) == []


def test_a_failing_step_leaves_nothing_behind(base: Path) -> None:
    with running(base, "fail") as (child, ledger):
        assert child.stdin is not None
        before = traces(ledger)

        child.stdin.close()
        status = child.wait(10)

        assert len(before) >= 5
        assert status == 1
        assert traces(ledger) == []


def test_what_a_killed_run_left_is_removed_by_the_next_one(base: Path) -> None:
    with running(base) as (child, ledger):
        child.kill()
        child.wait()
        left = traces(ledger)

        with Sandbox.create(f"test-{secrets.token_hex(3)}", base):
            found = traces(ledger)

        assert len(left) >= 5
        assert found == []


def test_a_live_run_is_not_taken_for_a_stale_one(base: Path) -> None:
    with running(base) as (_, ledger):
        before = traces(ledger)

        assert remove_stale(base) == ()
        assert traces(ledger) == before


def test_a_second_run_of_the_same_name_is_refused(base: Path) -> None:
    with (
        running(base) as (_, ledger),
        pytest.raises(LabError, match=f"`{ledger.name}` is already up.*lab down"),
    ):
        Sandbox.create(ledger.name, base)


def test_one_that_was_handed_over_outlives_its_maker_until_it_is_closed(base: Path) -> None:
    name = f"test-{secrets.token_hex(3)}"
    subprocess.run([sys.executable, "-c", RUN, name, str(base), STUBBORN, "hand over"], check=True)
    try:
        ledger = Ledger.load(base / name / "state.json")
        before = traces(ledger)

        assert remove_stale(base) == ()
        assert len(before) >= 5
        assert traces(ledger) == before
    finally:
        Sandbox.attach(name, base).close()

    assert traces(ledger) == []


def test_closing_twice_is_harmless(base: Path) -> None:
    sandbox = Sandbox.create(f"test-{secrets.token_hex(3)}", base)
    sandbox.add_namespaces("node-a")

    sandbox.close()
    sandbox.close()

    assert traces(sandbox.ledger) == []


def test_a_process_that_died_long_ago_is_no_obstacle(base: Path) -> None:
    with Sandbox.create(f"test-{secrets.token_hex(3)}", base) as sandbox:
        sandbox.add_namespaces("node-a")
        short_lived = sandbox.start("short", ["true"], namespace="node-a")
        wait_until(lambda: not short_lived.is_alive, timeout=5, what="`true` to end")

    assert traces(sandbox.ledger) == []
