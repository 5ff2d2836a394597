"""The API server goes away for a minute, and no client notices: addresses answer, move, and are announced by who returns."""

from __future__ import annotations

from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.measure import outages
from swimlb.lab.observers import ProbeRun, Referee
from swimlb.lab.waiting import pause, wait_until
from swimlb.runtime import clock
from tests.kube.conftest import JOIN_TIMEOUT, WALKTHROUGH
from tests.kube.workloads import (
    TIMEOUT,
    address_of,
    deployment,
    explain,
    owner_of,
    service,
    wait_for_pods,
    wait_for_proxies,
)

AWAY = 60.0
UNDISTURBED = 5.0
AFTER = 10.0
"""So long after the return, longer than every backoff and resync at start, nothing may move."""

PORT = 7
PROBE_INTERVAL = 0.02
FAILOVER_MAX = 5.0
"""On a machine that does much else; the figure proper is measured by the benchmark of layer 2."""

SILENCE_MAX = 2.0
"""A Pod that shares its processor with all of this may be silent for so long. Whether an address has moved, even for a
moment, is what the referee tells."""

MARGIN = 0.5
"""Around a kill, probes belong to neither side."""


def test_addresses_outlive_the_api_server(lab: KubernetesLab) -> None:
    lab.kubectl.apply_objects([deployment("echo", PORT), service("echo", PORT)])
    lab.kubectl.apply(WALKTHROUGH / "layer2.yaml")
    wait_for_pods(lab)
    address = address_of(lab, "echo")
    owner = owner_of(lab, address)
    # What a kube-proxy has not heard by then it does not hear while the API server is away.
    wait_for_proxies(lab, address)

    with (
        Referee(lab.sandbox) as referee,
        ProbeRun(lab.sandbox, address, PORT, interval=PROBE_INTERVAL) as probes,
    ):
        wait_until(probes.answering, timeout=TIMEOUT, what="the address to answer", seen=lambda: explain(lab))
        began = clock.monotonic()
        lab.control_plane.go_away()
        pause(UNDISTURBED)

        killed = clock.monotonic()
        lab.kill(owner)
        survivor = next(node.name for node in lab.network.nodes if node.name != owner)
        successor = wait_until(
            lambda: (
                one if (one := lab.require_status(survivor).owner_of(address)) not in (None, owner) else None
            ),
            timeout=TIMEOUT,
            what="another owner",
        )
        pause(UNDISTURBED)

        restarted = clock.monotonic()
        lab.start(owner)
        lab.wait_until_joined(JOIN_TIMEOUT)
        returned_to = owner_of(lab, address)
        source = lab.require_status(owner).source
        pause(max(0.0, began + AWAY - clock.monotonic()))

        back = clock.monotonic()
        lab.control_plane.come_back()
        wait_until(
            lambda: all(
                one is not None and one.source is not None and one.source.state == "current"
                for one in lab.statuses().values()
            ),
            timeout=TIMEOUT,
            what="every speaker to know the API server's word again",
            seen=lambda: explain(lab),
        )
        pause(AFTER)
        still = owner_of(lab, address)
        ended = clock.monotonic()

    recording = probes.recording()
    quiet = outages(recording.between(began, killed - MARGIN).probes)
    failover = outages(recording.between(killed - MARGIN, restarted).probes)
    after = outages(recording.between(back, ended).probes)

    assert all(one.duration < SILENCE_MAX for one in quiet), quiet
    assert set(referee.claimants(address, began, killed)) <= {lab.mac(owner)}
    assert successor != owner
    assert all(one.duration < FAILOVER_MAX and not one.is_open for one in failover), failover
    assert returned_to == still == owner
    assert source is not None
    assert source.state == "last-good"
    assert all(one.duration < SILENCE_MAX for one in after), after
    assert set(referee.claimants(address, back)) <= {lab.mac(owner)}
    assert address_of(lab, "echo") == address
