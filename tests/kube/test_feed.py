"""A feed against a real API server: what it has told is what the official client sees, whatever happens between them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from swimlb.config import Document, Options, resolve
from swimlb.config.document import Ref
from swimlb.kube import following
from swimlb.kube.access import Access
from swimlb.kube.client import Client
from swimlb.kube.feed import ClusterFeed
from swimlb.kube.following import Trouble
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
from swimlb.kube.resources import SERVICES
from swimlb.kube.transport import DEADLINE
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.model import Configuration, Endpoints, Service
from tests.kube.oracle import admin, api, compact, inside, relayed, run
from tests.waiting import until


class Listener:
    """Keeps what the news say."""

    def __init__(self, client: Client, node: str) -> None:
        self.client = client
        self.feed = ClusterFeed(client, Options(), self._listen, node=node)
        self.services: dict[str, Service] = {}
        self.endpoints: dict[str, Endpoints] = {}
        self.configuration = Configuration()
        self.news: list[News] = []

    def _listen(self, news: Sequence[News]) -> None:
        self.news += news
        for one in news:
            match one:
                case ServiceChanged(key, None):
                    self.services.pop(key, None)
                    self.endpoints.pop(key, None)
                case ServiceChanged(key, Service() as service):
                    self.services[key] = service
                case EndpointsChanged(key, None):
                    self.endpoints.pop(key, None)
                case EndpointsChanged(key, Endpoints() as endpoints):
                    self.endpoints[key] = endpoints
                case Configured(resolved):
                    self.configuration = resolved.configuration
                case _:
                    pass

    def troubles(self) -> list[Trouble | None]:
        return [one.condition.trouble for one in self.news if isinstance(one, ConditionChanged)]

    async def until(self, is_so: Callable[[], bool], limit: float = 60.0) -> None:
        await until(is_so, limit)

    async def synced(self) -> None:
        await self.until(lambda: any(isinstance(one, Synced) for one in self.news))


@asynccontextmanager
async def listening(access: Access, deadline: float = DEADLINE) -> AsyncGenerator[Listener, None]:
    async with Client(access, deadline=deadline) as client:
        listener = Listener(client, "worker-01")
        task = asyncio.create_task(listener.feed.run())
        try:
            yield listener
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                await task


def seen_by(oracle: Any, namespace: str) -> dict[str, Service]:
    """The Services of a namespace that the official client lists, resolved as manifests are.

    It writes moments in another form than the API server, so they are left out.
    """
    core = api(oracle, "CoreV1Api")
    items = oracle.sanitize_for_serialization(core.list_namespaced_service(namespace).items)
    documents = [Document({"apiVersion": "v1", "kind": "Service", **item}) for item in items]
    return {one.key: replace(one, created="") for one in resolve(documents).configuration.services}


def told_of(listener: Listener, namespace: str) -> dict[str, Service]:
    return {
        key: replace(one, created="") for key, one in listener.services.items() if one.namespace == namespace
    }


class Workload:
    """Creates, changes and deletes Services and EndpointSlices at random, by the official client."""

    def __init__(self, oracle: Any, namespace: str, seed: int) -> None:
        self._core = api(oracle, "CoreV1Api")
        self._discovery = api(oracle, "DiscoveryV1Api")
        self._namespace = namespace
        self._rng = random.Random(seed)
        self._names: set[str] = set()

    def step(self) -> None:
        name = f"s{self._rng.randrange(12)}"
        if name not in self._names:
            self._names.add(name)
            kind = self._rng.choice(["LoadBalancer", "LoadBalancer", "ClusterIP"])
            self._core.create_namespaced_service(self._namespace, self._service(name, kind))
            self._discovery.create_namespaced_endpoint_slice(self._namespace, self._slice(name))
        elif self._rng.random() < 0.3:
            self._names.discard(name)
            self._core.delete_namespaced_service(name, self._namespace)
            self._discovery.delete_namespaced_endpoint_slice(f"{name}-x", self._namespace)
        else:
            spec = {
                "type": self._rng.choice(["LoadBalancer", "LoadBalancer", "ClusterIP"]),
                "externalTrafficPolicy": None,
            }
            labels = {"round": str(self._rng.randrange(100))}
            self._core.patch_namespaced_service(
                name, self._namespace, {"metadata": {"labels": labels}, "spec": spec}
            )

    def _service(self, name: str, kind: str) -> dict[str, Any]:
        return {"metadata": {"name": name}, "spec": {"type": kind, "ports": [{"port": 80}]}}

    def _slice(self, name: str) -> dict[str, Any]:
        nodes = self._rng.sample(["worker-01", "worker-02", "master-01"], self._rng.randrange(3))
        return {
            "metadata": {"name": f"{name}-x", "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["192.0.2.1"], "nodeName": node} for node in nodes],
        }


async def settles(listener: Listener, oracle: Any, namespace: str) -> None:
    expected = seen_by(oracle, namespace)
    await listener.until(lambda: told_of(listener, namespace) == expected)


def test_tells_what_the_official_client_sees(cluster: KubernetesLab, namespace: str) -> None:
    async def play(oracle: Any) -> None:
        async with listening(admin(cluster)) as listener:
            await listener.synced()
            metrics = listener.client.metrics
            assert metrics.count(verb="watch", resource="services", code=200) == 1, "the selector is known"
            assert metrics.count(verb="list") == 0, "the watch list is known"

            workload = Workload(oracle, namespace, seed=1)
            for _ in range(60):
                workload.step()
                await asyncio.sleep(0.0)
            await settles(listener, oracle, namespace)

            nodes = {one.metadata.name for one in api(oracle, "CoreV1Api").list_node().items}
            assert {one.name for one in listener.configuration.nodes} == nodes
            own = next(one.node for one in listener.news if isinstance(one, NodeChanged))
            assert own is not None
            assert own.name == "worker-01"

    with inside(cluster) as oracle:
        run(play(oracle))


def test_pods_come_and_go_in_the_endpoints(cluster: KubernetesLab, namespace: str) -> None:
    async def play(oracle: Any) -> None:
        core = api(oracle, "CoreV1Api")
        discovery = api(oracle, "DiscoveryV1Api")
        key = f"{namespace}/web"
        async with listening(admin(cluster)) as listener:
            await listener.synced()
            body = {"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}
            core.create_namespaced_service(namespace, body)
            for number, node in enumerate(("worker-01", "worker-02")):
                discovery.create_namespaced_endpoint_slice(
                    namespace,
                    {
                        "metadata": {"name": f"x{number}", "labels": {"kubernetes.io/service-name": "web"}},
                        "addressType": "IPv4",
                        "endpoints": [{"addresses": ["192.0.2.1"], "nodeName": node}],
                    },
                )
            both = Endpoints(service=key, nodes=frozenset({"worker-01", "worker-02"}))
            await listener.until(lambda: listener.endpoints.get(key) == both)

            discovery.delete_namespaced_endpoint_slice("x0", namespace)
            one = Endpoints(service=key, nodes=frozenset({"worker-02"}))
            await listener.until(lambda: listener.endpoints.get(key) == one)

    with inside(cluster) as oracle:
        run(play(oracle))


def test_heartbeats_are_no_news(cluster: KubernetesLab) -> None:
    async def play(oracle: Any) -> None:
        core = api(oracle, "CoreV1Api")
        async with listening(admin(cluster)) as listener:
            await listener.synced()
            listener.news.clear()
            for number in range(3):
                condition = {
                    "type": "Ready",
                    "status": "True",
                    "reason": "Heartbeat",
                    "lastHeartbeatTime": f"2026-01-05T10:00:0{number}Z",
                }
                core.patch_node_status("worker-01", {"status": {"conditions": [condition]}})
            core.patch_node("worker-01", {"metadata": {"labels": {"example.com/marked": "yes"}}})
            await listener.until(lambda: any(isinstance(one, Configured) for one in listener.news))
            core.patch_node("worker-01", {"metadata": {"labels": {"example.com/marked": None}}})

            assert sum(isinstance(one, Configured) for one in listener.news) == 1
            assert sum(isinstance(one, NodeChanged) for one in listener.news) == 1

    with inside(cluster) as oracle:
        run(play(oracle))


def test_connections_that_break_lose_nothing(cluster: KubernetesLab, namespace: str) -> None:
    async def play(oracle: Any) -> None:
        async with (
            relayed(admin(cluster), cluster.control_plane.authority) as (relay, access),
            listening(access) as listener,
        ):
            await listener.synced()
            workload = Workload(oracle, namespace, seed=2)
            for number in range(60):
                workload.step()
                if number % 10 == 5:
                    relay.cut()
                await asyncio.sleep(0.05)
            await settles(listener, oracle, namespace)

            assert listener.feed.unreadable == 0

    with inside(cluster) as oracle:
        run(play(oracle))


def test_watches_that_are_open_and_dead_are_given_up_and_nothing_is_lost(
    cluster: KubernetesLab, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a firewall leaves them that has forgotten them: no word comes, and no end. Here no word for 3 s is too long."""

    async def play(oracle: Any) -> None:
        async with (
            relayed(admin(cluster), cluster.control_plane.authority) as (relay, access),
            listening(access) as listener,
        ):
            await listener.synced()
            lists = listener.feed.lists(SERVICES)
            relay.abandon()
            workload = Workload(oracle, namespace, seed=5)
            for _ in range(20):
                workload.step()
            await settles(listener, oracle, namespace)

            assert listener.feed.lists(SERVICES) == lists

    monkeypatch.setattr(following, "QUIET_MAX", 3.0)
    with inside(cluster) as oracle:
        run(play(oracle))


