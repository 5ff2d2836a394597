"""Thousands of Services at once: made, or given the type LoadBalancer, as fast as the API server takes it, and followed until each is announced.

They have endpoints of their own making and no Pods, so nothing is measured but what becomes of their addresses.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from swimlb.kube.access import Access
from swimlb.kube.announcements import AnnouncementObject, read_announcement
from swimlb.kube.client import Client
from swimlb.kube.objects import Metadata
from swimlb.kube.reflector import Reflector
from swimlb.kube.resources import ENDPOINT_SLICES, SERVICE_L2_STATUSES, SERVICES, Resource
from swimlb.kube.store import Changes
from swimlb.lab import namespaces
from swimlb.lab.errors import LabError
from swimlb.lab.kubernetes.control_plane import AUDITED
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.kubernetes.plan import CONTROL
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock

HOME = "crowd"
"""The namespace of all of them."""

RANGE = "198.18.0.0/17"
"""RFC 2544's, for benchmarks: 32,768 addresses, more than have been given back in the last minute."""

AT_ONCE = 16
"""Calls under way: more make an API server on two cores no faster."""

GONE_WITHIN = 180.0

_LOAD_BALANCER: Final = {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False}

T = TypeVar("T")

_Act: TypeAlias = Callable[[Client, str, str], Awaitable[None]]
"""What is done with one Service, given its name and the node of its endpoints."""


@dataclass(frozen=True, slots=True)
class Filling:
    """When what was so of some Services that became LoadBalancers at once (monotonic), and their addresses by name."""

    begun: float
    made: float
    """The last of them was one, as far as the API server is concerned."""
    addressed: float
    """The last of them had got its address."""
    told: float
    """A status object said of the last of them who announces it."""
    addresses: Mapping[str, str]


@dataclass(slots=True)
class _Arrival:
    """Waits until something has been seen of each of these."""

    names: Collection[str]
    seen: dict[str, str] = field(default_factory=dict[str, str])
    complete: asyncio.Event = field(default_factory=asyncio.Event)
    at: float = 0.0

    def note(self, found: Mapping[str, str]) -> None:
        self.seen |= {name: what for name, what in found.items() if name in self.names}
        if len(self.seen) == len(self.names) and not self.complete.is_set():
            self.at = clock.monotonic()
            self.complete.set()


class _Entry(msgspec.Struct):
    ip: str = ""


class _LoadBalancer(msgspec.Struct):
    ingress: tuple[_Entry, ...] | None = None


class _Status(msgspec.Struct, rename="camel"):
    load_balancer: _LoadBalancer = msgspec.field(default_factory=_LoadBalancer)


class _Service(msgspec.Struct):
    metadata: Metadata
    status: _Status = msgspec.field(default_factory=_Status)


def configuration() -> list[dict[str, Any]]:
    """The namespace, a pool for all of them, and its advertisement on the LAN."""
    ours = {"apiVersion": "metallb.io/v1beta1", "metadata": {"name": HOME, "namespace": AUDITED}}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}},
        {**ours, "kind": "IPAddressPool", "spec": {"addresses": [RANGE]}},
        {**ours, "kind": "L2Advertisement", "spec": {"ipAddressPools": [HOME]}},
    ]


def names(first: int, count: int) -> list[str]:
    return [f"web-{number:05}" for number in range(first, first + count)]


def fill(lab: KubernetesLab, wanted: Sequence[str], timeout: float) -> Filling:
    """Make LoadBalancers of these names, and return when all are announced and told of. TimeoutError when they are not."""
    return _run(lab, lambda access: _followed(access, _by_node(lab, wanted), _make), timeout)


def make_plain(lab: KubernetesLab, wanted: Sequence[str], timeout: float) -> float:
    """Make Services of these names that want no address of ours. Returns the seconds that takes."""
    return _run(lab, lambda access: _unfollowed(access, _by_node(lab, wanted)), timeout)


def turn(lab: KubernetesLab, plain: Sequence[str], timeout: float) -> Filling:
    """Make LoadBalancers of Services that are there; else as `fill`."""
    return _run(lab, lambda access: _followed(access, _by_node(lab, plain), _turn), timeout)


def _by_node(lab: KubernetesLab, wanted: Sequence[str]) -> dict[str, str]:
    """Where the endpoints of each are."""
    nodes = itertools.cycle(node.name for node in lab.network.nodes)
    return dict(zip(wanted, nodes, strict=False))


