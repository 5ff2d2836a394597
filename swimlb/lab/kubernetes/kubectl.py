"""kubectl, as an administrator of the lab's cluster would use it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from swimlb.lab import namespaces
from swimlb.lab.errors import LabError
from swimlb.lab.kubernetes import tools
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import wait_until

TIMEOUT = 60.0
"""A command that creates thousands of objects takes a while; one that hangs is ended."""

POLL_INTERVAL = 0.1
"""Each question is a process of its own."""


class Kubectl:
    """Runs inside a host of the lab, with a kubeconfig; everything it says is returned as it is."""

    def __init__(self, sandbox: Sandbox, host: str, kubeconfig: Path) -> None:
        self._sandbox = sandbox
        self._host = host
        self._kubeconfig = kubeconfig

    def argv(self, *arguments: str) -> tuple[str, ...]:
        """The whole command line, for who runs it himself."""
        # What it has learnt of the API is kept with the lab, and goes with it.
        cache = self._sandbox.home / "kubectl-cache"
        command = (
            *(tools.find("kubectl"), "--kubeconfig", str(self._kubeconfig), "--cache-dir", str(cache)),
            *arguments,
        )
        return namespaces.execute(self._sandbox.namespace(self._host), *command)

    def __call__(self, *arguments: str, stdin: str | None = None, timeout: float = TIMEOUT) -> str:
        """What it prints. `LabError` with its complaint when it fails."""
        return namespaces.run(self.argv(*arguments), stdin=stdin, timeout=timeout)

    def json(self, *arguments: str) -> Any:
        """The answer of `get … -o json`, decoded."""
        return json.loads(self(*arguments, "-o", "json"))

    def apply(self, *files: Path) -> str:
        """`kubectl apply -f` of files or directories, unchanged."""
        return self("apply", *(part for file in files for part in ("-f", str(file))))

    def apply_objects(self, objects: Sequence[Mapping[str, Any]], *options: str) -> str:
        """`kubectl apply` of objects that have no file."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        return self("apply", *options, "-f", "-", stdin=json.dumps(listed))

    def wait_for(
        self,
        *what: str,
        until: Callable[[Any], object],
        timeout: float,
        description: str,
        seen: Callable[[Any], object] = lambda answer: json.dumps(answer)[:1000],
    ) -> Any:
        """Ask `get WHAT -o json` until `until` is content with the answer, and return that.

        If it never is, `seen` says of the last answer, or of what kubectl said instead, what matters for finding out why.
        """
        last: list[Any] = []

        def asked() -> Any:
            try:
                answer = self.json("get", *what)
            except LabError as error:  # Not there yet, or the API server is away.
                answer = str(error)
            last[:] = [answer]
            return answer if not isinstance(answer, str) and until(answer) else None

        return wait_until(
            asked,
            timeout=timeout,
            what=description,
            seen=lambda: seen(last[0]),
            interval=POLL_INTERVAL,
        )
