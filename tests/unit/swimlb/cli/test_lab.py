"""`swimlb lab` on a lab of which there is only the record: what it does in networks is tested in tests/netns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from swimlb.cli.lab import lab
from swimlb.lab.kubernetes.plan import KIND
from swimlb.lab.ledger import Ledger
from tests.rights import needs_root

pytestmark = needs_root


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(
        path=tmp_path / "labs" / "default" / "state.json", name="default", prefix="swl0", owner=None
    )
    ledger.note_settings(nodes=3, manifests=str(tmp_path), options=[], loss={}, partition=[])
    return ledger


def test_two_commands_at_the_same_time_lose_nothing_of_each_other(tmp_path: Path, ledger: Ledger) -> None:
    """Each reads the record, changes it and writes it as a whole."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "ip").write_text("#!/bin/sh\ncat >/dev/null\nsleep 1\n")
    (programs / "ip").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "SWIMLB_LAB_BASE": str(tmp_path / "labs"),
    }

    commands = [
        subprocess.Popen([sys.executable, "-m", "swimlb", "lab", "loss", node, "5"], env=environment)
        for node in ("worker-01", "worker-02")
    ]

    assert [command.wait(60) for command in commands] == [0, 0]
    assert Ledger.load(ledger.path).settings["loss"] == {"worker-01": 5.0, "worker-02": 5.0}


@pytest.mark.parametrize("command", [("exec", "inside", "--", "true"), ("loss", "inside", "1")])
def test_a_missing_tool_is_named(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    name, *arguments = command

    result = CliRunner().invoke(lab, [name, "--base", str(ledger.path.parents[1]), *arguments])

    assert result.output == "Error: `ip` is not installed: run `apt-get install iproute2`\n"


def test_options_behind_the_first_word_are_those_of_kubectl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Ledger(
        path=tmp_path / "labs" / "mine" / "state.json", name="mine", prefix="swl0", owner=None
    ).note_settings(kind=KIND, nodes=3, options=[], controller_options=[], loss={}, partition=[])
    (tmp_path / "kubectl").write_text("#!/bin/sh\n")
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("SWIMLB_KUBE_TOOLS", str(tmp_path))
    started: list[tuple[str, ...]] = []

    def start(_: str, argv: tuple[str, ...]) -> None:
        started.append(argv)

    monkeypatch.setattr(os, "execvp", start)
    ours = ["kubectl", "--base", str(tmp_path / "labs"), "--name", "mine"]

    for separator in ([], ["--"]):
        result = CliRunner().invoke(
            lab, [*ours, *separator, "expose", "deployment", "web", "--name", "web-svc", "-h"]
        )
        assert result.exit_code == 0, result.output

    assert [argv[-6:] for argv in started] == [("expose", "deployment", "web", "--name", "web-svc", "-h")] * 2


@pytest.mark.parametrize(
    "arguments",
    [("start", "worker-01"), ("loss", "worker-01", "1"), ("partition", "none"), ("status",), ("down",)],
)
def test_a_lab_that_is_not_there_is_named(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    name, *rest = arguments

    result = CliRunner().invoke(lab, [name, "--base", str(tmp_path), *rest])

    assert result.output == "Error: there is no lab `default`: start it with `swimlb lab up`\n"
