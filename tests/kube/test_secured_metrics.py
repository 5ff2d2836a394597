"""/metrics by HTTPS, for those whom a real API server lets read it: controller and speaker, with the chart's roles."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from swimlb.kube.certificates import Bundle, renewed
from swimlb.lab import speakers
from swimlb.lab.http import Response, get_from
from swimlb.lab.kubernetes.installation import NAMESPACE
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.kubernetes.plan import CONTROL
from swimlb.lab.prometheus import Prometheus
from swimlb.lab.topology import INSIDE
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock

ROOT = Path(__file__).parents[2]
PORT = 9120
REPLICA = "controller-secured"
READER, OTHER = "reader", "other"
STARTED_WITHIN = 60.0
KINDS = ("ClusterRole", "ClusterRoleBinding")


@dataclass(frozen=True, slots=True)
class Secured:
    lab: KubernetesLab
    certificate: Bundle
    """The controller's; the speaker has one of its own."""

    @property
    def addresses(self) -> dict[str, str]:
        return {"controller": CONTROL.address, "speaker": self.lab.network.nodes[0].address}

    def get(self, component: str, token: str | None) -> Response:
        """As a client that checks the controller's certificate; nobody can check one that a process has made itself."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname = False  # It is asked by address.
        if component == "controller":
            tls.load_verify_locations(cadata=self.certificate.authorities.decode())
        else:
            tls.verify_mode = ssl.CERT_NONE
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        client = self.lab.sandbox.namespace(INSIDE.name)
        return get_from(client, self.addresses[component], PORT, "/metrics", tls=tls, headers=headers)

    def token(self, account: str) -> str:
        return self.lab.control_plane.token("default", account)


@pytest.fixture(scope="module")
def secured(cluster: KubernetesLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A controller with a certificate that is given, a speaker with its own, and two accounts, of which one may."""
    certificate = renewed(None, ("controller.example",), clock.wall())
    directory = tmp_path_factory.mktemp("certificate")
    (directory / "tls.crt").write_bytes(certificate.certificate)
    (directory / "tls.key").write_bytes(certificate.key)
    secured, (node, *_) = Secured(cluster, certificate), cluster.network.nodes
    for account in (READER, OTHER):
        cluster.kubectl("create", "serviceaccount", account)
    try:
        cluster.start_controller(REPLICA, *options(CONTROL.address), "--metrics-cert-dir", str(directory))
        speakers.start(
            cluster.sandbox, node, cluster.source_options(), join=[node], options=options(node.address)
        )
        for component in secured.addresses:
            wait_until(lambda one=component: answers(secured, one), timeout=STARTED_WITHIN, what=component)
        yield secured
    finally:
        cluster.end_ours()
        cluster.kubectl("delete", "serviceaccount", READER, OTHER)
        cluster.installation.apply()


def options(address: str) -> tuple[str, ...]:
    return ("--metrics-host", address, "--metrics-port", str(PORT), "--metrics-tls", "--metrics-authorize")


def answers(secured: Secured, component: str) -> bool:
    try:
        return secured.get(component, None).status == 401
    except OSError:
        return False


def roles() -> list[dict[str, Any]]:
    """What the chart lets both components and the reader do when metrics are secured."""
    values = (
        "prometheus.secureMetrics=true",
        f"prometheus.serviceAccount={READER}",
        "prometheus.namespace=default",
    )
    command = (
        ROOT / ".setup/helm/helm",
        "template",
        "swimlb",
        ROOT / "charts/swimlb",
        "--namespace",
        NAMESPACE,
    )
    rendered = subprocess.run(
        [*command, "--set", ",".join(values)], capture_output=True, text=True, check=True, timeout=60
    )
    return [one for one in yaml.safe_load_all(rendered.stdout) if one and one["kind"] in KINDS]


def test_answers_only_who_may_and_with_the_rights_that_the_chart_gives_for_it(
    secured: Secured, tmp_path: Path
) -> None:
    """Without these nobody can be known; with them Prometheus scrapes both with a token of its ServiceAccount."""
    lab, reader, other = secured.lab, secured.token(READER), secured.token(OTHER)
    for component in secured.addresses:
        assert secured.get(component, reader).status == 503

    lab.kubectl.apply_objects(roles(), "--server-side", "--force-conflicts")
    for component in secured.addresses:
        wait_until(
            lambda one=component: secured.get(one, reader).status == 200,
            timeout=STARTED_WITHIN,
            what=f"{component} to know the reader",
        )

        assert "metallb_k8s_client_config_loaded_bool" in secured.get(component, reader).text
        assert secured.get(component, other).status == 403
        assert [secured.get(component, token).status for token in (None, "nobody's", reader[:-4])] == [
            401
        ] * 3

    (tmp_path / "token").write_text(reader)
    how = {
        "scheme": "https",
        "tls_config": {"insecure_skip_verify": True},
        "authorization": {"credentials_file": str(tmp_path / "token")},
    }
    targets = [f"{address}:{PORT}" for address in secured.addresses.values()]
    server = Prometheus(lab.sandbox, CONTROL.name, targets, ROOT / "charts/swimlb/files/alerts.yaml", how)
    server.start()
    try:
        wait_until(
            lambda: server.healthy_targets() == frozenset(targets),
            timeout=STARTED_WITHIN,
            what="Prometheus to scrape both",
            seen=server.healthy_targets,
        )
    finally:
        server.stop()
