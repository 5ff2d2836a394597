"""A daemon of a sandbox that is one process: started with its configuration, signalled, asked for by its log."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence

from swimlb.lab.errors import LabError
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import wait_until

START_TIMEOUT = 20.0
STOP_TIMEOUT = 10.0
LAST_WORDS_MAX = 300


class Daemon:
    """Everything of it goes with the sandbox; `stop` and the like are for the play."""

    def __init__(self, sandbox: Sandbox, namespace: str, program: str) -> None:
        self.program = program
        self.sandbox = sandbox
        self.namespace = namespace
        self.label = f"{program}/{namespace}"
        self.home = sandbox.home / f"{program}-{namespace}"
        self.log = self.home / "log"

    def launch(
        self,
        argv: Sequence[str],
        *,
        is_ready: Callable[[], object],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it, and return when it is ready."""
        self.begin(argv, environment=environment)
        self.wait_until_ready(is_ready)

    def begin(self, argv: Sequence[str], *, environment: Mapping[str, str] | None = None) -> None:
        """Start it, and return at once: several that need each other come up together."""
        self.sandbox.start(self.label, argv, namespace=self.namespace, log=self.log, environment=environment)

    def begin_module(self, module: str, *arguments: str) -> None:
        """The same for a module of this very product."""
        self.sandbox.start_module(self.label, module, *arguments, namespace=self.namespace, log=self.log)

    def wait_until_ready(self, is_ready: Callable[[], object], timeout: float = START_TIMEOUT) -> None:
        """Until `is_ready` answers something true. `LabError` as soon as the daemon has ended instead."""

        def is_up() -> object:
            if self.sandbox.process(self.label) is None:
                raise LabError(f"{self.program} ended at once: {self.last_words()}")
            return is_ready()

        wait_until(is_up, timeout=timeout, what=f"{self.label} to take commands", seen=self.last_words)

    def last_words(self) -> str:
        return self.words().strip()[-LAST_WORDS_MAX:]

    def words(self) -> str:
        """All of its log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def stop(self) -> None:
        """SIGTERM: it tells its neighbours goodbye (Cease)."""
        self.sandbox.signal(self.label, signal.SIGTERM, timeout=STOP_TIMEOUT)

    def kill(self) -> None:
        """SIGKILL: neighbours only see their connections close."""
        self.sandbox.signal(self.label, signal.SIGKILL, timeout=STOP_TIMEOUT)

    def pause(self) -> None:
        """SIGSTOP: it hangs, while its kernel goes on to acknowledge what arrives."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        self._send(signal.SIGCONT)

    def _send(self, signum: signal.Signals) -> None:
        identity = self.sandbox.process(self.label)
        if identity is None or not identity.send(signum):
            raise LabError(f"{self.label} is not running")
