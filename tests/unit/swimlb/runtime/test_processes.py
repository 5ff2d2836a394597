"""The supervisor's shell with real, tiny processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.unit.swimlb.runtime.waiting import until

SUPERVISE = """
import sys
from swimlb.runtime.processes import supervise
from swimlb.runtime.supervisor import Config, Supervisor

child = '''
import os, signal, sys, time
from swimlb.runtime.processes import become_child
become_child({parent})
name = {name!r}
def stop(*_):
    open(f"{directory}/order", "a").write(name + "\\\\n")
    sys.exit(0)
def reload(*_):
    open(f"{directory}/reloads", "a").write(name + "\\\\n")
signal.signal(signal.SIGTERM, stop)
def restart(*_):
    open(f"{directory}/restarts", "a").write(name + "\\\\n")
    stop()
signal.signal(signal.SIGUSR2, restart)
if name == "watch":
    signal.signal(signal.SIGHUP, reload)
path = f"{directory}/{{name}}"
open(path + ".partial", "w").write(str(os.getpid()))
os.rename(path + ".partial", path)
while True:
    time.sleep(0.05)
'''

def command(process, fd):
    import os
    return [sys.executable, "-c", child.format(parent=os.getpid(), name=str(process), directory=sys.argv[1])]

sys.exit(supervise(command, Supervisor(Config(backoff_first=0.05))))
"""


def start(directory: Path) -> subprocess.Popen[bytes]:
    # The child's own f-strings are written for the text above, so the directory is put in beforehand.
    script = textwrap.dedent(SUPERVISE).replace("{directory}", str(directory))
    return subprocess.Popen([sys.executable, "-c", script, str(directory)])


def pid_of(directory: Path, name: str) -> int:
    return int((directory / name).read_text())


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_restarts_a_killed_child_and_stops_in_order(tmp_path: Path) -> None:
    """SIGKILL of one leaves the other alone; SIGTERM ends wire, then watch, then the supervisor with 0."""
    supervisor = start(tmp_path)
    try:
        until(lambda: (tmp_path / "wire").exists() and (tmp_path / "watch").exists())
        wire, watch = pid_of(tmp_path, "wire"), pid_of(tmp_path, "watch")

        os.kill(watch, signal.SIGKILL)
        until(lambda: pid_of(tmp_path, "watch") != watch)
        assert is_alive(wire)

        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(10) == 0
        assert (tmp_path / "order").read_text().split() == ["wire", "watch"]
    finally:
        supervisor.kill()
        supervisor.wait()


def test_a_stop_for_a_restart_is_told_to_wire(tmp_path: Path) -> None:
    """SIGUSR2 to the supervisor, as systemd's RestartKillSignal sends it; the rest is as with SIGTERM."""
    supervisor = start(tmp_path)
    try:
        until(lambda: (tmp_path / "wire").exists() and (tmp_path / "watch").exists())

        supervisor.send_signal(signal.SIGUSR2)

        assert supervisor.wait(10) == 0
        assert (tmp_path / "order").read_text().split() == ["wire", "watch"]
        assert (tmp_path / "restarts").read_text().split() == ["wire"]
    finally:
        supervisor.kill()
        supervisor.wait()


def test_a_hangup_reaches_watch_and_ends_nobody(tmp_path: Path) -> None:
    """By default it would end each of them."""
    supervisor = start(tmp_path)
    try:
        until(lambda: (tmp_path / "wire").exists() and (tmp_path / "watch").exists())

        supervisor.send_signal(signal.SIGHUP)
        os.kill(pid_of(tmp_path, "wire"), signal.SIGHUP)

        until(lambda: (tmp_path / "reloads").exists() and (tmp_path / "reloads").read_text() == "watch\n")
        assert is_alive(pid_of(tmp_path, "wire"))
        assert supervisor.poll() is None
    finally:
        supervisor.terminate()
        supervisor.wait(10)


def test_children_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    """They get SIGTERM, which makes the end of wire the same planned move as any."""
    supervisor = start(tmp_path)
    try:
        until(lambda: (tmp_path / "wire").exists() and (tmp_path / "watch").exists())
        children = [pid_of(tmp_path, "wire"), pid_of(tmp_path, "watch")]

        supervisor.kill()

        until(lambda: not any(map(is_alive, children)))
        assert sorted((tmp_path / "order").read_text().split()) == ["watch", "wire"]
    finally:
        supervisor.kill()
        supervisor.wait()


def test_a_process_that_cannot_be_made_leaves_the_other_alone(tmp_path: Path) -> None:
    """It is tried again, as one that has ended: here its program is away for a while."""
    program = tmp_path / "python"
    script = textwrap.dedent(SUPERVISE).replace("{directory}", str(tmp_path))
    script = script.replace("[sys.executable", f'[sys.executable if process == "wire" else "{program}"')
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stderr is not None
        assert "watch cannot be started: " in supervisor.stderr.readline()
        assert "watch has ended (exit status 71); started again in 0.05 s" in supervisor.stderr.readline()
        until(lambda: (tmp_path / "wire").exists())
        wire = pid_of(tmp_path, "wire")
        (tmp_path / "partial").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (tmp_path / "partial").chmod(0o755)
        (tmp_path / "partial").rename(program)
        until(lambda: (tmp_path / "watch").exists())

        assert is_alive(wire)
        supervisor.terminate()
        supervisor.stderr.read()
        assert supervisor.wait(10) == 0
