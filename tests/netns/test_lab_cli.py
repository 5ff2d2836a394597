"""`swimlb lab` as a user types it."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from swimlb.lab import namespaces
from swimlb.lab.ledger import Ledger
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import wait_until
from tests.netns.conftest import copy_manifests
from tests.netns.test_lab_leaves_nothing import traces

ADDRESS = "192.168.3.170"


@dataclass(frozen=True, slots=True)
class Commands:
    base: Path
    name: str

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command, *rest = arguments
        return subprocess.run(
            [sys.executable, "-m", "swimlb", "lab", command, "--name", self.name, *rest],
            env={**os.environ, "SWIMLB_LAB_BASE": str(self.base)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def good(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def bad(self, *arguments: str) -> str:
        """What a command that fails says: one line."""
        done = self.run(*arguments)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        return done.stderr

    @property
    def ledger(self) -> Ledger:
        return Ledger.load(self.base / self.name / "state.json")


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """A lab of four nodes that `swimlb lab up` has left running."""
    manifests = copy_manifests(tmp_path_factory.mktemp("manifests"), "nginx.yaml", "layer2.yaml")
    commands = Commands(Path("/run/swimlb-lab-cli-tests"), f"test-{secrets.token_hex(3)}")
    try:
        commands.good("up", "--nodes", "4", "--manifests", str(manifests))
        yield commands
    finally:
        if (commands.base / commands.name).exists():
            Sandbox.attach(commands.name, commands.base).close()


def await_members(commands: Commands, *names: str) -> None:
    """Until the status has a line in which a speaker holds exactly these for alive."""
    wait_until(
        lambda: f"│ {', '.join(names)} │" in re.sub(" +", " ", commands.good("status")),
        timeout=20,
        what=f"a speaker to see {', '.join(names)}",
        seen=lambda: "\n" + commands.good("status"),
    )


def test_the_status_shows_members_addresses_and_owners(commands: Commands) -> None:
    output = commands.good("status")

    for words in ("master-01", "worker-03", "192.168.3.106", "default/nginx-svc", ADDRESS):
        assert words in output


def test_a_command_runs_inside_a_host(commands: Commands) -> None:
    output = commands.good("exec", "worker-03", "--", "ip", "-j", "-4", "address", "show", "eth0")

    assert json.loads(output)[0]["addr_info"][0]["local"] == "192.168.3.106"


def test_a_cut_is_noticed_and_heals(commands: Commands) -> None:
    commands.good("cut", "worker-03")
    await_members(commands, "master-01", "worker-01", "worker-02")

    commands.good("heal", "worker-03")
    await_members(commands, "master-01", "worker-01", "worker-02", "worker-03")


@pytest.mark.parametrize("way", ["kill", "stop"])
def test_a_speaker_is_ended_and_started_again(commands: Commands, way: str) -> None:
    commands.good(way, "worker-03")
    assert "does not answer" in commands.good("status")
    assert "is not running" in commands.bad(way, "worker-03")

    commands.good("start", "worker-03")
    assert "already running" in commands.bad("start", "worker-03")
    wait_until(
        lambda: "does not answer" not in commands.good("status"), timeout=10, what="the speaker to answer"
    )


def test_loss_and_partition_add_up_and_are_taken_back(commands: Commands) -> None:
    switch = f"{commands.ledger.prefix}-switch"

    commands.good("loss", "worker-03", "100")
    rules_of_all = namespaces.run(namespaces.execute(switch, "nft", "list", "ruleset"))
    commands.good("loss", "worker-03", "20")
    commands.good("loss", "worker-02", "0.5")
    commands.good("partition", "master-01/worker-01,worker-02")
    rules = namespaces.run(namespaces.execute(switch, "nft", "list", "ruleset"))
    commands.good("loss", "worker-03", "0")
    commands.good("loss", "worker-02", "0")
    commands.good("partition", "none")
    rules_after = namespaces.run(namespaces.execute(switch, "nft", "list", "ruleset"))

    assert len(re.findall('ifname "p-worker-03" counter .* drop', rules_of_all)) == 2
    assert rules.count('ifname "p-worker-03" numgen random mod 1000 < 200') == 2
    assert rules.count('ifname "p-worker-02" numgen random mod 1000 < 5') == 2
    assert rules.count(" . ") >= 4
    assert "numgen" not in rules_after
    assert "elements" not in rules_after


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("up",), "already up"),
        (("cut", "worker-99"), "there is no `worker-99`"),
        (("loss", "worker-01", "101"), "0 to 100"),
        (("partition", "worker-01"), "is no partition"),
        (("exec", "nobody", "--", "true"), "there is no `nobody`"),
        (("start", "router"), "there is no node `router`"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    commands: Commands, arguments: tuple[str, ...], words: str
) -> None:
    assert words in commands.bad(*arguments)


def test_down_removes_everything(commands: Commands) -> None:
    """Last in this module: the lab is gone afterwards."""
    ledger = commands.ledger

    commands.good("down")

    assert traces(ledger) == []
    assert "swimlb lab up" in commands.bad("down")


def test_whoever_is_not_root_is_told_so(base: Path) -> None:
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-m", "swimlb", "lab", "up"],
        env={**os.environ, "SWIMLB_LAB_BASE": str(base), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.endswith("only root may: run it with sudo\n")


def test_a_missing_tool_is_named_with_its_package(base: Path, tmp_path: Path) -> None:
    """A machine without iproute2."""
    done = subprocess.run(
        [sys.executable, "-m", "swimlb", "lab", "up", "--name", f"test-{secrets.token_hex(3)}"],
        env={**os.environ, "SWIMLB_LAB_BASE": str(base), "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == "Error: `ip` is not installed: run `apt-get install iproute2`\n"
