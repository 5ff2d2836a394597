"""Processes that follow the Pods of a DaemonSet, as kubelets let them: nothing of the cluster is told what is not so.

A Pod is ready when its process says that it is, and its object goes when its process has ended: until then a finalizer holds
it. So the cluster replaces Pods at the pace at which speakers really leave and come.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from swimlb.lab.errors import LabError
from swimlb.lab.http import get_from
from swimlb.lab.kubernetes.daemon_pods import DaemonPods
from swimlb.lab.kubernetes.kubelet.objects import UNREADY_ANNOTATION
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.kubernetes.metallb import NAMESPACE

HEALTH_PORT = 17472
INTERVAL = 0.2
_HELD = "lab.swimlb.io/process"
_ENDED_WITHIN = 60.0


class Followed:
    """While the context lasts. The Pods' template has the annotation `UNREADY_ANNOTATION`, so that they begin as unready."""

    def __init__(
        self, lab: KubernetesLab, pods: DaemonPods, options: Callable[[str], tuple[str, ...]]
    ) -> None:
        """`options` are what the process on a node is given beside the container's arguments."""
        self._lab = lab
        self._pods = pods
        self._options = options
        self._begun: dict[str, str] = {}
        """The node of each Pod whose process runs, by name."""
        self._ready: set[str] = set()
        self._trouble: BaseException | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.starts = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(_ENDED_WITHIN)
        if self._trouble is not None and error is None:
            raise self._trouble

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL):
            try:
                self._turn()
            except LabError as error:
                self._trouble = error
                return

    def _turn(self) -> None:
        for pod in self._lab.kubectl.json("get", "pods", "-n", NAMESPACE)["items"]:
            if any(owner["name"] == self._pods.name for owner in pod["metadata"].get("ownerReferences", ())):
                self._see(pod)

    def _see(self, pod: Any) -> None:
        name, node = pod["metadata"]["name"], pod["spec"].get("nodeName")
        if "deletionTimestamp" in pod["metadata"]:
            if self._begun.pop(name, None) is not None:
                self._pods.stop(node)
                self._patch(name, finalizers=None)
        elif name in self._begun:
            if name not in self._ready and self._is_serving(node):
                self._ready.add(name)
                self._patch(name, annotations={UNREADY_ANNOTATION: None})
        elif pod["status"].get("podIP"):
            self._patch(name, finalizers=[_HELD])
            self._begun[name] = node
            self.starts += 1
            self._pods.start(node, *self._options(node))

    def _patch(self, name: str, **metadata: Any) -> None:
        patch = json.dumps({"metadata": metadata})
        self._lab.kubectl("patch", "pod", name, "-n", NAMESPACE, "--type=merge", "--patch", patch)

    def _is_serving(self, node: str) -> bool:
        try:
            answer = get_from(self._lab.sandbox.namespace(node), "127.0.0.1", HEALTH_PORT, "/readyz")
        except OSError:
            return False
        return answer.status == 200
