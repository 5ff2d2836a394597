"""MetalLB's real controller and speakers in the lab, by its own manifest: to be replaced by ours, and measured beside."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from swimlb.lab.errors import LabError
from swimlb.lab.kubernetes.control_plane import ControlPlane
from swimlb.lab.kubernetes.daemon_pods import DaemonPods
from swimlb.lab.kubernetes.plan import CONTROL
from swimlb.lab.sandbox import Sandbox

NAMESPACE = "metallb-system"
SECRET = "memberlist"  # noqa: S105 - its name
STOP_TIMEOUT = 10.0
_CONTROLLER = "metallb-controller"

_SETUP = Path(__file__).parents[3] / ".setup"
BUILT = _SETUP / "metallb"
CURRENT = _SETUP / "metallb-current"
"""What `make metallb` and `make metallb-current` fill: the release that ours replaces in tests, and the latest one there is."""

_OWN_POD: Mapping[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "controller-in-the-lab", "namespace": NAMESPACE},
    "spec": {"schedulerName": "nobody", "containers": [{"name": "controller", "image": "controller"}]},
}
"""From 0.16 on the controller looks for its own Pod before it begins. Nobody places this one."""

_WITH_ETC = 'mount -t overlay -o "lowerdir=$0:/etc" overlay /etc && exec "$@"'
"""In a namespace of mounts of its own: files of a directory lie over the machine's /etc."""


class MetalLB:
    """In one cluster. Its processes belong to the sandbox."""

    def __init__(
        self,
        sandbox: Sandbox,
        control_plane: ControlPlane,
        built: Path = BUILT,
        memberlist: Mapping[str, object] | None = None,
    ) -> None:
        """`memberlist` is the file by which the speakers of `CURRENT` time their gossip; None: as they do by default."""
        self._sandbox = sandbox
        self._control_plane = control_plane
        self._built = built
        around: tuple[str, ...] = ()
        if memberlist is not None:
            etc = sandbox.home / "metallb-etc"
            (etc / "metallb" / "memberlist").mkdir(parents=True)
            (etc / "metallb" / "memberlist" / "config.json").write_text(json.dumps(memberlist))
            around = ("unshare", "--mount", "sh", "-c", _WITH_ETC, str(etc))
        program = [find("speaker", built)]
        self.speakers = DaemonPods(sandbox, control_plane, NAMESPACE, "speaker", program, around=around)

    def install(self, affinity: Mapping[str, Any] | None = None) -> None:
        """Apply its manifest, with an affinity of the speakers' Pods; returns when its kinds are there to be used.

        Two things differ: its webhooks, which only judge objects, are left out, since a controller that they could
        reach would need a Pod's network; and for the same reason its Deployment has no Pods.
        """
        kubectl = self._control_plane.kubectl
        objects = [
            changed(one, affinity)
            for one in manifest(self._built)
            if one["kind"] != "ValidatingWebhookConfiguration"
        ]
        if self._built == CURRENT:
            objects.append(_OWN_POD)
        kubectl.apply_objects(objects, "--server-side", "--field-manager=metallb")
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")

    def start_controller(self) -> None:
        self._sandbox.start(
            _CONTROLLER,
            [find("controller", self._built), "--port=7472", "--log-level=info", "--webhook-mode=disabled"],
            namespace=CONTROL.name,
            log=self.controller_log,
            environment={
                "KUBECONFIG": str(self._control_plane.account(NAMESPACE, "controller")),
                "METALLB_NAMESPACE": NAMESPACE,
                "METALLB_ML_SECRET_NAME": SECRET,
                "METALLB_DEPLOYMENT": "controller",
                "METALLB_POD_NAME": _OWN_POD["metadata"]["name"],
            },
        )

    def stop_controller(self) -> None:
        self._sandbox.signal(_CONTROLLER, signal.SIGTERM, timeout=STOP_TIMEOUT)

    @property
    def controller_log(self) -> Path:
        return self._sandbox.home / f"{_CONTROLLER}.log"


def find(name: str, built: Path = BUILT) -> str:
    """The path of what `make metallb` has put there. `LabError` when it is missing."""
    path = built / name
    if not os.access(path, os.R_OK):
        raise LabError(f"{path} is missing: build MetalLB with `make {built.name}`")
    return str(path)


def manifest(built: Path = BUILT) -> list[dict[str, Any]]:
    """The objects of its release's manifest for native mode."""
    text = Path(find("metallb-native.yaml", built)).read_text()
    return [one for one in yaml.safe_load_all(text) if one]


def changed(one: Mapping[str, Any], affinity: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """An object of the manifest as the lab applies it."""
    match one["kind"]:
        case "Deployment":
            return {**one, "spec": {**one["spec"], "replicas": 0}}
        case "DaemonSet" if affinity is not None:
            template = one["spec"]["template"]
            pod = {**template["spec"], "affinity": affinity}
            return {**one, "spec": {**one["spec"], "template": {**template, "spec": pod}}}
        case _:
            return one
