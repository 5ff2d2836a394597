"""A sandbox: namespaces, processes and directories that one run has made, and the promise to remove them.

    with Sandbox.create("demo") as sandbox:
        sandbox.add_namespaces("node-a", "switch")
        sandbox.start("backend/node-a", ["sleep", "60"], namespace="node-a")

Leaving the block removes everything, however it is left: processes first, then namespaces, then files. A run that
could not (SIGKILL) is found by the next `create`, through its ledger. `hand_over` keeps a sandbox beyond the block.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from swimlb.lab import namespaces
from swimlb.lab.endings import undisturbed
from swimlb.lab.errors import LabError
from swimlb.lab.ledger import Ledger
from swimlb.lab.processes import ProcessId, await_exit, identify, kill, myself
from swimlb.runtime.priority import lend_precedence

BASE = Path("/run/swimlb-lab")
"""Where sandboxes keep their records; on tmpfs, so a reboot, which ends all labs, also ends the records."""

_CODE = Path(__file__).parents[2]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""A sandbox's directory is called after it, and is deleted whole: no name may lead to another one."""

REAP_TIMEOUT = 1.0
"""For the last threads of a process that has ended."""

SWEEPS_MAX = 10
"""How often to look for processes that were born while their parents were being killed."""


class Sandbox:
    """See the module. Names given to its methods are short (`node-a`); on the machine they carry a random prefix."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    @classmethod
    def create(cls, name: str, base: Path = BASE) -> Self:
        """Begin a sandbox, after removing what dead runs left below `base`.

        Raises `LabError` when this is not root, the name is none, or one of that name lives already.
        """
        if os.geteuid() != 0:
            raise LabError("the lab builds network namespaces, which only root may: run it with sudo")
        path = _ledger_path(name, base)
        with _locked(base):
            remove_stale(base)
            if path.exists():
                raise LabError(
                    f"the lab `{name}` is already up: take it down with `swimlb lab down --name {name}`"
                )
            ledger = Ledger(path=path, name=name, prefix=f"swl{secrets.token_hex(3)}", owner=myself())
            ledger.save()
        return cls(ledger)

    @classmethod
    def attach(cls, name: str, base: Path = BASE) -> Self:
        """A sandbox that another process has made and handed over."""
        return cls(Ledger.load(_ledger_path(name, base)))

    @classmethod
    @contextmanager
    def alone(cls, name: str, base: Path = BASE) -> Generator[Self]:
        """Like `attach`; whoever else asks for it alone waits.

        The record is read here and written as a whole: what two write at the same time, one of them would lose.
        """
        descriptor = os.open(cls.attach(name, base).home, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield cls.attach(name, base)
        finally:
            os.close(descriptor)

    @property
    def ledger(self) -> Ledger:
        return self._ledger

    @property
    def home(self) -> Path:
        """The sandbox's own directory, for logs and sockets. Deleted with it."""
        return self._ledger.path.parent

    @property
    def prefix(self) -> str:
        """Unique to this run: for whatever else needs a name on this machine."""
        return self._ledger.prefix

    def namespace(self, name: str) -> str:
        """The machine-wide name of one of its namespaces."""
        return f"{self.prefix}-{name}"

    def add_namespaces(self, *names: str) -> None:
        full_names = [self.namespace(name) for name in names]
        self._ledger.note_namespaces(*full_names)
        namespaces.create(full_names)

    def add_directory(self, path: Path, owner: str | None = None, mode: int = 0o755) -> Path:
        """Make a directory (outside `home` too) that is deleted with the sandbox."""
        self._ledger.note_directory(path)
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        if owner is not None:
            shutil.chown(path, owner, owner)
        return path

    def start(
        self,
        label: str,
        argv: Sequence[str],
        *,
        namespace: str,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> ProcessId:
        """Start a process inside a namespace; its output goes to `log` (appended), or nowhere.

        The label finds it again in `process`; a second start with the same label replaces the first.
        """
        with open(log or os.devnull, "ab") as output:
            child = subprocess.Popen(
                namespaces.execute(self.namespace(namespace), *argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=None if environment is None else {**os.environ, **environment},
                start_new_session=True,
            )
        self._children[child.pid] = child
        with suppress(FileNotFoundError):  # It has ended already.
            lend_precedence(child.pid)
        identity = identify(child.pid)
        if identity is None:
            raise LabError(
                f"{label} ended at once with status {child.wait()}" + (f": see {log}" if log else "")
            )
        self._ledger.note_process(label, identity)
        return identity

    def start_module(
        self, label: str, module: str, *arguments: str, namespace: str, log: Path | None = None
    ) -> ProcessId:
        """Start a module of this very product (`python -m …`), installed or in a checkout."""
        paths = [str(_CODE), *filter(None, [os.environ.get("PYTHONPATH")])]
        return self.start(
            label,
            [sys.executable, "-m", module, *arguments],
            namespace=namespace,
            log=log,
            environment={"PYTHONPATH": os.pathsep.join(paths)},
        )

    def process(self, label: str) -> ProcessId | None:
        """What was last started under this label, if it is still alive."""
        identity = self._ledger.processes.get(label)
        return identity if identity is not None and identity.is_alive else None

    def run(self, namespace: str, *argv: str, timeout: float = namespaces.COMMAND_TIMEOUT) -> str:
        """Run a command inside a namespace to its end; its output, or `LabError`."""
        return namespaces.run(namespaces.execute(self.namespace(namespace), *argv), timeout=timeout)

    def signal(self, label: str, signum: signal.Signals, *, timeout: float) -> None:
        """Signal a process and wait until it has ended. `LabError` when it is not running or does not end."""
        identity = self.process(label)
        if identity is None:
            raise LabError(f"{label} is not running")
        identity.send(signum)
        if await_exit([identity], timeout):
            raise LabError(f"{label} has not ended {timeout:g} s after {signum.name}")
        self._reap()

    def hand_over(self) -> None:
        """Keep everything beyond this process; `attach` and `close` in another end it."""
        for child in self._children.values():
            # They outlive us on purpose: init reaps them, and Popen must not complain.
            child.returncode = 0
        self._ledger.hand_over()

    def close(self) -> None:
        """Remove everything. May be called twice; interrupts wait until it is done.

        What could not be removed stays in the ledger for another attempt, and is a `LabError`.
        """
        with undisturbed():
            complaints = [*self._end_processes(), *self._delete_namespaces(), *self._delete_directories()]
            if complaints:
                raise LabError(
                    f"the lab `{self._ledger.name}` is not entirely removed: {'; '.join(complaints)}"
                )
            shutil.rmtree(self.home, ignore_errors=True)
            _remove_if_empty(self.home.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ledger.owner is not None:
            self.close()

    def _end_processes(self) -> list[str]:
        # What was interrupted as it was being started is a child of ours, and not in the ledger yet.
        # Until it is reaped, its pid is its own.
        unnoted = [
            one
            for pid, child in self._children.items()
            if child.returncode is None and (one := identify(pid)) is not None
        ]
        survivors = set(kill({*self._ledger.processes.values(), *unnoted}))
        # Whatever else lives in our namespaces was born of ours: a speaker's children, a command of `lab exec`.
        for _ in range(SWEEPS_MAX):
            if not (strays := self._strays()):
                break
            survivors |= set(kill(strays))
        self._reap()
        return [f"process {process.pid} does not end" for process in survivors]

    def _strays(self) -> list[ProcessId]:
        inhabitants = namespaces.inhabitants(self._ledger.namespaces)
        return [one for one in inhabitants if one.pid != os.getpid()]

    def _reap(self) -> None:
        for pid, child in self._children.items():
            if identify(pid) is None:
                # A daemon's threads may outlive its main thread for a moment: until then it cannot be reaped.
                with suppress(subprocess.TimeoutExpired):
                    child.wait(REAP_TIMEOUT)

    def _delete_namespaces(self) -> list[str]:
        complaints: list[str] = []
        for name in self._ledger.namespaces:
            try:
                namespaces.delete(name)
            except LabError as error:
                complaints.append(str(error))
        return complaints

    def _delete_directories(self) -> list[str]:
        for directory in self._ledger.directories:
            shutil.rmtree(directory, ignore_errors=True)
        return [f"{directory} stays" for directory in self._ledger.directories if Path(directory).exists()]


def remove_stale(base: Path = BASE) -> tuple[str, ...]:
    """Remove sandboxes whose owner died without doing so; their names."""
    removed: list[str] = []
    for path in sorted(base.glob("*/state.json")):
        try:
            ledger = Ledger.load(path)
        except LabError:
            if path.exists():
                raise
            continue  # Its owner has just removed it.
        if ledger.is_stale:
            Sandbox(ledger).close()
            removed.append(ledger.name)
    return tuple(removed)


@contextmanager
def _locked(base: Path) -> Generator[None]:
    while True:
        base.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # The last lab has just gone, and its directory with it.
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(base, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


def _remove_if_empty(base: Path) -> None:
    """Only the last lab finds it so. It stays while somebody holds the lock, who is about to make one in it."""
    with suppress(OSError):
        descriptor = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            base.rmdir()
        finally:
            os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether the open directory is still the one of that name: who holds the lock of a deleted one holds nothing."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _ledger_path(name: str, base: Path) -> Path:
    if not _NAME.fullmatch(name):
        raise LabError(
            f"`{name}` cannot be the name of a lab: take up to 64 letters, digits, `-`, `_` and `.`, "
            "a letter or digit first"
        )
    # Whoever takes it down may do so from another directory.
    return base.absolute() / name / "state.json"
