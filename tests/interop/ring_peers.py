"""Members of one ring as processes that a test starts, orders about and kills: ours, Go's and serf's."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import threading
import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from swimlb.lab.waiting import wait_until

ROOT = Path(__file__).parents[2]
GO_PEERS = ROOT / ".setup" / "go-peers"
PORT = 17_946
_RPC_PORT = 17_373
_ANSWER_WITHIN = 15.0
_COMPLAINT = re.compile(r"\[(WARN|ERR)\]|Suspect .* has failed|Refuting")


class RingPeer(ABC):
    """One member, which can be started again after it has ended. Use it as a context: it leaves no process."""

    def __init__(self, name: str, address: str, directory: Path) -> None:
        """On IPv6 there is one loopback address, so the members differ by port, which their name gives."""
        self.name = name
        self.address = address
        self.port = PORT + (zlib.crc32(name.encode()) % 1000 if ":" in address else 0)
        self.log = directory / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RingPeer:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def seed(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} is not running"
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(5)
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None

    def complaints(self) -> list[str]:
        """What it has had to say about others since `forget_complaints`: suspicions, refutations, errors."""
        with self.log.open(errors="replace") as log:
            log.seek(self._complaints_from)
            return [line.strip() for line in log if _COMPLAINT.search(line)]

    def forget_complaints(self) -> None:
        self._complaints_from = self.log.stat().st_size

    _complaints_from = 0

    @abstractmethod
    def start(self) -> None:
        """Return once it listens."""

    @abstractmethod
    def join(self, seed: str) -> None: ...

    @abstractmethod
    def leave(self) -> None:
        """Say goodbye, and end."""

    @abstractmethod
    def names(self) -> set[str]:
        """Whom it takes for members, itself included."""


class LinePeer(RingPeer):
    """A process of one JSON object a line: ring_member.py and go-peer."""

    def __init__(self, name: str, address: str, directory: Path, command: Sequence[str | Path]) -> None:
        super().__init__(name, address, directory)
        self._command = [str(word).format(port=self.port) for word in command]
        self.lines: list[dict[str, Any]] = []
        self._changed = threading.Condition()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=ROOT
            )
        self.lines = []
        threading.Thread(target=self._read, args=(process, self.lines), daemon=True).start()
        self.wait_for({"event": "ready"})

    def _read(self, process: subprocess.Popen[bytes], lines: list[dict[str, Any]]) -> None:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                with self._changed:
                    lines.append(json.loads(line))
                    self._changed.notify_all()
        except ValueError:
            pass  # `kill` has closed the pipe, or the last line is half a one.

    def wait_for(
        self, wanted: dict[str, Any], start: int = 0, timeout: float = _ANSWER_WITHIN
    ) -> dict[str, Any]:
        """The first line from number `start` on that says all of `wanted`."""

        def find() -> dict[str, Any] | None:
            return next((line for line in self.lines[start:] if wanted.items() <= line.items()), None)

        with self._changed:
            self._changed.wait_for(find, timeout)
            found = find()
        assert found is not None, f"{self.name} did not say {wanted}, but {self.lines[start:]}"
        return found

    def ask(self, command: str) -> dict[str, Any]:
        start = len(self.lines)
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(command.encode() + b"\n")
        self._process.stdin.flush()
        return self.wait_for({"answer": command.split()[0]}, start)

    def do(self, command: str) -> None:
        answer = self.ask(command)
        assert not answer["error"], f"{self.name}: {command}: {answer['error']}"

    def join(self, seed: str) -> None:
        self.do(f"join {seed}")

    def leave(self) -> None:
        self.do("leave")
        self.kill()

    def names(self) -> set[str]:
        return {member["name"] for member in self.ask("members")["members"]}

    def metas(self) -> dict[str, bytes]:
        return {member["name"]: bytes.fromhex(member["meta"]) for member in self.ask("members")["members"]}


class OurPeer(LinePeer):
    _COMPLAINTS: ClassVar = {"suspect", "refuted", "dropped", "conflict", "push_pull_failed"}

    def __init__(self, name: str, address: str, directory: Path, *options: str) -> None:
        who = ("--name", name, "--bind", address, "--port", "{port}")
        command = (sys.executable, "-m", "tests.interop.ring_member", *who, *options)
        super().__init__(name, address, directory, command)

    def complaints(self) -> list[str]:
        said = [str(line) for line in self.lines[self._quiet_from :] if line.get("event") in self._COMPLAINTS]
        return said + self.log.read_text(errors="replace").splitlines()

    def forget_complaints(self) -> None:
        self._quiet_from = len(self.lines)

    _quiet_from = 0


class GoPeer(LinePeer):
    def __init__(self, version: str, name: str, address: str, directory: Path, *options: str) -> None:
        who = ("-name", name, "-bind", address, "-port", "{port}")
        super().__init__(name, address, directory, (GO_PEERS / f"memberlist-{version}", *who, *options))


class SerfPeer(RingPeer):
    """An agent of serf. What it takes for a member is what it calls alive."""

    def __init__(self, name: str, address: str, directory: Path, *options: str) -> None:
        super().__init__(name, address, directory)
        self._rpc = f"-rpc-addr={address}:{_RPC_PORT}"
        self._options = options

    def start(self) -> None:
        agent = ("serf", "agent", f"-node={self.name}", f"-bind={self.seed}", self._rpc, *self._options)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                # So that no agent outlives a test run that is killed.
                ["setpriv", "--pdeathsig=KILL", *agent],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(lambda: self.names(), timeout=_ANSWER_WITHIN, what=f"{self.name} to start")

    def join(self, seed: str) -> None:
        self._serf("join", seed, check=True)

    def leave(self) -> None:
        self._serf("leave", check=True)
        assert self._process is not None
        self._process.wait(_ANSWER_WITHIN)

    def names(self) -> set[str]:
        return {name for name, status in self.statuses().items() if status == "alive"}

    def statuses(self) -> dict[str, str]:
        """Empty while it does not answer."""
        listed = self._serf("members", "-format=json")
        if not listed.startswith(b"{"):
            return {}
        return {member["name"]: member["status"] for member in json.loads(listed)["members"]}

    def _serf(self, command: str, *arguments: str, check: bool = False) -> bytes:
        done = subprocess.run(
            ["serf", command, self._rpc, *arguments],
            capture_output=True,
            check=check,
            timeout=_ANSWER_WITHIN,
        )
        return done.stdout


def serf_key(key: bytes) -> str:
    return f"-encrypt={base64.b64encode(key).decode()}"
