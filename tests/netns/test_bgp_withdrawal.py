"""A route is withdrawn within 100 ms of the node's ceasing to serve.

The time runs from the line in the speaker's log that tells of it (a failed health check, an edit of the manifests) to that
in bgpd's, with microseconds, on the UPDATE that withdraws the route. What the router adds, until its table is without
the path and its kernel without the next hop, is not ours, and is only waited for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from swimlb.lab.lab import Lab
from swimlb.lab.topology import ROUTER
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock
from tests.netns.conftest import ROUTED_SERVICE, copy_manifests

PREFIX = "192.168.0.10/32"
TIMEOUT = 10.0
WITHDRAWN_WITHIN = 0.1
NODE = "worker-01"
STAMP = "%Y/%m/%d %H:%M:%S.%f"
LABELLED_OUT = """
apiVersion: v1
kind: Node
metadata:
  name: worker-01
  labels: {node.kubernetes.io/exclude-from-external-load-balancers: ""}
"""


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = copy_manifests(tmp_path_factory.mktemp("manifests"), "bgp.yaml")
    (directory / "service.yaml").write_text(ROUTED_SERVICE)
    return directory


@pytest.fixture(scope="module", autouse=True)
def talkative(lab: Lab) -> None:
    """bgpd logs every prefix that it hears of, and when."""
    lab.router.vtysh("configure terminal", "log timestamp precision 6", "end", "debug bgp updates in")


@pytest.fixture(autouse=True)
def mended(lab: Lab) -> Iterator[None]:
    yield
    (lab.manifests / "node.yaml").unlink(missing_ok=True)
    if not lab.is_backend_running(NODE):
        lab.start_backend(NODE)
    wait_until(
        lambda: _has_path(lab), timeout=TIMEOUT, what="the path to be back", seen=lambda: lab.status(NODE)
    )
    lab.wait_until_settled()


def test_when_its_workload_stops(lab: Lab) -> None:
    begun = clock.wall()

    lab.stop_backend(NODE)

    took = _measure(lab, "health_changed", begun)
    print(f"from the failed health check to the withdrawal in the router: {took * 1000:.0f} ms")
    assert 0 <= took < WITHDRAWN_WITHIN


def test_when_the_node_is_labelled_out(lab: Lab) -> None:
    begun = clock.wall()

    (lab.manifests / "node.yaml").write_text(LABELLED_OUT)

    took = _measure(lab, "configuration_read", begun)
    print(f"from the manifest that was read to the withdrawal in the router: {took * 1000:.0f} ms")
    assert 0 <= took < WITHDRAWN_WITHIN


def _measure(lab: Lab, event: str, begun: float) -> float:
    """From the speaker's knowing to bgpd's hearing."""
    wait_until(lambda: not _has_path(lab), timeout=TIMEOUT, what="the path to go")
    others = tuple(node.address for node in lab.network.nodes if node.name != NODE)
    wait_until(lambda: lab.router.next_hops(PREFIX) == others, timeout=TIMEOUT, what="the next hop to go")
    return _heard_at(lab, begun) - _known_at(lab, event, begun)


def _known_at(lab: Lab, event: str, begun: float) -> float:
    lines: list[dict[str, Any]] = [json.loads(line) for line in lab.log(NODE).read_text().splitlines()]
    times = [datetime.fromisoformat(line["time"]).timestamp() for line in lines if line["event"] == event]
    # Cut to the millisecond.
    return next(moment for moment in times if moment >= begun - 0.001)


def _heard_at(lab: Lab, begun: float) -> float:
    log = lab.sandbox.home / f"bgpd-{ROUTER.name}.log"
    peer, words = (
        f" {lab.network.node(NODE).address}(",
        f" rcvd UPDATE about {PREFIX} IPv4 unicast -- withdrawn",
    )

    def times() -> list[float]:
        lines = [line for line in log.read_text().splitlines() if peer in line and words in line]
        moments = [datetime.strptime(line[:26], STAMP).astimezone().timestamp() for line in lines]
        return [moment for moment in moments if moment >= begun]

    return wait_until(times, timeout=TIMEOUT, what="bgpd's word on it", seen=log.read_text)[0]


def _has_path(lab: Lab) -> bool:
    address = lab.network.node(NODE).address
    return any(path["peerId"] == address for path in lab.router.routes().get(PREFIX, []))
