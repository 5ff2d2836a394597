"""The Pods of a DaemonSet on the nodes' own network: the cluster makes their objects, and here are their processes.

The kubelet's stand-in reports such Pods as running and starts nothing for them; `DaemonPods` does, with a token of their
ServiceAccount.
"""

from __future__ import annotations

import base64
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swimlb.lab.errors import LabError
from swimlb.lab.kubernetes.containers import command, container_of
from swimlb.lab.kubernetes.control_plane import ControlPlane
from swimlb.lab.processes import await_exit
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import wait_until

POD_TIMEOUT = 30.0
KILL_TIMEOUT = 5.0
_POLL_INTERVAL = 0.1


class DaemonPods:
    """Of one DaemonSet; the sandbox ends their processes, at the latest."""

    def __init__(
        self,
        sandbox: Sandbox,
        control_plane: ControlPlane,
        namespace: str,
        name: str,
        program: Sequence[str],
        environment: Mapping[str, str] | None = None,
        around: Sequence[str] = (),
    ) -> None:
        """`program` runs in place of the image's, with the container's arguments.

        `around` is a command that runs another one, which is the program as it is confined.
        """
        self._sandbox = sandbox
        self._control_plane = control_plane
        self._kubectl = control_plane.kubectl
        self._namespace = namespace
        self.name = name
        self._program = tuple(program)
        self._environment = dict(environment or {})
        self._around = tuple(around)
        self._graces: dict[str, float] = {}

    def start(self, node: str, *options: str) -> None:
        """Wait for the node's Pod, and start its process; `options` come after the container's arguments."""
        pod = self._pod_of(node)
        home = self._sandbox.home / "pods" / pod["metadata"]["name"]
        home.mkdir(parents=True, exist_ok=True)
        volumes = {one["name"]: self._volume(one, home, node) for one in pod["spec"].get("volumes", ())}
        container = container_of(pod, {name: str(path) for name, path in volumes.items() if path is not None})
        account = pod["spec"].get("serviceAccountName", "default")
        self._graces[node] = container.grace
        self._sandbox.start(
            self.label(node),
            (*self._around, *command(container, self._program, options)),
            namespace=node,
            log=self.log(node),
            environment={
                **self._environment,
                **container.environment,
                # In place of the token that is mounted, which a process without a file system of its own cannot find.
                "KUBECONFIG": str(self._control_plane.account(self._namespace, account)),
                "METALLB_NAMESPACE": self._namespace,
            },
        )

    def stop(self, node: str) -> None:
        """As a kubelet does: SIGTERM, and SIGKILL when the grace period is over."""
        process = self._sandbox.process(self.label(node))
        if process is None:
            raise LabError(f"{self.label(node)} is not running")
        process.send(signal.SIGTERM)
        if await_exit([process], self._graces[node]):
            self.kill(node)

    def kill(self, node: str) -> None:
        self._sandbox.signal(self.label(node), signal.SIGKILL, timeout=KILL_TIMEOUT)

    def is_running(self, node: str) -> bool:
        return self._sandbox.process(self.label(node)) is not None

    def label(self, node: str) -> str:
        return f"{self.name}/{node}"

    def log(self, node: str) -> Path:
        """All that the processes of this DaemonSet have said on this node."""
        return self._sandbox.home / "pods" / f"{self.name}-{node}.log"

    def names(self) -> dict[str, str]:
        """The Pods that are not being deleted, by node."""
        return {pod["spec"]["nodeName"]: pod["metadata"]["name"] for pod in self._pods()}

    def _pod_of(self, node: str) -> Any:
        def found() -> Any:
            for pod in self._pods():
                if pod["spec"]["nodeName"] == node and pod["status"].get("podIP"):
                    return pod
            return None

        return wait_until(
            found, timeout=POD_TIMEOUT, what=f"a Pod of {self.name} on {node}", interval=_POLL_INTERVAL
        )

    def _pods(self) -> list[Any]:
        return [
            pod
            for pod in self._kubectl.json("get", "pods", "-n", self._namespace)["items"]
            if pod["spec"].get("nodeName")
            and "deletionTimestamp" not in pod["metadata"]
            and any(
                owner["kind"] == "DaemonSet" and owner["name"] == self.name
                for owner in pod["metadata"].get("ownerReferences", ())
            )
        ]

    def _volume(self, volume: Mapping[str, Any], home: Path, node: str) -> Path | None:
        """The directory that stands for a volume; None for those that only a kubelet can make."""
        match volume:
            case {"hostPath": {"path": path}}:
                directory = self._sandbox.home / "disks" / node / path.lstrip("/")
            case {"emptyDir": _} | {"secret": _} | {"configMap": _}:
                directory = home / volume["name"]
            case _:
                return None
        directory.mkdir(parents=True, exist_ok=True)
        for file, content in self._files(volume).items():
            path = directory / file
            path.touch(mode=0o400)
            path.write_bytes(content)
        return directory

    def _files(self, volume: Mapping[str, Any]) -> dict[str, bytes]:
        match volume:
            case {"secret": {"secretName": name}}:
                data = self._object("secret", name).get("data", {})
                return {key: base64.b64decode(value) for key, value in data.items()}
            case {"configMap": {"optional": True}}:
                return {}  # What is there is there for who reads it at its own place, see `around`.
            case {"configMap": {"name": name}}:
                data = self._object("configmap", name).get("data", {})
                return {key: value.encode() for key, value in data.items()}
            case _:
                return {}

    def _object(self, kind: str, name: str) -> Any:
        """A Pod waits for what it mounts."""

        def asked() -> Any:
            try:
                return self._kubectl.json("get", kind, name, "-n", self._namespace)
            except LabError:
                return None

        return wait_until(asked, timeout=POD_TIMEOUT, what=f"the {kind} {name}", interval=_POLL_INTERVAL)
