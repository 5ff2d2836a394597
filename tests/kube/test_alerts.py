"""Alerts that only a cluster can raise, and what controller and speakers tell of their calls: by a real Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from swimlb.dashboards import BOARDS, Panel, with_choices
from swimlb.lab import speakers
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.kubernetes.plan import CONTROL
from swimlb.lab.prometheus import Prometheus
from swimlb.lab.topology import INSIDE
from swimlb.lab.waiting import wait_until
from tests.kube.conftest import clear
from tests.kube.fleet import configuration
from tests.kube.workloads import address_of, service

ROOT = Path(__file__).parents[2]
PORT = 9120
REPLICA = "controller-watched"
WITHIN = 60.0
WINDOW = "5m"
AWAY = {"MetalLBConfigNotLoaded", "SwimlbSpeakerNotServing", "SwimlbNobodyLeads"}
ALONE = {"SwimlbControllerAbsent"}
SPEAKERLESS = {"SwimlbSpeakersAbsent"}
UNWRITTEN = {"SwimlbWritesWaiting"}
MAY_WRITE = "swimlb:controller"


[KUBERNETES] = (row.panels for board in BOARDS for row in board.rows if row.title == "Kubernetes")


@pytest.fixture(scope="module")
def prometheus(cluster: KubernetesLab) -> Iterator[Prometheus]:
    """Of a controller, which leads, and the speakers of two nodes, which do not run yet."""
    watched = (CONTROL, *cluster.network.nodes[:2])
    targets = [f"{host.address}:{PORT}" for host in watched]
    server = Prometheus(cluster.sandbox, INSIDE.name, targets, ROOT / "charts/swimlb/files/alerts.yaml")
    server.start()
    try:
        cluster.start_controller(REPLICA, *metrics_at(CONTROL.address))
        leads = "swimlb_controller_is_leading == 1"
        wait_until(lambda: server.query(leads), timeout=WITHIN, what="the controller to lead")
        yield server
    finally:
        server.stop()
        cluster.end_ours()


def metrics_at(address: str) -> tuple[str, ...]:
    return ("--metrics-host", address, "--metrics-port", str(PORT))


def test_a_controller_without_speakers_is_told_of(prometheus: Prometheus) -> None:
    """The first ones start in a test below, which sees this end."""
    wait_until(
        lambda: prometheus.firing() >= SPEAKERLESS,
        timeout=WITHIN,
        what="the alert to fire",
        seen=prometheus.firing,
    )


def test_a_controller_that_may_not_write_is_told_of(cluster: KubernetesLab, prometheus: Prometheus) -> None:
    """A Service is to get an address, which does not come to stand in it."""
    kubectl = cluster.kubectl
    try:
        kubectl("delete", "clusterrolebinding", MAY_WRITE)
        kubectl.apply_objects([*configuration(), service("unwritten", PORT)])
        wait_until(
            lambda: prometheus.firing() >= UNWRITTEN,
            timeout=WITHIN,
            what="the alert to fire",
            seen=prometheus.firing,
        )
        cluster.installation.apply()
        address_of(cluster, "unwritten", WITHIN)
        wait_until(lambda: not prometheus.firing() & UNWRITTEN, timeout=WITHIN, what="the alert to end")
    finally:
        cluster.installation.apply()
        clear(cluster)


def test_a_speaker_that_starts_while_the_api_server_is_away_is_told_of(
    cluster: KubernetesLab, prometheus: Prometheus, tmp_path: Path
) -> None:
    """It knows nothing from before, so it serves nothing until the API server is back; and no controller leads."""
    node, source = cluster.network.nodes[0], cluster.source_options()
    speaker = f'instance="{node.address}:{PORT}"'
    cluster.control_plane.go_away()
    try:
        options = (*metrics_at(node.address), "--state-dir", str(tmp_path))
        speakers.start(cluster.sandbox, node, source, join=[node], options=options)
        wait_until(
            lambda: prometheus.firing() >= AWAY,
            timeout=WITHIN,
            what="the alerts to fire",
            seen=prometheus.firing,
        )
        wait_until(
            lambda: prometheus.query(f'swimlb_api_requests_total{{code="0",{speaker}}} > 0'),
            timeout=WITHIN,
            what="calls without an answer to be told",
        )
    finally:
        cluster.control_plane.come_back()

    wait_until(
        lambda: not prometheus.firing() & (AWAY | SPEAKERLESS),
        timeout=WITHIN,
        what="the alerts to end",
        seen=prometheus.firing,
    )
    answered = prometheus.query('sum by (instance) (swimlb_api_requests_total{code="200"})')
    timed = prometheus.query("sum by (instance) (swimlb_api_request_duration_seconds_count)")
    assert len(answered) == len(timed) == 2
    assert all(value > 0 for _, value in [*answered, *timed])


def test_speakers_without_a_controller_are_told_of(
    cluster: KubernetesLab, prometheus: Prometheus, tmp_path: Path
) -> None:
    node = cluster.network.nodes[1]
    options = (*metrics_at(node.address), "--state-dir", str(tmp_path))
    speakers.start(cluster.sandbox, node, cluster.source_options(), join=[node], options=options)
    calls = f'swimlb_api_requests_total{{instance="{node.address}:{PORT}"}}'
    wait_until(lambda: prometheus.query(calls), timeout=WITHIN, what="the speaker to ask the API server")
    assert not prometheus.firing() & ALONE

    cluster.kill_controller(REPLICA)
    try:
        wait_until(
            lambda: prometheus.firing() >= ALONE,
            timeout=WITHIN,
            what="the alert to fire",
            seen=prometheus.firing,
        )
    finally:
        cluster.start_controller(REPLICA, *metrics_at(CONTROL.address))

    wait_until(lambda: not prometheus.firing() & ALONE, timeout=WITHIN, what="the alert to end")


@pytest.mark.parametrize("panel", KUBERNETES, ids=[panel.title for panel in KUBERNETES])
def test_panels_of_kubernetes_have_data_of_their_own(prometheus: Prometheus, panel: Panel) -> None:
    """Also of refused calls, which there have been by now. Where there is no Kubernetes, each shows a line at 0 and nothing else."""
    without_the_line = [
        with_choices(query.expression, WINDOW).removesuffix(" or vector(0)") for query in panel.queries
    ]
    wait_until(
        lambda: all(prometheus.query(expression) for expression in without_the_line),
        timeout=WITHIN,
        what="data of each query",
        seen=lambda: [prometheus.query(expression) for expression in without_the_line],
    )