def _run(lab: KubernetesLab, doing: Callable[[Access], Coroutine[Any, Any, T]], timeout: float) -> T:
    access = Access.from_kubeconfig(lab.control_plane.kubeconfig("admin"))
    with namespaces.entered(lab.sandbox.namespace(CONTROL.name)):
        return asyncio.run(asyncio.wait_for(doing(access), timeout))


async def _followed(access: Access, wanted: Mapping[str, str], act: _Act) -> Filling:
    addressed, told = _Arrival(frozenset(wanted)), _Arrival(frozenset(wanted))
    async with _client(access) as client:
        following = [
            asyncio.create_task(one.run())
            for one in (
                _reflector(client, SERVICES, HOME, _Service, _address, addressed),
                _reflector(client, SERVICE_L2_STATUSES, AUDITED, AnnouncementObject, _announcer, told),
            )
        ]
        try:
            begun = clock.monotonic()
            await _all_at_once(client, wanted, act)
            made = clock.monotonic()
            await addressed.complete.wait()
            await told.complete.wait()
        finally:
            for task in following:
                task.cancel()
            await asyncio.wait(following)
    return Filling(begun, made, addressed.at, told.at, addressed.seen)


async def _unfollowed(access: Access, wanted: Mapping[str, str]) -> float:
    async with _client(access) as client:
        begun = clock.monotonic()
        await _all_at_once(client, wanted, _make_plain)
        return clock.monotonic() - begun


@asynccontextmanager
async def _client(access: Access) -> AsyncGenerator[Client]:
    async with Client(access, user_agent="swimlb-lab") as client:
        yield client
    # Connections that were cut off close their sockets in the next turns.
    await asyncio.sleep(0.05)


async def _all_at_once(client: Client, wanted: Mapping[str, str], act: _Act) -> None:
    remaining = iter(wanted.items())

    async def work() -> None:
        for name, node in remaining:
            await act(client, name, node)

    async with asyncio.TaskGroup() as workers:
        for _ in range(AT_ONCE):
            workers.create_task(work())


async def _make(client: Client, name: str, node: str) -> None:
    # The endpoints first: what has an address is to be announced at once.
    await client.create(ENDPOINT_SLICES, _endpoints(name, node))
    await client.create(SERVICES, _service(name, _LOAD_BALANCER))


async def _make_plain(client: Client, name: str, node: str) -> None:
    await client.create(ENDPOINT_SLICES, _endpoints(name, node))
    await client.create(SERVICES, _service(name, {}))


async def _turn(client: Client, name: str, _: str) -> None:
    await client.patch(SERVICES, name, {"spec": _LOAD_BALANCER}, namespace=HOME)


def _service(name: str, kind: Mapping[str, Any]) -> dict[str, Any]:
    spec = {**kind, "ports": [{"port": 80, "protocol": "TCP"}]}
    return {"metadata": {"name": name, "namespace": HOME}, "spec": spec}


def _endpoints(name: str, node: str) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": HOME,
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "ports": [{"port": 80, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["10.244.9.9"], "conditions": {"ready": True}, "nodeName": node}],
    }


def _reflector(
    client: Client,
    resource: Resource,
    namespace: str,
    into: type[Any],
    reduce: Callable[[Any], tuple[str, str] | None],
    arrival: _Arrival,
) -> Reflector[tuple[str, str]]:
    def sink(changes: Changes[tuple[str, str]]) -> None:
        arrival.note(dict(changes.put.values()))

    return Reflector(client, resource, reduce, sink, into=into, namespace=namespace, rng=random.Random(1))


def _address(content: _Service) -> tuple[str, str] | None:
    ingress = content.status.load_balancer.ingress
    return (content.metadata.name, ingress[0].ip) if ingress else None


def _announcer(content: AnnouncementObject) -> tuple[str, str] | None:
    found = read_announcement(content)
    if found is None or found.content is None:
        return None
    return found.service.rpartition("/")[2], found.node


def empty(lab: KubernetesLab) -> None:
    """All of them go, and what speakers have written of them, who may have ended."""
    for resource, namespace in ((SERVICES, HOME), (ENDPOINT_SLICES, HOME), (SERVICE_L2_STATUSES, AUDITED)):
        wait_until(
            partial(_is_empty, lab, resource, namespace),
            timeout=GONE_WITHIN,
            what=f"the {resource.plural} of {namespace} to go",
        )


def _is_empty(lab: KubernetesLab, resource: Resource, namespace: str) -> bool:
    """The API server deletes a collection one by one, and may run out of the minute that a call has."""
    with suppress(LabError):
        lab.kubectl("delete", "--raw", resource.path(namespace), timeout=GONE_WITHIN)
    return not lab.kubectl("-n", namespace, "get", resource.name, "-o", "name")
