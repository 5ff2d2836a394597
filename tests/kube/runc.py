"""Containers of the image, by runc: a Pod's object becomes what a kubelet's runtime would make of it, and nothing is left out.

Read-only root, capabilities, seccomp's profile, users, volumes, and what the cluster gives to every Pod: its token, the way
to the API server. The network is a host's of the lab.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from swimlb.kube.access import SERVICE_ACCOUNT
from swimlb.lab.kubernetes.containers import Container, container_of
from swimlb.lab.kubernetes.control_plane import ControlPlane
from swimlb.lab.kubernetes.plan import API_PORT
from swimlb.lab.processes import await_exit, identify
from swimlb.lab.sandbox import Sandbox

Json = dict[str, Any]

SECCOMP = Path("/usr/share/containers/seccomp.json")
"""What RuntimeDefault is, as podman and CRI-O have it."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
RUN_TIMEOUT = 60.0

_REAL_TIME_SHARE = Path("/sys/fs/cgroup/cpu/cpu.rt_runtime_us")
_REAL_TIME = {"realtimePeriod": 1_000_000, "realtimeRuntime": 200_000}
"""For who may be real-time, as it is on hosts whose kernel does not share that out among control groups."""
LAST_WORDS = 30
"""Lines."""


def unpack(archive: Path, directory: Path) -> Json:
    """The image's files, below the directory, and its configuration."""
    with tarfile.open(archive) as image:

        def blob(described: Mapping[str, str]) -> Any:
            found = image.extractfile(f"blobs/{described['digest'].replace(':', '/')}")
            assert found is not None
            return found

        index = image.extractfile("index.json")
        assert index is not None
        manifest = json.load(blob(json.load(index)["manifests"][0]))
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=blob(layer), mode="r:*") as files:
                files.extractall(directory, numeric_owner=True)
        return json.load(blob(manifest["config"]))["config"]


class Runc:
    """Runs containers, and ends what is left of them with the context."""

    def __init__(self, sandbox: Sandbox, control_plane: ControlPlane, archive: Path) -> None:
        self._sandbox = sandbox
        self._control_plane = control_plane
        self._root = sandbox.home / "runc"
        self._files = sandbox.home / "image"
        self._files.mkdir()
        self._image = unpack(archive, self._files)
        self._started: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for name in self._started:
            subprocess.run(
                self._command("delete", "--force", self._id(name)), capture_output=True, check=False
            )

    def start(self, name: str, pod: Json, host: str, volumes: Mapping[str, Path]) -> None:
        """Start a Pod's container on the network of a host of the lab."""
        bundle = self._bundle(name, pod, host, volumes)
        self._started.append(name)
        # Not from within the host's namespace, which has a /sys of its own, without cgroups.
        command = self._command("run", "--detach", "--bundle", str(bundle), self._id(name))
        with self.log(name).open("ab") as log:
            subprocess.run(
                command, check=True, timeout=RUN_TIMEOUT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def stop(self, name: str, timeout: float) -> None:
        """SIGTERM, and wait until its first process has ended."""
        first = identify(self._state(name)["pid"])
        assert first is not None
        subprocess.run(self._command("kill", self._id(name), "TERM"), check=True, timeout=RUN_TIMEOUT)
        assert not await_exit([first], timeout), f"{name} has not ended after {timeout:g} s"

    def run(self, name: str, pod: Json, host: str, volumes: Mapping[str, Path], *arguments: str) -> str:
        """The same container with other arguments, to its end; what it prints."""
        bundle = self._bundle(name, pod, host, volumes, arguments)
        command = self._command("run", "--bundle", str(bundle), self._id(name))
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=RUN_TIMEOUT, stdin=subprocess.DEVNULL
        ).stdout

    def execute(self, name: str, *command: str) -> str:
        """As `kubectl exec` does. AssertionError with the container's last words when it fails."""
        done = subprocess.run(
            self._command("exec", self._id(name), *command),
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT,
        )
        last = "\n".join(self.log(name).read_text().splitlines()[-LAST_WORDS:])
        assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stderr}\n{name}: {last}"
        return done.stdout

    def _state(self, name: str) -> Json:
        told = subprocess.run(self._command("state", self._id(name)), capture_output=True, check=True)
        return json.loads(told.stdout)

    def processes(self, name: str) -> list[int]:
        listed = subprocess.run(
            self._command("ps", "--format", "json", self._id(name)), capture_output=True, check=True
        )
        return json.loads(listed.stdout)

    def log(self, name: str) -> Path:
        """Of the container alone: what the lab runs by the same name has a log of its own."""
        return self._sandbox.home / f"contained-{name}.log"

    def _id(self, name: str) -> str:
        return f"{self._sandbox.prefix}-{name}"

    def _command(self, *arguments: str) -> list[str]:
        return ["runc", "--root", str(self._root), *arguments]

    def _bundle(
        self,
        name: str,
        pod: Json,
        host: str,
        volumes: Mapping[str, Path],
        arguments: Sequence[str] | None = None,
    ) -> Path:
        bundle = self._sandbox.home / f"bundle-{name}"
        shutil.rmtree(bundle, ignore_errors=True)
        bundle.mkdir()
        account = bundle / "account"
        account.mkdir()
        spec = pod["spec"]
        namespace = pod["metadata"]["namespace"]
        (account / "token").write_text(self._control_plane.token(namespace, spec["serviceAccountName"]))
        (account / "ca.crt").write_bytes(self._control_plane.authority.read_bytes())
        (account / "namespace").write_text(namespace)
        # The cluster has added a volume for the account.
        added = {one["name"]: account for one in _mounts(pod) if one["mountPath"] == str(SERVICE_ACCOUNT)}
        known = {**volumes, **added}
        mounts = [(one["mountPath"], known[one["name"]], not one.get("readOnly")) for one in _mounts(pod)]
        # Nothing is replaced in its arguments: it has a file system of its own.
        container = container_of(pod, {})
        network = self._sandbox.namespace(host)
        environment = {
            **dict(one.split("=", 1) for one in self._image["Env"]),
            "KUBERNETES_SERVICE_HOST": self._control_plane.host.address,
            "KUBERNETES_SERVICE_PORT": str(API_PORT),
            **container.environment,
        }
        configuration = {
            "ociVersion": "1.0.2",
            "root": {"path": str(self._files), "readonly": _security(pod)["readOnlyRootFilesystem"]},
            "process": {
                "cwd": "/",
                "args": [
                    *self._image["Entrypoint"],
                    *(container.arguments if arguments is None else arguments),
                ],
                "env": [f"{key}={value}" for key, value in environment.items()],
                "user": _user(pod),
                "capabilities": _capabilities(pod, container),
                "noNewPrivileges": not _security(pod)["allowPrivilegeEscalation"],
            },
            "mounts": [*_SYSTEM_MOUNTS, *(_bound(*one) for one in mounts)],
            "linux": {
                "namespaces": [
                    *({"type": kind} for kind in ("pid", "ipc", "uts", "mount")),
                    {"type": "network", "path": f"/run/netns/{network}"},
                ],
                "seccomp": seccomp(container.capabilities),
                "cgroupsPath": f"/{self._id(name)}",
                "resources": {"cpu": _REAL_TIME if _REAL_TIME_SHARE.exists() else {}},
                "maskedPaths": _MASKED,
                "readonlyPaths": _READ_ONLY,
            },
        }
        (bundle / "config.json").write_text(json.dumps(configuration, indent=1))
        return bundle


