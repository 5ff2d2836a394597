"""The lab's hold on `detour_server`, the way to the API server on which things go wrong."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

import msgspec

from swimlb.lab.daemon import Daemon
from swimlb.lab.errors import LabError
from swimlb.lab.kubernetes.control_plane import ControlPlane
from swimlb.lab.kubernetes.detour_words import SOCKET, Faults, Tally
from swimlb.lab.kubernetes.plan import DETOUR_PORT
from swimlb.lab.sandbox import Sandbox

TIMEOUT = 5.0


class Detour:
    """In the control plane's host. One per sandbox, which ends it."""

    def __init__(self, sandbox: Sandbox, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self._daemon = Daemon(sandbox, control_plane.host.name, "detour")
        self.server = f"https://{control_plane.host.address}:{DETOUR_PORT}"

    def start(self) -> None:
        plane = self._control_plane
        self._daemon.home.mkdir(exist_ok=True)
        self._daemon.begin_module(
            "swimlb.lab.kubernetes.detour_server",
            *("--address", plane.host.address, "--port", str(DETOUR_PORT)),
            *("--server", plane.server, "--home", str(plane.home)),
        )
        self._daemon.wait_until_ready(self._answers)

    def stop(self) -> None:
        self._daemon.stop()

    def suffer(self, faults: Faults) -> None:
        """From now on, until told otherwise: `Faults()` ends everything."""
        self._ask("PUT", "/faults", msgspec.json.encode(faults))

    def tally(self) -> Tally:
        """What has come since the start."""
        return msgspec.json.decode(self._ask("GET", "/tally"), type=Tally)

    def _answers(self) -> bool:
        try:
            self.tally()
        except OSError:
            return False
        return True

    def _ask(self, method: str, target: str, body: bytes = b"") -> bytes:
        path: Path = self._control_plane.home / SOCKET
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(str(path))
            client = http.client.HTTPConnection("localhost", timeout=TIMEOUT)
            client.sock = connection
            client.request(method, target, body)
            answer = client.getresponse()
            content = answer.read()
        if answer.status != 200:
            raise LabError(f"the detour refuses {method} {target}: {content.decode(errors='replace')}")
        return content
