"""The API server is slow, busy, silent, drops its watches or allows nothing: what changes arrives in the end, what stands stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swimlb.lab.kubernetes.detour import Detour
from swimlb.lab.kubernetes.detour_words import Faults
from swimlb.lab.kubernetes.installation import NAMESPACE
from swimlb.lab.kubernetes.lab import CONTROLLER, KubernetesLab
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


def test_an_api_server_that_falls_silent_moves_nothing(
    cluster: KubernetesLab, detour: Detour, standing: str
) -> None:
    """Connections stay open, calls are accepted, and no word comes back: nobody leads, and nobody lets go of anything."""
    owner, log = owner_of(cluster, standing), LogTail(cluster.controller_log())

    with Referee(cluster.sandbox) as referee:
        began = clock.monotonic()
        detour.suffer(Faults(is_silent=True))
        cluster.kubectl.apply_objects([service("late", PORT, app="echo")])
        wait_until(
            lambda: log.events("leading_ended"), timeout=ARRIVES_WITHIN, what="the controller to lead no more"
        )
        assert owner_of(cluster, standing) == owner
        detour.suffer(Faults())
        late = address_of(cluster, "late", ARRIVES_WITHIN)
        owner_of(cluster, late, ARRIVES_WITHIN)

    assert late != standing
    assert owner_of(cluster, standing) == owner
    assert set(referee.claimants(standing, began)) <= {cluster.mac(owner)}
    assert address_of(cluster, "echo") == standing


BINDINGS = ("swimlb:speaker", "swimlb:controller")
ACCOUNTS = {"speaker": "swimlb-speaker", "controller": "swimlb-controller"}
RETRIED = 6.0
"""Long enough for a refused call to be tried again more than once."""


def test_a_lost_permission_is_told_once_and_moves_nothing(
    cluster: KubernetesLab, detour: Detour, standing: str
) -> None:
    """By whom, what and which account, and the way out; it is tried again, by the same processes, until the binding is back."""
    owner, kubectl = owner_of(cluster, standing), cluster.kubectl
    before, pids = kubectl.json("get", "clusterrolebindings", *BINDINGS), processes_of(cluster)
    logs = {"speaker": LogTail(cluster.log(owner)), "controller": LogTail(cluster.controller_log())}
    troubles = {"speaker": "cluster_trouble", "controller": "cannot_follow"}
    overs = {"speaker": "cluster_trouble_over", "controller": "following"}

    with Referee(cluster.sandbox) as referee:
        began = clock.monotonic()
        kubectl("delete", "clusterrolebindings", *BINDINGS)
        try:
            # What is watched already is told on: it is new watches that are refused.
            detour.suffer(Faults(watch_lifetime=1.0))
            for component, log in logs.items():
                wait_until(
                    lambda log=log, event=troubles[component]: "services" in resources_of(log.events(event)),
                    timeout=ARRIVES_WITHIN,
                    what=f"the {component} to say what it lacks",
                )
            pause(RETRIED)
            for component, log in logs.items():
                # A watch that breaks in the middle of a line is told of, too.
                told = [line for line in log.events(troubles[component]) if line["trouble"] == "forbidden"]
                assert len(resources_of(told)) == len(told), "each kind is told once"
                one = next(line for line in told if line["resource"] == "services")
                account = f'"system:serviceaccount:{NAMESPACE}:{ACCOUNTS[component]}"'
                assert f'User {account} cannot watch resource "services"' in one["message"]
                assert "get, list and watch services" in one["hint"]
                # What was about to be written may be refused, too; of that each kind is told once.
                refused = log.events("write_refused")
                assert len(resources_of(refused)) == len(refused)
            assert owner_of(cluster, standing) == owner
        finally:
            detour.suffer(Faults())
            kubectl.apply_objects(before["items"])
        for component, log in logs.items():
            wait_until(
                lambda log=log, event=overs[component]: "services" in resources_of(log.events(event)),
                timeout=ARRIVES_WITHIN,
                what=f"the {component} to say that all is well",
            )
        kubectl.apply_objects([service("late", PORT, app="echo")])
        owner_of(cluster, address_of(cluster, "late", ARRIVES_WITHIN), ARRIVES_WITHIN)

    assert processes_of(cluster) == pids
    assert owner_of(cluster, standing) == owner
    assert set(referee.claimants(standing, began)) <= {cluster.mac(owner)}
    assert address_of(cluster, "echo") == standing


class LogTail:
    """The lines that a process of ours logs from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size

    def events(self, name: str) -> list[dict[str, Any]]:
        with self._path.open() as file:
            file.seek(self._offset)
            lines = [json.loads(line) for line in file if line.startswith("{") and line.endswith("}\n")]
        return [line for line in lines if line["event"] == name]


def resources_of(lines: list[dict[str, Any]]) -> set[str]:
    return {line["resource"] for line in lines}


def processes_of(lab: KubernetesLab) -> list[object]:
    """All that a crash loop would replace."""
    speakers = [
        lab.speaker_process(node.name, which) for node in lab.network.nodes for which in ("watch", "wire")
    ]
    return [lab.sandbox.process(CONTROLLER), *speakers]
