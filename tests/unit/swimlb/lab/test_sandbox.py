"""Where a sandbox keeps its record. What it does on the machine is tested as root, in tests/netns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from swimlb.lab import sandbox as sandboxes
from swimlb.lab.errors import LabError
from swimlb.lab.ledger import Ledger
from swimlb.lab.processes import identify, myself
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import wait_until


def save_ledger(directory: Path) -> None:
    Ledger(path=directory / "state.json", name="demo", prefix="swl0", owner=myself()).save()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../demo", "demo/", "/demo", "-demo", "de mo", "demo\n", "d" * 65]
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """The directory of that name is deleted when the lab is taken down: `..` would be all of /run."""
    base = tmp_path / "labs"
    for directory in (tmp_path, base, base / "demo", tmp_path / "demo"):
        save_ledger(directory)

    with pytest.raises(LabError, match="cannot be the name of a lab: take up to 64 letters"):
        Sandbox.attach(name, base)


@pytest.mark.parametrize("name", ["demo", "bench-MetalLB--100-ms-3-1-21461", "a.b_c", "4"])
def test_usual_names_are_taken(tmp_path: Path, name: str) -> None:
    save_ledger(tmp_path / name)

    assert Sandbox.attach(name, tmp_path).home == tmp_path / name


def test_a_base_is_the_same_wherever_the_next_command_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is recorded of files, and told to daemons, does not hang on the directory that `up` was called in."""
    save_ledger(tmp_path / "labs" / "demo")
    monkeypatch.chdir(tmp_path)

    assert Sandbox.attach("demo", Path("labs")).home == tmp_path / "labs" / "demo"


LOCKED = """
import sys
from pathlib import Path
from swimlb.lab.sandbox import _locked

with _locked(Path(sys.argv[1])):
    print(Path(sys.argv[1]).is_dir())
"""


def test_the_lock_is_that_of_the_directory_which_is_there(tmp_path: Path) -> None:
    """The last lab takes the directory along while another one waits for its turn: two might go on beside each other."""
    base = tmp_path / "labs"
    with sandboxes._locked(base):
        other = subprocess.Popen([sys.executable, "-c", LOCKED, base], stdout=subprocess.PIPE, text=True)
        wait_until(
            lambda: f"-> FLOCK  ADVISORY  WRITE {other.pid} " in Path("/proc/locks").read_text(),
            timeout=20,
            what="the other one to wait for the lock",
        )
        base.rmdir()
    said, _ = other.communicate(timeout=20)

    assert said == "True\n"


def test_the_directory_stays_for_the_one_who_is_about_to_use_it(tmp_path: Path) -> None:
    base = tmp_path / "labs"
    save_ledger(base / "demo")
    with sandboxes._locked(base):
        Sandbox.attach("demo", base).close()
        was_there = base.is_dir()

    assert was_there
    save_ledger(base / "demo")
    Sandbox.attach("demo", base).close()
    assert not base.exists()


def test_what_is_interrupted_as_it_starts_ends_with_the_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be neither in the ledger nor in the namespace yet, in which it would be found."""
    programs, pid = tmp_path / "programs", tmp_path / "pid"
    programs.mkdir()
    (programs / "ip").write_text(f"#!/bin/sh\necho $$ >{pid}\nexec sleep 60\n")
    (programs / "ip").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    save_ledger(tmp_path / "labs" / "demo")
    sandbox = Sandbox.attach("demo", tmp_path / "labs")

    def interrupted(*_: object) -> None:
        wait_until(lambda: pid.exists() and pid.read_text(), timeout=5, what="the process to begin")
        raise KeyboardInterrupt

    monkeypatch.setattr(Ledger, "note_process", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sandbox.start("demo", ["true"], namespace="node-a")
    begun = identify(int(pid.read_text()))

    sandbox.close()

    assert begun is not None
    assert not begun.is_alive