def seccomp(capabilities: Sequence[str]) -> Json:
    """RuntimeDefault, as the runtime writes it for a container with these capabilities."""
    profile = json.loads(SECCOMP.read_text())
    machine = ARCHITECTURES[platform.machine()]
    held = {f"CAP_{one.upper()}" for one in capabilities}

    def applies(rule: Json) -> bool:
        included, excluded = rule["includes"], rule["excludes"]
        if "arches" in included and machine not in included["arches"]:
            return False
        return held >= set(included.get("caps", ())) and not held & set(excluded.get("caps", ()))

    return {
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": [
            one["architecture"] for one in profile["archMap"] if machine == _machine_of(one["architecture"])
        ],
        "syscalls": [
            {key: rule[key] for key in ("names", "action", "args", "errnoRet") if rule.get(key)}
            for rule in profile["syscalls"]
            if applies(rule)
        ],
    }


def _machine_of(architecture: str) -> str:
    return ARCHITECTURES.get(architecture.removeprefix("SCMP_ARCH_").lower(), "")


def _mounts(pod: Json) -> Iterator[Json]:
    yield from pod["spec"]["containers"][0].get("volumeMounts", ())


def _security(pod: Json) -> Json:
    """The Pod's, and on top of it the container's."""
    return {**pod["spec"].get("securityContext", {}), **pod["spec"]["containers"][0]["securityContext"]}


def _user(pod: Json) -> Json:
    """The image's user is root."""
    context = _security(pod)
    groups = [context["fsGroup"]] if "fsGroup" in context else []
    user = {"uid": context.get("runAsUser", 0), "gid": context.get("runAsGroup", 0), "additionalGids": groups}
    assert user["uid"] or not context.get("runAsNonRoot"), "the Pod may not run as root"
    return user


def _capabilities(pod: Json, container: Container) -> Json:
    """As runtimes do: bounded for everybody, held by root alone."""
    held = [f"CAP_{one.upper()}" for one in container.capabilities]
    return {"bounding": held, **({} if _user(pod)["uid"] else {"effective": held, "permitted": held})}


def _bound(place: str, directory: Path, is_writable: bool) -> Json:
    options = ["rbind", "rprivate", "rw" if is_writable else "ro"]
    return {"destination": place, "type": "bind", "source": str(directory), "options": options}


_SYSTEM_MOUNTS: tuple[Json, ...] = (
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {
        "destination": "/dev",
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
        "destination": "/dev/shm",
        "type": "tmpfs",
        "source": "shm",
        "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
    },
    {
        "destination": "/sys",
        "type": "sysfs",
        "source": "sysfs",
        "options": ["nosuid", "noexec", "nodev", "ro"],
    },
)

_MASKED = [
    *(
        f"/proc/{name}"
        for name in ("acpi", "asound", "kcore", "keys", "latency_stats", "sched_debug", "scsi")
    ),
    *("/proc/timer_list", "/proc/timer_stats", "/sys/firmware"),
]
_READ_ONLY = [f"/proc/{name}" for name in ("bus", "fs", "irq", "sys", "sysrq-trigger")]
"""As every runtime has them."""
