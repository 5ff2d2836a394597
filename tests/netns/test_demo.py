"""The demo as a user starts it, and as a user ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from swimlb.lab.ledger import Ledger
from swimlb.lab.waiting import wait_until
from tests.browser.pages import PHONE, look_at, require_readable
from tests.netns.test_lab_leaves_nothing import traces

DEMO = [sys.executable, "-m", "swimlb", "demo"]
PLAY_TIMEOUT = 120.0


def start(base: Path, report: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*DEMO, "--report", str(report), *options],
        env={**os.environ, "SWIMLB_LAB_BASE": str(base)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def await_ledger(base: Path, labels: Sequence[str]) -> Ledger:
    """The demo's record, once it has started all of these processes."""

    def has_started() -> bool:
        path = base / "demo" / "state.json"
        return path.exists() and set(labels) <= Ledger.load(path).processes.keys()

    wait_until(has_started, timeout=30, what=f"the demo to start {', '.join(labels)}")
    return Ledger.load(base / "demo" / "state.json")


def test_the_demo_holds_its_bounds_and_draws_its_report(base: Path, tmp_path: Path) -> None:
    """Piped, it writes plain lines; it ends with 0, and leaves the report and nothing else."""
    report, timeline = tmp_path / "report.html", tmp_path / "timeline.svg"
    with start(base, report, "--timeline", str(timeline)) as demo:
        ledger = await_ledger(base, ["bgpd/router"])
        output, _ = demo.communicate(timeout=PLAY_TIMEOUT)

    assert demo.returncode == 0, output
    assert "Every step held its bound." in output
    assert "\x1b" not in output
    assert report.read_text().count("<svg") == 3
    require_readable(look_at(report.read_text(), tmp_path, width=PHONE))
    assert timeline.read_text().startswith("<svg")
    assert traces(ledger) == []


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["bgpd/router", "speaker/worker-02", "referee/3"])
def test_a_demo_that_is_interrupted_leaves_nothing(
    base: Path, tmp_path: Path, moment: str, signum: signal.Signals
) -> None:
    """While it builds, while the speakers start, and in the middle of the play."""
    with start(base, tmp_path / "report.html") as demo:
        ledger = await_ledger(base, [moment])

        demo.send_signal(signum)
        output, _ = demo.communicate(timeout=20)

    assert demo.returncode != 0
    assert "Traceback" not in output
    assert traces(ledger) == []


def test_a_play_that_fails_says_so_and_leaves_nothing(base: Path, tmp_path: Path) -> None:
    """Manifests without what the demo shows: status 1, the reason in the output and in the report."""
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    with start(base, tmp_path / "report.html", "--manifests", str(manifests)) as demo:
        ledger = await_ledger(base, ["speaker/worker-02"])
        output, _ = demo.communicate(timeout=60)

    assert demo.returncode == 1
    assert "the demo needs a Service" in output
    assert "the demo needs a Service" in (tmp_path / "report.html").read_text()
    assert traces(ledger) == []
