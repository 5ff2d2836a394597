"""The API server is slow, busy, or drops its watches: what changes arrives nevertheless, and what stands does not move."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from swimlb.lab.kubernetes.detour import Detour
from swimlb.lab.kubernetes.detour_words import Faults
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.measure import outages
from swimlb.lab.observers import ProbeRun, Referee
from swimlb.lab.waiting import pause, wait_until
from swimlb.runtime import clock
from tests.kube.conftest import JOIN_TIMEOUT, WALKTHROUGH, clear
from tests.kube.workloads import TIMEOUT, address_of, deployment, explain, owner_of, service, wait_for_pods

PORT = 7
PROBE_INTERVAL = 0.02
SUFFERED = 12.0
"""Two lives of a watch that is broken every 5 s."""

ARRIVES_WITHIN = 45.0
"""A change: some calls of a second each, or some refused ones with a second's wait each, on a machine with other work."""

SILENCE_MAX = 2.0
"""A Pod that shares its processor with all of this may be silent for so long; the referee tells whether an address moves."""


@pytest.fixture(scope="module")
def detour(cluster: KubernetesLab) -> Iterator[Detour]:
    """Ours run, and reach the API server by the detour alone."""
    detour = cluster.open_detour()
    try:
        cluster.start_ours()
        cluster.wait_until_joined(JOIN_TIMEOUT)
        yield detour
    finally:
        cluster.end_ours()
        cluster.installation.server = None
        detour.stop()
        clear(cluster)


@pytest.fixture
def standing(cluster: KubernetesLab, detour: Detour) -> Iterator[str]:
    """An address that is announced and answers, before anything goes wrong."""
    try:
        cluster.kubectl.apply_objects([deployment("echo", PORT), service("echo", PORT)])
        cluster.kubectl.apply(WALKTHROUGH / "layer2.yaml")
        wait_for_pods(cluster)
        yield address_of(cluster, "echo")
    finally:
        detour.suffer(Faults())
        clear(cluster)


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(Faults(delay=1.0), id="one second a call"),
        pytest.param(Faults(refused_percent=50.0), id="half of the calls refused with 429"),
        pytest.param(Faults(watch_lifetime=5.0), id="watches break every 5 s"),
    ],
)
def test_changes_arrive_and_nothing_flaps(
    cluster: KubernetesLab, detour: Detour, standing: str, faults: Faults
) -> None:
    owner = owner_of(cluster, standing)

    with (
        Referee(cluster.sandbox) as referee,
        ProbeRun(cluster.sandbox, standing, PORT, interval=PROBE_INTERVAL) as probes,
    ):
        wait_until(
            probes.answering, timeout=TIMEOUT, what="the address to answer", seen=lambda: explain(cluster)
        )
        began, before = clock.monotonic(), detour.tally()
        detour.suffer(faults)
        pause(SUFFERED)
        cluster.kubectl.apply_objects([service("late", PORT, app="echo")])
        late = address_of(cluster, "late", ARRIVES_WITHIN)
        announced_by = owner_of(cluster, late, ARRIVES_WITHIN)
        ended = clock.monotonic()
    tally = detour.tally()

    lost = outages(probes.recording().between(began, ended).probes)
    assert announced_by in {node.name for node in cluster.network.nodes}
    assert late != standing
    assert all(one.duration < SILENCE_MAX for one in lost), lost
    assert owner_of(cluster, standing) == owner
    assert set(referee.claimants(standing, began, ended)) <= {cluster.mac(owner)}
    # The fault was really suffered.
    if faults.refused_percent:
        assert tally.refused > before.refused
    if faults.watch_lifetime is not None:
        assert tally.broken >= before.broken + 2
