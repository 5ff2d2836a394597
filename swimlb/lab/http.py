"""HTTP as the lab needs it: one GET over a Unix socket, or from inside a namespace."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass
from pathlib import Path

from swimlb.lab import namespaces

TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace").strip()


def get_over_unix_socket(path: Path, target: str, timeout: float = TIMEOUT) -> Response:
    """GET from a server that listens on a Unix socket. OSError when nobody does."""
    return _get(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), str(path), "localhost", target, timeout)


def get_from(
    namespace: str, address: str, port: int, target: str = "/", timeout: float = TIMEOUT
) -> Response:
    """GET as a host inside the namespace, on a new connection. OSError when it cannot be had."""
    with namespaces.entered(namespace):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
    return _get(connection, (address, port), f"{address}:{port}", target, timeout)


def _get(
    connection: socket.socket, peer: str | tuple[str, int], host: str, target: str, timeout: float
) -> Response:
    with connection:
        connection.settimeout(timeout)
        connection.connect(peer)
        client = http.client.HTTPConnection(host, timeout=timeout)
        client.sock = connection
        try:
            client.request("GET", target)
            answer = client.getresponse()
            return Response(answer.status, answer.read())
        except http.client.HTTPException as error:
            raise ConnectionError(f"no HTTP from {host}: {error!r}") from error
        finally:
            client.close()
