"""The API server as an administrator's script asks it, by way of `kubectl proxy`: a question costs no process, and no polling."""

from __future__ import annotations

import http.client
import json
import signal
import socket
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from swimlb.lab.errors import LabTimeoutError
from swimlb.lab.kubernetes.installation import NAMESPACE
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock

Object = Mapping[str, Any]
T = TypeVar("T")

TIMEOUT = 20.0
"""What is waited for takes far less than a second, but this machine may have other work."""
MANAGER = "e2e"

_GROUPS: Mapping[str, Mapping[str, str]] = {
    "api/v1": {
        "ConfigMap": "configmaps",
        "Event": "events",
        "Namespace": "namespaces",
        "Node": "nodes",
        "Pod": "pods",
        "Secret": "secrets",
        "Service": "services",
    },
    "apis/apps/v1": {"DaemonSet": "daemonsets", "Deployment": "deployments"},
    "apis/discovery.k8s.io/v1": {"EndpointSlice": "endpointslices"},
    "apis/metallb.io/v1beta1": {
        "BFDProfile": "bfdprofiles",
        "BGPAdvertisement": "bgpadvertisements",
        "Community": "communities",
        "ConfigurationState": "configurationstates",
        "IPAddressPool": "ipaddresspools",
        "L2Advertisement": "l2advertisements",
        "ServiceBGPStatus": "servicebgpstatuses",
        "ServiceL2Status": "servicel2statuses",
    },
    "apis/metallb.io/v1beta2": {"BGPPeer": "bgppeers"},
}
_PLACES = {kind: (group, plural) for group, kinds in _GROUPS.items() for kind, plural in kinds.items()}
_OF_NO_NAMESPACE = frozenset({"Namespace", "Node"})
_OURS = frozenset({*_GROUPS["apis/metallb.io/v1beta1"], *_GROUPS["apis/metallb.io/v1beta2"]})


