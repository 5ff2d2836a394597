"""Resilient next-hop groups that follow a routing daemon's table, in a real kernel: whose buckets move, and when."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from swimlb.lab import namespaces
from swimlb.lab.frr import kernel_next_hops
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import pause, wait_until

PREFIX = "198.51.100.1/32"
HOPS = ("192.0.2.10", "192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.14")
TABLE = 100
BUCKETS = 100
IDLE_TIMER = 1
TIMEOUT = 10.0


@pytest.fixture(scope="module", autouse=True)
def router(sandbox: Sandbox) -> Iterator[str]:
    """A namespace with a link to nowhere, and the mirror in it."""
    sandbox.add_namespaces("router")
    name = sandbox.namespace("router")
    namespaces.ip_batch(["link add name eth0 type veth peer name eth1", "link set eth1 up"], name)
    namespaces.configure(name, addresses={"eth0": "192.0.2.1/24"})
    said = sandbox.home / "said"
    options = ("--from-table", str(TABLE), "--buckets", str(BUCKETS), "--idle-timer", str(IDLE_TIMER))
    sandbox.start_module(
        "resilient", "swimlb.lab.resilient", *options, "--output", str(said), namespace="router"
    )
    wait_until(said.exists, timeout=TIMEOUT, what="the mirror to follow")
    yield name
    assert sandbox.process("resilient") is not None


def daemon_says(router: str, hops: tuple[str, ...]) -> None:
    words = " ".join(f"nexthop via {hop}" for hop in hops)
    namespaces.ip_batch(
        [f"route {'replace' if hops else 'del'} {PREFIX} table {TABLE} proto 12 {words}"], router
    )
    wait_until(
        lambda: kernel_next_hops(router, PREFIX) == hops,
        timeout=TIMEOUT,
        what="the route",
        seen=lambda: kernel_next_hops(router, PREFIX),
    )


def buckets(router: str) -> list[str]:
    """The gateway of each."""
    objects: list[dict[str, Any]] = namespaces.ip_json(router, "nexthop", "show")
    gateways = {one["id"]: one["gateway"] for one in objects if "gateway" in one}
    told = json.loads(namespaces.run(("ip", "-n", router, "-json", "nexthop", "bucket", "show")))
    return [gateways[one["bucket"]["nhid"]] for one in told]


def test_only_what_is_of_the_one_that_leaves_moves(router: str) -> None:
    daemon_says(router, HOPS)
    before = buckets(router)

    daemon_says(router, HOPS[:2] + HOPS[3:])

    after = buckets(router)
    assert Counter(before) == dict.fromkeys(HOPS, BUCKETS // len(HOPS))
    assert HOPS[2] not in after
    assert [one for one, was in zip(after, before, strict=True) if was != HOPS[2]] == [
        was for was in before if was != HOPS[2]
    ]


def test_one_that_comes_back_gets_what_is_idle(router: str) -> None:
    daemon_says(router, HOPS[:2] + HOPS[3:])
    pause(IDLE_TIMER + 0.5)

    daemon_says(router, HOPS)

    share = BUCKETS // len(HOPS)
    wait_until(
        lambda: Counter(buckets(router))[HOPS[2]] == share,
        timeout=TIMEOUT,
        what="its share",
        seen=lambda: Counter(buckets(router)),
    )


def test_a_route_that_goes_leaves_nothing(router: str) -> None:
    daemon_says(router, HOPS)

    daemon_says(router, ())

    def left() -> list[Any]:
        return namespaces.ip_json(router, "nexthop", "show")

    wait_until(lambda: not left(), timeout=TIMEOUT, what="groups and next hops to go", seen=left)
