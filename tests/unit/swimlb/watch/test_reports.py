"""What a node announces, as it arrives at an API server: each write counted."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgpack
import pytest
from aiohttp import web

from swimlb.kube.access import Access
from swimlb.kube.announcements import Owner
from swimlb.kube.client import Client
from swimlb.kube.complaints import Complaints
from swimlb.kube.resources import SERVICE_BGP_STATUSES, SERVICE_L2_STATUSES
from swimlb.observe.logs import EventLog
from swimlb.runtime.replica import Batch
from swimlb.watch.reports import Reports
from swimlb.watch.service_events import ServiceEvents
from tests.unit.swimlb.kube.cluster import SmallCluster, small_cluster
from tests.unit.swimlb.kube.server import refusal
from tests.waiting import until

SYSTEM = "metallb-system"
KINDS = {one.plural: one for one in (SERVICE_L2_STATUSES, SERVICE_BGP_STATUSES)}
WEB_UIDS = {"default/web": "uid-web"}
OWNER = Owner(name="speaker-x", uid="pod-a")


class WritableCluster:
    """A small cluster that takes writes of status objects and Events, and notes each of them."""

    def __init__(self, cluster: SmallCluster) -> None:
        self.cluster = cluster
        self.writes: list[tuple[str, str]] = []
        self.events: list[dict[str, Any]] = []
        self.is_read_only = False
        self.events_at_once_max = 0
        self._events_at_once = 0
        self._objects: dict[str, dict[str, Any]] = {}
        self._made = 0
        cluster.server.script[:] = [self.answer]

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            return await self.cluster.answer(request)
        parts = request.path.split("/namespaces/")[1].split("/")[1:]
        if self.is_read_only:
            return await refusal(403, "Forbidden", f"{parts[0]} is forbidden")(request)
        self.writes.append((request.method, "/".join(parts)))
        body = json.loads(await request.read() or b"{}")
        if parts[0] == "events":
            return await self._take_event(body)
        return self._write(request.method, parts, body)

    async def _take_event(self, body: dict[str, Any]) -> web.Response:
        self._events_at_once += 1
        self.events_at_once_max = max(self.events_at_once_max, self._events_at_once)
        await asyncio.sleep(0.005)
        self._events_at_once -= 1
        self.events.append(body)
        return web.json_response(body, status=201)

    def _write(self, method: str, parts: list[str], body: dict[str, Any]) -> web.Response:
        kind = KINDS[parts[0]]
        if method == "POST":
            self._made += 1
            name = f"{body['metadata']['generateName']}{self._made}"
            known = {**body, "metadata": {**body["metadata"], "name": name}}
        elif method == "DELETE":
            self._objects.pop(parts[1], None)
            self.cluster.drop(kind, parts[1], SYSTEM)
            return web.json_response({"kind": "Status", "status": "Success"})
        else:
            name, known = parts[1], {**self._objects[parts[1]], "status": body["status"]}
        self._objects[name] = known
        self.cluster.put(kind, known)
        return web.json_response(known)

    @property
    def statuses(self) -> list[dict[str, Any]]:
        return [one.get("status", {}) for one in self._objects.values()]


def fact(service: str, by: str, **content: object) -> Batch:
    value = msgpack.packb({"service": service, "by": by, **content})
    return Batch({f"announced/{service}/{by}": value}, frozenset())


RUNNING = Batch({"speaker": msgpack.packb({"phase": "running"})}, frozenset())
JOINING = Batch({"speaker": msgpack.packb({"phase": "joining"})}, frozenset())


@asynccontextmanager
async def reporting(
    uids: Mapping[str, str] = WEB_UIDS,
) -> AsyncGenerator[tuple[WritableCluster, Reports], None]:
    async with small_cluster() as small:
        cluster = WritableCluster(small)
        async with Client(Access(server=small.server.url)) as client:
            complaints = Complaints(EventLog(logging.getLogger("swimlb.test")), "speaker")
            reports = Reports("node-a", SYSTEM, client, complaints)
            async with asyncio.TaskGroup() as tasks:
                events = ServiceEvents("node-a", OWNER.name, client, uids, complaints, tasks)
                task = tasks.create_task(reports.run(OWNER, events, lambda _: None))
                try:
                    yield cluster, reports
                finally:
                    task.cancel()
                    events.close()


def test_a_new_owner_writes_three_times_and_says_so_once() -> None:
    """The object, what stands in it, the Event; then, when it owns the Service no more, the object goes."""

    async def scene() -> None:
        async with reporting() as (cluster, reports):
            reports.learn(RUNNING)
            reports.learn(fact("default/web", "l2", interfaces=["eth1"]))
            await until(lambda: cluster.events and len(cluster.writes) == 3)
            assert cluster.statuses == [
                {
                    "node": "node-a",
                    "serviceName": "web",
                    "serviceNamespace": "default",
                    "interfaces": [{"name": "eth1"}],
                }
            ]
            [event] = cluster.events
            assert event["reason"] == "nodeAssigned"
            assert event["message"] == 'announcing from node "node-a" with protocol "layer2"'
            assert event["involvedObject"]["uid"] == "uid-web"

            reports.learn(Batch({}, frozenset({"announced/default/web/l2"})))
            await until(lambda: cluster.statuses == [])
            assert cluster.writes[3:] == [("DELETE", "servicel2statuses/l2-1")]

    asyncio.run(scene())


def test_whoever_takes_over_much_at_once_publishes_a_few_at_a_time() -> None:
    """A hundred calls at once from the nodes that are left would be felt by everybody, and some be given up."""

    async def scene() -> None:
        async with reporting({f"default/web-{number}": f"uid-{number}" for number in range(100)}) as (
            cluster,
            reports,
        ):
            reports.learn(RUNNING)
            for number in range(100):
                reports.learn(fact(f"default/web-{number}", "l2", interfaces=None))
            await until(lambda: len(cluster.events) == 100)
            assert cluster.events_at_once_max <= 2

    asyncio.run(scene())


def test_what_is_advertised_to_routers_is_told_beside() -> None:
    """In an object of its own; a peer that comes or goes is one write."""

    async def scene() -> None:
        async with reporting() as (cluster, reports):
            reports.learn(RUNNING)
            reports.learn(fact("default/web", "bgp", peers=["tor-1", "tor-2"]))
            await until(lambda: [one.get("peers") for one in cluster.statuses] == [["tor-1", "tor-2"]])
            before = len(cluster.writes)

            reports.learn(fact("default/web", "bgp", peers=["tor-2"]))
            await until(lambda: [one.get("peers") for one in cluster.statuses] == [["tor-2"]])
            assert [method for method, _ in cluster.writes[before:] if method != "POST"] == ["PATCH"]

    asyncio.run(scene())


def test_nothing_is_written_of_a_node_that_only_starts() -> None:
    """What it will announce is known when it runs."""

    async def scene() -> None:
        async with reporting() as (cluster, reports):
            reports.learn(JOINING)
            reports.learn(fact("default/web", "l2", interfaces=None))
            await asyncio.sleep(0.6)
            assert cluster.writes == []

            reports.learn(RUNNING)
            await until(lambda: cluster.statuses and cluster.statuses[0].get("node") == "node-a")
            assert cluster.statuses[0]["interfaces"] is None

    asyncio.run(scene())


def test_a_role_that_does_not_allow_it_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """With the way out; and not asked again for each Service at once."""
    caplog.set_level(logging.INFO, "swimlb.test")

    async def scene() -> None:
        async with reporting() as (cluster, reports):
            cluster.is_read_only = True
            reports.learn(RUNNING)
            for number in range(50):
                reports.learn(fact(f"default/web-{number}", "l2", interfaces=None))
            await until(lambda: "write_refused" in caplog.messages)
            await asyncio.sleep(1.0)
            posts = [one for one in cluster.cluster.server.seen if one.method == "POST"]
            assert len(posts) <= 8

    asyncio.run(scene())
    [fields] = [vars(record)["fields"] for record in caplog.records if record.message == "write_refused"]
    assert fields["resource"] == "servicel2statuses.metallb.io"
    assert "role" in fields["hint"]
