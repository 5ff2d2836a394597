"""The workload's ports come from the manifests; what is broken there is the speakers' to report."""

from __future__ import annotations

from pathlib import Path

from swimlb.lab.workload import ports_by_service, service_ports

GOOD = """\
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {swimlb.io/health-check: "http://:9090/healthz"}
spec:
  type: LoadBalancer
  ports:
  - {name: http, port: 8080}
  - {name: dns, port: 53, protocol: UDP}
"""


def test_ports_are_those_of_the_services_and_of_their_health_checks(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(GOOD)

    assert ports_by_service(tmp_path) == {"default/web": (8080, 53)}
    assert service_ports(tmp_path) == (53, 8080, 9090)


def test_broken_manifests_have_no_ports(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: Service\nmetadata: {name: [}")
    (tmp_path / "b.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: b}\nspec: {ports: 7}")
    (tmp_path / "c.yaml").write_text("- just a list")
    (tmp_path / "good.yaml").write_text(GOOD)

    assert ports_by_service(tmp_path) == {"default/web": (8080, 53)}
