"""Many Services at once: each gets its address and is announced, and what that costs the API server grows no faster than they do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from swimlb.lab.daemon import Daemon
from swimlb.lab.kubernetes import crowd
from swimlb.lab.kubernetes.audit import Asked, Meter
from swimlb.lab.kubernetes.lab import KubernetesLab

FEW, MORE = 100, 400
TIMEOUT = 120.0
REQUESTS_MAX = 5.5
"""Of a Service: its status and an Event by the controller; a status object, its content and an Event by its speaker. The rest is
what a cluster asks in which nothing happens, and the pool's counters, which are written as often as they may."""

GROWTH_MAX = 1.1
"""By how much a Service among many may cost more than one among few."""


@pytest.fixture
def lab(running: KubernetesLab) -> Iterator[KubernetesLab]:
    """Without kube-proxies meanwhile: three that follow so many Services would be all that this machine does."""
    running.kubectl.apply_objects(crowd.configuration())
    for node in running.network.nodes:
        Daemon(running.sandbox, node.name, "kube-proxy").stop()
    try:
        yield running
    finally:
        crowd.empty(running)
        running.kubectl("delete", "namespace", crowd.HOME, "--wait=false")
        # Anew: one that was only halted would not hear of anything for minutes, as the API server gives up who reads nothing.
        for node in running.network.nodes:
            running.cluster.start_proxy(node.name)
        running.cluster.wait_until_ready()


def test_requests_grow_no_faster_than_services(lab: KubernetesLab) -> None:
    meter = Meter(lab.control_plane.audit_log)
    few = crowd.fill(lab, crowd.names(0, FEW), TIMEOUT)
    after_few = meter.settled()
    more = crowd.fill(lab, crowd.names(FEW, MORE), TIMEOUT)
    after_more = meter.settled() - after_few

    addresses = [*few.addresses.values(), *more.addresses.values()]
    assert len(set(addresses)) == FEW + MORE
    status = lab.require_status(lab.network.nodes[0].name)
    owned = {one.address for one in status.l2 if one.owner is not None}
    assert set(addresses) <= owned
    cost_of_few, cost_of_more = after_few.total() / FEW, after_more.total() / MORE
    assert cost_of_more <= REQUESTS_MAX, told(after_more)
    assert cost_of_more <= GROWTH_MAX * cost_of_few, f"{told(after_few)}; {told(after_more)}"


def told(asked: Counter[Asked]) -> str:
    return ", ".join(f"{one}: {count}" for one, count in asked.most_common(12))