def test_an_api_server_that_accepts_and_never_answers_is_told_as_such(
    cluster: KubernetesLab, namespace: str
) -> None:
    """Once, with what to look for; and all is well as soon as it answers."""

    async def play(oracle: Any) -> None:
        async with relayed(admin(cluster), cluster.control_plane.authority) as (relay, access):
            relay.hold()
            async with listening(access, deadline=1.0) as listener:
                await listener.until(lambda: bool(listener.troubles()))
                [told] = [one.condition for one in listener.news if isinstance(one, ConditionChanged)]
                assert told.trouble is Trouble.UNREACHABLE
                assert f"{access.server} gave no answer within 1.0 s" in told.message
                assert "firewall" in told.message

                relay.cut()
                await listener.synced()
                Workload(oracle, namespace, seed=6).step()
                await settles(listener, oracle, namespace)
                assert listener.troubles() == [Trouble.UNREACHABLE, None]

    with inside(cluster) as oracle:
        run(play(oracle))


def test_what_happened_in_a_time_that_is_forgotten_is_found_by_listing(
    cluster: KubernetesLab, namespace: str
) -> None:
    """Held off from an API server that changes, is restarted, and whose etcd is compacted: 410, and a new list."""

    async def play(oracle: Any) -> None:
        core = api(oracle, "CoreV1Api")
        async with (
            relayed(admin(cluster), cluster.control_plane.authority) as (relay, access),
            listening(access) as listener,
        ):
            await listener.synced()
            workload = Workload(oracle, namespace, seed=3)
            for _ in range(20):
                workload.step()
            await settles(listener, oracle, namespace)
            before = told_of(listener, namespace)
            lists = listener.feed.lists(SERVICES)

            relay.hold()
            for _ in range(20):
                workload.step()
            revision = int(core.list_namespaced_service(namespace).metadata.resource_version)
            compact(revision)
            await asyncio.to_thread(cluster.control_plane.kill_api)
            assert told_of(listener, namespace) == before
            await asyncio.to_thread(cluster.control_plane.start_api)
            relay.cut()
            await settles(listener, oracle, namespace)

            assert listener.feed.lists(SERVICES) > lists
            assert told_of(listener, namespace) != before
            await listener.until(lambda: not listener.feed.conditions)

    with inside(cluster) as oracle:
        run(play(oracle), limit=240.0)


