"""A small API server on loopback: lists and watches of objects that a test puts and drops. No history, no rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiohttp import web

from swimlb.kube.resources import Resource
from tests.unit.swimlb.kube.server import Server, refusal, serving


class SmallCluster:
    """Knows nothing of selectors but what a test may look at in `server.seen`."""

    def __init__(self) -> None:
        self.server: Server
        self.version = 1
        self.forbidden: set[Resource] = set()
        self.missing: set[Resource] = set()
        self._objects: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
        self._streams: dict[str, set[asyncio.Queue[bytes]]] = {}

    def put(self, resource: Resource, content: dict[str, Any]) -> None:
        self.version += 1
        metadata = content["metadata"]
        key = metadata.get("namespace", ""), metadata["name"]
        known = self._objects.setdefault(resource.plural, {})
        event = "MODIFIED" if key in known else "ADDED"
        known[key] = {**content, "metadata": {**metadata, "resourceVersion": str(self.version)}}
        self._tell(resource, event, known[key])

    def drop(self, resource: Resource, name: str, namespace: str = "") -> None:
        self.version += 1
        self._tell(resource, "DELETED", self._objects[resource.plural].pop((namespace, name)))

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        plural = request.path.rpartition("/")[2]
        if any(one.plural == plural for one in self.forbidden):
            return await refusal(403, "Forbidden", f"{plural} is forbidden")(request)
        if any(one.plural == plural for one in self.missing) or "watch" not in request.query:
            return web.Response(status=404, text="404 page not found")
        response = web.StreamResponse()
        await response.prepare(request)
        with self._stream(plural) as queue:
            if "resourceVersion" not in request.query:
                for content in list(self._objects.get(plural, {}).values()):
                    await response.write(_line("ADDED", content))
                end = {"resourceVersion": str(self.version)}
                end |= {"annotations": {"k8s.io/initial-events-end": "true"}}
                await response.write(_line("BOOKMARK", {"metadata": end}))
            while True:
                await response.write(await queue.get())

    def _tell(self, resource: Resource, event: str, content: dict[str, Any]) -> None:
        for queue in self._streams.get(resource.plural, ()):
            queue.put_nowait(_line(event, content))

    @contextmanager
    def _stream(self, plural: str) -> Generator[asyncio.Queue[bytes]]:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        streams = self._streams.setdefault(plural, set())
        streams.add(queue)
        try:
            yield queue
        finally:
            streams.discard(queue)


def _line(event: str, content: dict[str, Any]) -> bytes:
    return json.dumps({"type": event, "object": content}).encode() + b"\n"


@asynccontextmanager
async def small_cluster() -> AsyncGenerator[SmallCluster, None]:
    cluster = SmallCluster()
    async with serving(cluster.answer) as server:
        cluster.server = server
        yield cluster
