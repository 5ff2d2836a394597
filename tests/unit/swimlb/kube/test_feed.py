"""A feed: what one process wants to know of a cluster, as news."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from swimlb.config import Document, Options, resolve
from swimlb.config.declared import EndpointSlice
from swimlb.kube import feed as feed_module
from swimlb.kube import following
from swimlb.kube.access import Access
from swimlb.kube.client import Client
from swimlb.kube.decode import ServiceView, Taint
from swimlb.kube.feed import CONTROLLER_KINDS, SPEAKER_KINDS, ClusterFeed
from swimlb.kube.following import Trouble
from swimlb.kube.joining import Joining
from swimlb.kube.news import (
    ConditionChanged,
    Configured,
    EndpointsChanged,
    News,
    NodeChanged,
    ServiceChanged,
    Synced,
)
from swimlb.kube.reflector import Condition
from swimlb.kube.resources import (
    BFD_PROFILES,
    ENDPOINT_SLICES,
    IP_ADDRESS_POOLS,
    NAMESPACES,
    NODES,
    SECRETS,
    SERVICES,
)
from swimlb.kube.standing import Standing
from swimlb.kube.store import Changes
from swimlb.model import Endpoints, Service
from tests.unit.swimlb.kube.cluster import SmallCluster, small_cluster
from tests.unit.swimlb.kube.manifests import endpoint_slice, node, pool, service
from tests.unit.swimlb.kube.server import run

N = TypeVar("N")
A, B = Service(namespace="default", name="a"), Service(namespace="default", name="b")


class Listener:
    def __init__(self, cluster: SmallCluster, client: Client, kinds: Any) -> None:
        self.cluster = cluster
        self.news: list[News] = []
        self.feed = ClusterFeed(client, Options(), self._listen, kinds=kinds, node="node-a")

    def _listen(self, news: Sequence[News]) -> None:
        self.news += news

    def of(self, kind: type[N]) -> list[N]:
        return [one for one in self.news if isinstance(one, kind)]

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(20.0):
            while not is_so():  # noqa: ASYNC110 (what is waited for is not told by an event)
                await asyncio.sleep(0.01)

    async def synced(self) -> None:
        await self.until(lambda: bool(self.of(Synced)))
        self.news.clear()


@asynccontextmanager
async def listening(
    *objects: tuple[Any, Any], kinds: Any = SPEAKER_KINDS, missing: Any = (), forbidden: Any = ()
) -> AsyncGenerator[Listener, None]:
    async with small_cluster() as cluster, Client(Access(server=cluster.server.url)) as client:
        for resource, content in objects:
            cluster.put(resource, content)
        cluster.missing |= set(missing)
        cluster.forbidden |= set(forbidden)
        listener = Listener(cluster, client, kinds)
        task = asyncio.create_task(listener.feed.run())
        try:
            yield listener
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                await task


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "BACKOFF_FIRST", 0.02)
    monkeypatch.setattr(feed_module, "SETTLE_TIME", 0.05)


def test_tells_all_there_is_and_then_that_this_was_all() -> None:
    async def play() -> None:
        async with listening(
            (IP_ADDRESS_POOLS, pool("p", "192.0.2.10-192.0.2.20")),
            (SERVICES, service("web", status="192.0.2.10")),
            (ENDPOINT_SLICES, endpoint_slice("web-1", "web", "node-a")),
            (ENDPOINT_SLICES, endpoint_slice("web-2", "web", "node-b")),
            (ENDPOINT_SLICES, endpoint_slice("other-1", "other", "node-b")),
            (NODES, node("node-a", zone="z", taints=[{"key": "k", "effect": "NoExecute"}])),
        ) as listener:
            await listener.until(lambda: bool(listener.of(Synced)))

            manifest = Document(service("web", status="192.0.2.10"))
            assert listener.of(ServiceChanged) == [
                ServiceChanged("default/web", resolve([manifest]).configuration.services[0], "uid-web")
            ]
            assert listener.of(EndpointsChanged)[-1] == EndpointsChanged(
                "default/web", Endpoints(service="default/web", nodes=frozenset({"node-a", "node-b"}))
            )
            assert listener.of(Configured)[-1].resolved.configuration.pools[0].name == "p"
            own = listener.of(NodeChanged)[-1].node
            assert own is not None
            assert (own.labels, own.taints) == ((("zone", "z"),), (Taint("k", "", "NoExecute"),))
            assert listener.news[-1] == Synced()

    run(play())


def test_selects_on_the_servers_side() -> None:
    async def play() -> None:
        async with listening() as listener:
            await listener.synced()

            queries = {one.path.rpartition("/")[2]: one for one in listener.cluster.server.seen}
            assert queries["services"].query["fieldSelector"] == "spec.type=LoadBalancer"
            assert "service-name" in queries["endpointslices"].query["labelSelector"]
            assert queries["secrets"].path == "/api/v1/namespaces/metallb-system/secrets"
            assert queries["nodes"].path == "/api/v1/nodes"

    run(play())


def test_one_changed_service_is_all_that_is_told() -> None:
    async def play() -> None:
        async with listening(
            (SERVICES, service("a")), (SERVICES, service("b")), (SERVICES, service("c", type="ClusterIP"))
        ) as listener:
            await listener.synced()

            listener.cluster.put(SERVICES, service("b", externalTrafficPolicy="Local"))
            listener.cluster.put(SERVICES, service("a", type="ClusterIP"))
            listener.cluster.put(SERVICES, service("c"))
            await listener.until(lambda: len(listener.news) == 3)

            told = listener.of(ServiceChanged)
            assert [(one.key, one.service is None) for one in told] == [
                ("default/b", False),
                ("default/a", True),
                ("default/c", False),
            ]

    run(play())


def test_a_heartbeat_is_no_news() -> None:
    async def play() -> None:
        async with listening((NODES, node("node-a")), (NODES, node("node-b"))) as listener:
            await listener.synced()

            listener.cluster.put(NODES, node("node-a", heartbeat="2"))
            listener.cluster.put(NODES, node("node-b", heartbeat="2"))
            listener.cluster.put(NODES, node("node-b", zone="z"))
            await listener.until(lambda: bool(listener.news))

            assert [type(one) for one in listener.news] == [Configured]

    run(play())


def test_what_is_applied_together_is_resolved_together() -> None:
    async def play() -> None:
        async with listening() as listener:
            await listener.synced()

            for number in range(20):
                listener.cluster.put(IP_ADDRESS_POOLS, pool(f"p{number:02}", f"192.0.2.{number}/32"))
            await listener.until(
                lambda: any(len(one.resolved.configuration.pools) == 20 for one in listener.of(Configured))
            )

            assert len(listener.of(Configured)) < 5

    run(play())


def test_a_bad_object_is_refused_alone_and_its_last_good_version_stays() -> None:
    async def play() -> None:
        async with listening(
            (IP_ADDRESS_POOLS, pool("p", "192.0.2.10-192.0.2.20")), (SERVICES, service("a"))
        ) as listener:
            await listener.synced()
            listener.cluster.put(IP_ADDRESS_POOLS, pool("p", "nonsense"))
            bad = service("a", annotations={"metallb.io/loadBalancerIPs": "nonsense"})
            listener.cluster.put(SERVICES, bad)
            listener.cluster.put(SERVICES, service("b", annotations=bad["metadata"]["annotations"]))

            await listener.until(lambda: len(listener.feed.problems) == 3)

            assert listener.of(ServiceChanged) == [ServiceChanged("default/b", None, "uid-b")]
            assert listener.of(Configured)[-1].resolved.stale == {"IPAddressPool/metallb-system/p"}
            assert listener.of(Configured)[-1].resolved.configuration.pools[0].ranges
            assert {one.object for one in listener.feed.problems} == {
                "IPAddressPool/metallb-system/p",
                "Service/default/a",
                "Service/default/b",
            }

    run(play())


def test_a_kind_that_is_not_installed_counts_as_empty_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MISSING_GRACE", 0.1)

    async def play() -> None:
        async with listening(missing=[BFD_PROFILES]) as listener:
            await listener.until(lambda: bool(listener.of(Synced)))

            told = listener.of(ConditionChanged)
            assert [one.condition.trouble for one in told] == [Trouble.KIND_MISSING]
            assert listener.feed.conditions == (told[0].condition,)

    run(play())


def test_a_kind_that_may_not_be_read_keeps_the_feed_from_being_synced() -> None:
    """Nobody may take what is not known for what does not exist."""

    async def play() -> None:
        async with listening((SERVICES, service("a")), forbidden=[SECRETS]) as listener:
            await listener.until(lambda: bool(listener.of(ConditionChanged)))
            await asyncio.sleep(0.3)
            assert not listener.feed.is_synced
            listener.cluster.forbidden.clear()

            await listener.until(lambda: bool(listener.of(Synced)))

            assert len(listener.of(ConditionChanged)) == 2

    run(play())


def test_follows_only_what_it_is_asked_to() -> None:
    async def play() -> None:
        async with listening((SERVICES, service("a")), kinds=CONTROLLER_KINDS) as listener:
            await listener.until(lambda: bool(listener.of(Synced)))

            assert not listener.of(ServiceChanged)
            asked = {one.path.rpartition("/")[2] for one in listener.cluster.server.seen}
            assert not asked & {"services", "endpointslices", "secrets"}

    run(play())


def test_no_secret_but_passwords_is_kept() -> None:
    async def play() -> None:
        content = {
            "metadata": {"name": "s", "namespace": "metallb-system", "annotations": {"a": "hidden"}},
            "type": "Opaque",
            "data": {"password": "cGFzc3dvcmQ=", "token": "aGlkZGVu"},
        }
        async with listening((SECRETS, content)) as listener:
            await listener.synced()

            assert "cGFzc3dvcmQ=" in str(listener.feed.documents)
            assert "hidden" not in str(listener.feed.documents)
            assert "aGlkZGVu" not in str(listener.feed.documents)

    run(play())


# Putting together


def changes(**put: Any) -> Changes[Any]:
    return Changes({f"default/{key}": value for key, value in put.items()})


def endpoints(service: str, *nodes: str) -> Endpoints:
    return Endpoints(service=service, nodes=frozenset(nodes))


def view(service: Service) -> ServiceView:
    return ServiceView(service, "uid")


def sliced(service: str, *nodes: str) -> EndpointSlice:
    return EndpointSlice(f"default/{service}", frozenset(nodes))


def test_endpoints_are_told_with_their_service_in_whatever_order_they_come() -> None:
    joining = Joining()

    assert joining.on_slices(changes(a1=sliced("a", "x"), a2=sliced("a", "y"), b1=sliced("b"))) == []
    assert joining.on_services(changes(a=view(A))) == [
        ServiceChanged("default/a", A, "uid"),
        EndpointsChanged("default/a", endpoints("default/a", "x", "y")),
    ]
    assert joining.on_services(changes(b=view(B)))[1:] == [
        EndpointsChanged("default/b", endpoints("default/b"))
    ]


def test_a_slice_that_changes_its_service_leaves_the_one_and_joins_the_other() -> None:
    joining = Joining()
    joining.on_services(changes(a=view(A), b=view(B)))
    joining.on_slices(changes(s=sliced("a", "x")))

    news = joining.on_slices(changes(s=sliced("b", "x")))

    assert news == [
        EndpointsChanged("default/a", None),
        EndpointsChanged("default/b", endpoints("default/b", "x")),
    ]


def test_slices_that_change_nothing_for_the_service_are_no_news() -> None:
    joining = Joining()
    joining.on_services(changes(a=view(A)))
    joining.on_slices(changes(s1=sliced("a", "x"), s2=sliced("a", "x", "y")))

    assert joining.on_slices(Changes(gone=("default/s1",))) == []
    assert joining.on_slices(Changes(gone=("default/s2",))) == [EndpointsChanged("default/a", None)]


def test_a_service_that_returns_is_told_its_endpoints_again() -> None:
    joining = Joining()
    joining.on_services(changes(a=view(A)))
    joining.on_slices(changes(s=sliced("a", "x")))

    assert joining.on_services(Changes(gone=("default/a",))) == [ServiceChanged("default/a", None)]
    assert len(joining.on_services(changes(a=view(A)))) == 2


# How it stands


def condition(kind: Any, trouble: Trouble | None) -> Condition:
    return Condition(kind, trouble)


def test_an_api_server_that_is_away_is_told_once_for_all_kinds() -> None:
    """By the kind of which it was told first: who reads it takes back what that one said."""
    standing = Standing()
    away = [condition(kind, Trouble.UNREACHABLE) for kind in (SERVICES, NODES, NAMESPACES)]
    back = [condition(kind, None) for kind in (SERVICES, NODES, NAMESPACES)]

    told = [standing.note(one, 1.0 + number) for number, one in enumerate(away)]
    since = standing.unreachable_since
    told_back = [standing.note(one, 10.0) for one in back]

    assert told == [[away[0]], [], []]
    assert since == 1.0
    assert told_back == [[], [], [back[0]]]
    assert standing.unreachable_since is None


def test_permissions_are_told_for_each_kind() -> None:
    standing = Standing()
    lost = [condition(kind, Trouble.FORBIDDEN) for kind in (SERVICES, NODES)]

    assert [standing.note(one, 1.0) for one in lost] == [[lost[0]], [lost[1]]]
    assert standing.note(condition(NODES, None), 2.0) == [condition(NODES, None)]
