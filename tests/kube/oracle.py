"""The official Python client, which knows nothing of ours: what it reads and writes is what there is."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import kubernetes

from swimlb.kube.access import Access
from swimlb.kube.trust import Trust
from swimlb.lab import namespaces
from swimlb.lab.kubernetes.lab import KubernetesLab

T = TypeVar("T")


@contextmanager
def inside(cluster: KubernetesLab) -> Generator[Any]:
    """This process in the control plane's network, with the official client as an administrator."""
    with namespaces.entered(cluster.sandbox.namespace("control")):
        config = str(cluster.control_plane.kubeconfig("admin"))
        with kubernetes.config.new_client_from_config(config) as client:
            try:
                yield client
            finally:
                # It leaves its connections to the garbage collector otherwise.
                client.rest_client.pool_manager.clear()


def api(oracle: Any, name: str) -> Any:
    """One of its groups of calls, such as `CoreV1Api`; without types, since it takes dicts for bodies as well."""
    return getattr(kubernetes.client, name)(oracle)


def admin(cluster: KubernetesLab) -> Access:
    return Access.from_kubeconfig(cluster.control_plane.kubeconfig("admin"))


def run(body: Coroutine[Any, Any, T], limit: float = 120.0) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(limit):
            return await body

    return asyncio.run(bounded())


class Relay:
    """Passes bytes on between a client and the API server; can be cut, and held so that nothing arrives any more."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._flows: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._serving: set[asyncio.Task[None]] = set()

    def hold(self) -> None:
        """Half open: connections stay, and nothing passes."""
        self._open.clear()

    def abandon(self) -> None:
        """Connections that are open now are dead for good, and nobody tells; new ones pass. So a firewall forgets them."""
        self._open.clear()
        self._open = asyncio.Event()
        self._open.set()

    def cut(self) -> None:
        """All connections break; new ones pass."""
        for flow in self._flows:
            flow.cancel()
        self._open.set()

    async def close(self) -> None:
        """Everything breaks, and nothing is left of it."""
        self.cut()
        if self._serving:
            await asyncio.wait(self._serving)
        # Transports that were aborted close their sockets in the next turn.
        await asyncio.sleep(0.01)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._join(reader, writer)
        finally:
            writer.transport.abort()
            self._serving.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream = await asyncio.open_connection(*self._target)
        except OSError:
            return
        flows = {
            asyncio.create_task(self._pass(reader, upstream)),
            asyncio.create_task(self._pass(upstream_reader, writer)),
        }
        self._flows |= flows
        try:
            await asyncio.wait(flows, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for flow in flows:
                flow.cancel()
            self._flows -= flows
            upstream.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_open = self._open
        with suppress(OSError):
            while piece := await reader.read(65536):
                await is_open.wait()
                writer.write(piece)
                await writer.drain()


@asynccontextmanager
async def relayed(access: Access, authority: Path) -> AsyncGenerator[tuple[Relay, Access], None]:
    """The same access, by way of a relay on loopback."""
    host, _, port = access.server.removeprefix("https://").rpartition(":")
    relay = Relay(host, int(port))
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    try:
        by_relay = Access(
            server=f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}",
            credentials=access.credentials,
            trust=Trust(authority.read_bytes(), server_name=host),
            namespace=access.namespace,
        )
        yield relay, by_relay
    finally:
        server.close()
        await relay.close()


def compact(revision: int) -> None:
    """Make etcd forget what was before. Run inside the control plane's network."""
    body = json.dumps({"revision": revision, "physical": True}).encode()
    request = urllib.request.Request("http://127.0.0.1:2379/v3/kv/compaction", body, method="POST")
    urllib.request.urlopen(request, timeout=10).read()