class Refused(Exception):
    """The API server does not do it: the caller's fault, and nothing has changed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """Objects go by their kind and name; those of ours are in our namespace, and others in `default`, unless said otherwise."""

    def __init__(self, proxy: Path) -> None:
        """`proxy` is the socket on which `kubectl proxy` listens."""
        self._proxy = proxy
        self._connection = _Connection(proxy)

    def close(self) -> None:
        self._connection.close()

    def apply(self, *objects: Object, is_dry: bool = False) -> None:
        """As `kubectl apply --server-side` does: a field that an object had and has no more is gone.

        A dry run changes nothing, and is refused like one that would.
        """
        query = urlencode({"fieldManager": MANAGER, "force": "true"} | ({"dryRun": "All"} if is_dry else {}))
        for one in objects:
            metadata = one["metadata"]
            path = _path(one["kind"], metadata["name"], metadata.get("namespace"))
            self._ask("PATCH", f"{path}?{query}", one, "application/apply-patch+yaml")

    def patch(
        self, kind: str, name: str, change: Object, namespace: str | None = None, subresource: str = ""
    ) -> None:
        """A merge patch: null removes a field."""
        path = _path(kind, name, namespace) + (f"/{subresource}" if subresource else "")
        self._ask("PATCH", path, change, "application/merge-patch+json")

    def patch_status(self, kind: str, name: str, status: Object, namespace: str | None = None) -> None:
        """A strategic merge patch: conditions are told apart by their types."""
        path = f"{_path(kind, name, namespace)}/status"
        self._ask("PATCH", path, {"status": status}, "application/strategic-merge-patch+json")

    def get(self, kind: str, name: str, namespace: str | None = None) -> Any:
        return self._ask("GET", _path(kind, name, namespace))

    def find(
        self, kind: str, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[Any]:
        return self._list(kind, namespace, labels, fields)["items"]

    def delete(self, kind: str, name: str, namespace: str | None = None, *, is_dry: bool = False) -> None:
        """It is gone, or going; what is not there is as good as gone."""
        query = "?dryRun=All" if is_dry else ""
        try:
            self._ask("DELETE", _path(kind, name, namespace) + query)
        except Refused as refused:
            if refused.status != 404:
                raise

    def delete_all(
        self, kind: str, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> None:
        self._ask("DELETE", f"{_path(kind, '', namespace)}?{urlencode(_selecting(labels, fields))}")

    def wait(
        self,
        kind: str,
        until: Callable[[list[Any]], T | None],
        what: str,
        *,
        name: str = "",
        namespace: str | None = None,
        labels: str = "",
        fields: str = "",
        timeout: float = TIMEOUT,
    ) -> T:
        """Watch objects until `until` answers something true about all of them there are, and return that.

        `LabTimeoutError` names `what` was waited for, and the objects by then.
        """
        fields = f"metadata.name={name}" if name else fields
        deadline = clock.monotonic() + timeout
        objects: list[Any] = []
        for objects in self._versions(kind, namespace, labels, fields, deadline):
            if answer := until(objects):
                return answer
        seen = json.dumps([{**one, "metadata": _brief(one["metadata"])} for one in objects])
        raise LabTimeoutError(f"waited {timeout:g} s for {what}; by then: {seen[:2000]}")

    def _versions(
        self, kind: str, namespace: str | None, labels: str, fields: str, deadline: float
    ) -> Iterator[list[Any]]:
        """All objects, again after each change, until the deadline."""
        listed = self._list(kind, namespace, labels, fields)
        objects = {one["metadata"]["uid"]: one for one in listed["items"]}
        yield list(objects.values())
        query = _selecting(labels, fields) | {
            "watch": "true",
            "resourceVersion": listed["metadata"]["resourceVersion"],
        }
        with closing(_Connection(self._proxy)) as connection:
            lines = connection.lines(f"{_path(kind, '', namespace)}?{urlencode(query)}", deadline)
            for event in map(json.loads, lines):
                one = event["object"]
                assert event["type"] in ("ADDED", "MODIFIED", "DELETED"), event
                if event["type"] == "DELETED":
                    objects.pop(one["metadata"]["uid"], None)
                else:
                    objects[one["metadata"]["uid"]] = one
                yield list(objects.values())

    def _list(self, kind: str, namespace: str | None, labels: str, fields: str) -> Any:
        return self._ask("GET", f"{_path(kind, '', namespace)}?{urlencode(_selecting(labels, fields))}")

    def _ask(self, method: str, path: str, body: Object | None = None, content_type: str = "") -> Any:
        status, answer = self._connection.ask(method, path, body, content_type)
        decoded = json.loads(answer)
        if status >= 400:
            raise Refused(status, decoded["message"])
        return decoded


class _Connection:
    """To the proxy; opened when it is needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._client = _UnixConnection(path)

    def close(self) -> None:
        self._client.close()

    def ask(self, method: str, path: str, body: Object | None, content_type: str) -> tuple[int, bytes]:
        headers = {"Content-Type": content_type} if content_type else {}
        encoded = None if body is None else json.dumps(body).encode()
        self._client.request(method, path, encoded, headers)
        answer = self._client.getresponse()
        return answer.status, answer.read()

    def lines(self, path: str, deadline: float) -> Iterator[bytes]:
        """The lines of an answer that does not end, until the deadline."""
        self._client.request("GET", path)
        stream = self._client.sock
        answer = self._client.getresponse()
        assert answer.status == 200, answer.read()
        while (left := deadline - clock.monotonic()) > 0:
            stream.settimeout(left)
            try:
                line = answer.readline()
            except TimeoutError:
                return
            assert line, "the API server has ended a watch"
            yield line


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@contextmanager
def proxied(lab: KubernetesLab) -> Generator[Api]:
    """As an administrator, who may do all."""
    sandbox, label = lab.sandbox, "kubectl-proxy"
    path = sandbox.home / "proxy.sock"
    argv = lab.kubectl.argv("proxy", f"--unix-socket={path}")
    sandbox.start(label, argv, namespace=lab.control_plane.host.name, log=sandbox.home / f"{label}.log")
    try:
        wait_until(path.exists, timeout=TIMEOUT, what="kubectl proxy to listen")
        with closing(Api(path)) as api:
            yield api
    finally:
        sandbox.signal(label, signal.SIGKILL, timeout=TIMEOUT)


def _path(kind: str, name: str = "", namespace: str | None = None) -> str:
    group, plural = _PLACES[kind]
    if kind not in _OF_NO_NAMESPACE:
        group += f"/namespaces/{namespace or (NAMESPACE if kind in _OURS else 'default')}"
    return f"/{group}/{plural}" + (f"/{name}" if name else "")


def _selecting(labels: str, fields: str) -> dict[str, str]:
    return {"labelSelector": labels, "fieldSelector": fields}


def _brief(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key in ("name", "labels", "annotations")}
