"""What was in force before a restart is in force after it, also where the API server has only a bad version to tell."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from swimlb.config import Options
from swimlb.kube import feed as feed_module
from swimlb.kube import following
from swimlb.kube.access import Access
from swimlb.kube.client import Client
from swimlb.kube.feed import ClusterFeed
from swimlb.kube.resources import (
    BGP_PEERS,
    ENDPOINT_SLICES,
    IP_ADDRESS_POOLS,
    L2_ADVERTISEMENTS,
    SECRETS,
    SERVICES,
    Resource,
)
from swimlb.observe.logs import EventLog
from swimlb.runtime import records
from swimlb.runtime.replica import Publisher
from swimlb.watch.cluster import without_the_rest
from swimlb.watch.cluster_source import ClusterSource
from swimlb.watch.last_good import FILE_NAME
from tests.unit.swimlb.kube.cluster import SmallCluster, small_cluster
from tests.unit.swimlb.kube.manifests import endpoint_slice, pool, service
from tests.unit.swimlb.kube.server import refusal, run
from tests.waiting import until

SYSTEM = "metallb-system"
BAD = {"metallb.io/loadBalancerIPs": "nonsense"}


def declared(resource: Resource, name: str, **spec: Any) -> Any:
    return {"metadata": {"name": name, "namespace": SYSTEM}, "spec": spec}


def put_good(cluster: SmallCluster) -> None:
    cluster.put(IP_ADDRESS_POOLS, pool("p", "192.0.2.10-192.0.2.20"))
    cluster.put(L2_ADVERTISEMENTS, declared(L2_ADVERTISEMENTS, "lan", ipAddressPools=["p"]))
    router = {"myASN": 64496, "peerASN": 64497, "peerAddress": "198.51.100.1"}
    cluster.put(BGP_PEERS, declared(BGP_PEERS, "router", **router, passwordSecret={"name": "key"}))
    secret = {"type": "kubernetes.io/basic-auth", "data": {"password": "b3Blbg=="}}
    cluster.put(SECRETS, {"metadata": {"name": "key", "namespace": SYSTEM}, **secret})
    cluster.put(SERVICES, service("web", status="192.0.2.10"))
    cluster.put(ENDPOINT_SLICES, endpoint_slice("web-1", "web", "node-a"))


def spoil(cluster: SmallCluster) -> None:
    """One object of each kind is bad now, or lacks what it refers to."""
    cluster.put(IP_ADDRESS_POOLS, pool("p", "nonsense"))
    cluster.put(L2_ADVERTISEMENTS, declared(L2_ADVERTISEMENTS, "lan", ipAddressPools=["p", "p"]))
    cluster.drop(SECRETS, "key", SYSTEM)
    cluster.put(SERVICES, service("web", status="192.0.2.10", annotations=BAD))


class Life:
    """Of one *watch* process: what of it is between the API server and the table for *wire*."""

    def __init__(self, client: Client, state_file: Path) -> None:
        self.published = Publisher(records.SCHEMA)
        log = EventLog(logging.getLogger("swimlb.test"))
        self.source = ClusterSource(
            *("node-a", "https://192.0.2.100:6443", (), state_file, self.published),
            lambda: None,
            log,
            awaits_seeds=False,
        )
        self.feed = ClusterFeed(client, Options(), self.source.tell, node="node-a", keep=without_the_rest)

    @property
    def table(self) -> dict[str, bytes]:
        return dict(self.published.table)

    @property
    def state(self) -> str:
        return str(self.source.describe()["state"])

    async def run(self) -> None:
        self.feed.recall(self.source.recall())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.feed.run())
            tasks.create_task(self.source.run(lambda: self.feed.standing.unreachable_since))

    async def until(self, is_so: Callable[[], object]) -> None:
        await until(is_so)


@asynccontextmanager
async def life(cluster: SmallCluster, directory: Path) -> AsyncGenerator[Life]:
    async with Client(Access(server=cluster.server.url)) as client:
        one = Life(client, directory / FILE_NAME)
        task = asyncio.create_task(one.run())
        try:
            yield one
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "BACKOFF_FIRST", 0.02)
    monkeypatch.setattr(feed_module, "SETTLE_TIME", 0.05)


def test_last_good_versions_outlive_a_restart(tmp_path: Path) -> None:
    """With the API server there, or away at first: the same table, and the same complaints."""

    async def play() -> None:
        async with small_cluster() as cluster:
            put_good(cluster)
            async with life(cluster, tmp_path) as one:
                await one.until(lambda: one.source.has_published and "BgpPeer/router" in one.table)
                good = one.table
                spoil(cluster)
                await one.until(lambda: len({problem.object for problem in one.feed.problems}) == 4)
                assert one.table == good
                complaints = set(one.feed.problems)

            async with life(cluster, tmp_path) as one:
                await one.until(lambda: one.state == "current" and one.source.has_published)
                assert one.table == good
                assert set(one.feed.problems) == complaints

            cluster.server.script[:] = [refusal(503, "ServiceUnavailable")]
            async with life(cluster, tmp_path) as one:
                await one.until(lambda: one.state == "last-good")
                assert one.table == good
                cluster.server.script[:] = [cluster.answer]
                await one.until(lambda: one.state == "current")
                assert one.table == good

    run(play())


def test_a_bad_service_with_another_address_is_not_what_it_was(tmp_path: Path) -> None:
    """It may be another one of the same name, and its predecessor's address somebody else's."""

    async def play() -> None:
        async with small_cluster() as cluster:
            put_good(cluster)
            async with life(cluster, tmp_path) as one:
                await one.until(lambda: "Allocation/default/web" in one.table)

            cluster.put(SERVICES, service("web", status="192.0.2.11", annotations=BAD))
            async with life(cluster, tmp_path) as one:
                await one.until(lambda: one.state == "current" and one.source.has_published)
                assert "Allocation/default/web" not in one.table
                assert "Pool/p" in one.table

    run(play())


def test_what_is_gone_is_gone(tmp_path: Path) -> None:
    """Only what the API server has a bad version of stays as it was."""

    async def play() -> None:
        async with small_cluster() as cluster:
            put_good(cluster)
            async with life(cluster, tmp_path) as one:
                await one.until(lambda: "L2Advertisement/lan" in one.table and "BgpPeer/router" in one.table)

            cluster.drop(L2_ADVERTISEMENTS, "lan", SYSTEM)
            cluster.drop(BGP_PEERS, "router", SYSTEM)
            cluster.drop(SERVICES, "web", "default")
            async with life(cluster, tmp_path) as one:
                await one.until(lambda: one.state == "current" and one.source.has_published)
                assert set(one.table) == {"Pool/p"}

    run(play())
