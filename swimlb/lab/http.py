"""HTTP as the lab needs it: one GET over a Unix socket, or from inside a namespace."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
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
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        return _get(connection, "localhost", target, timeout)


def get_from(
    namespace: str,
    address: str,
    port: int,
    target: str = "/",
    timeout: float = TIMEOUT,
    tls: ssl.SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """GET as a host inside the namespace, on a new connection. OSError when it cannot be had."""
    with namespaces.entered(namespace):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
    with connection:
        connection.settimeout(timeout)
        connection.connect((address, port))
        if tls is None:
            return _get(connection, f"{address}:{port}", target, timeout, headers)
        with tls.wrap_socket(connection, server_hostname=address) as secured:
            return _get(secured, f"{address}:{port}", target, timeout, headers)


def _get(
    connection: socket.socket,
    host: str,
    target: str,
    timeout: float,
    headers: Mapping[str, str] | None = None,
) -> Response:
    client = http.client.HTTPConnection(host, timeout=timeout)
    client.sock = connection
    try:
        client.request("GET", target, headers=headers or {})
        answer = client.getresponse()
        return Response(answer.status, answer.read())
    except http.client.HTTPException as error:
        raise ConnectionError(f"no HTTP from {host}: {error!r}") from error
    finally:
        client.close()