def test_an_api_server_that_is_away_changes_nothing_and_is_told_once(
    cluster: KubernetesLab, namespace: str
) -> None:
    async def play(oracle: Any) -> None:
        async with listening(admin(cluster)) as listener:
            await listener.synced()
            listener.news.clear()

            await asyncio.to_thread(cluster.control_plane.kill_api)
            await listener.until(lambda: bool(listener.troubles()))
            await asyncio.sleep(5.0)
            assert listener.news == [one for one in listener.news if isinstance(one, ConditionChanged)]
            assert listener.troubles() == [Trouble.UNREACHABLE]
            assert listener.feed.standing.unreachable_since is not None

            await asyncio.to_thread(cluster.control_plane.start_api)
            await listener.until(lambda: listener.troubles() == [Trouble.UNREACHABLE, None])
            Workload(oracle, namespace, seed=4).step()
            await settles(listener, oracle, namespace)

    with inside(cluster) as oracle:
        run(play(oracle), limit=240.0)


def refused(listener: Listener) -> list[Condition]:
    """That Services must not be read."""
    return [
        one
        for one in listener.feed.conditions
        if one.resource is SERVICES and one.trouble is Trouble.FORBIDDEN
    ]


def test_a_permission_that_is_taken_away_is_told_and_what_was_known_stays(
    cluster: KubernetesLab, namespace: str
) -> None:
    """Of the speaker's own ServiceAccount, with the roles that it is installed with."""
    access = Access.from_kubeconfig(cluster.installation.speaker_access())

    async def play(oracle: Any) -> None:
        rbac = api(oracle, "RbacAuthorizationV1Api")
        core = api(oracle, "CoreV1Api")
        binding = next(
            one
            for one in rbac.list_cluster_role_binding().items
            if any(subject.name == "swimlb-speaker" for subject in one.subjects or ())
        )
        async with (
            relayed(access, cluster.control_plane.authority) as (relay, by_relay),
            listening(by_relay) as listener,
        ):
            await listener.synced()
            body = {"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}
            core.create_namespaced_service(namespace, body)
            await settles(listener, oracle, namespace)
            rbac.delete_cluster_role_binding(binding.metadata.name)
            try:
                await asyncio.sleep(1.0)
                relay.cut()
                # Each kind is told of when its own watch begins again.
                await listener.until(lambda: bool(refused(listener)))
                (told,) = refused(listener)
                assert "cannot watch resource" in told.message
                assert "services" in told.hint
                assert told_of(listener, namespace)
            finally:
                binding.metadata.resource_version = None
                rbac.create_cluster_role_binding(binding)
            await listener.until(lambda: not listener.feed.conditions)

    with inside(cluster) as oracle:
        run(play(oracle))


def test_objects_of_ours_are_in_force_as_applied(cluster: KubernetesLab) -> None:
    async def play(oracle: Any) -> None:
        custom = api(oracle, "CustomObjectsApi")
        where = {"group": "metallb.io", "version": "v1beta1", "namespace": "metallb-system"}
        pools = {**where, "plural": "ipaddresspools"}
        body = {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "IPAddressPool",
            "metadata": {"name": "feed"},
            "spec": {"addresses": ["203.0.113.0/28"]},
        }
        async with listening(Access.from_kubeconfig(cluster.installation.speaker_access())) as listener:
            await listener.synced()
            custom.create_namespaced_custom_object(**pools, body=body)
            try:
                await listener.until(
                    lambda: any(pool.name == "feed" for pool in listener.configuration.pools)
                )
                stale = Ref("IPAddressPool", "metallb-system", "feed")
                broken = {"spec": {"addresses": ["203.0.113.0/28", "203.0.113.4/32"]}}
                custom.patch_namespaced_custom_object(**pools, name="feed", body=broken)
                await listener.until(lambda: str(stale) in listener.feed.resolved.stale)
                assert any(pool.name == "feed" for pool in listener.configuration.pools)
            finally:
                custom.delete_namespaced_custom_object(**pools, name="feed")
            await listener.until(lambda: all(pool.name != "feed" for pool in listener.configuration.pools))

    with inside(cluster) as oracle:
        run(play(oracle))
