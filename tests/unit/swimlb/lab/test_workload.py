"""The workload's ports come from the manifests; what is broken there is the speaker's to report."""

from __future__ import annotations

from pathlib import Path

from swimlb.lab.workload import ports_by_service, service_ports

GOOD = """\
kind: Service
metadata: {name: web}
spec: {ports: [{port: 8080}, {port: 53}]}
---
kind: IPAddressPool
metadata: {name: pool}
spec: {ports: [{port: 1}]}
"""


def test_ports_are_those_of_the_services(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(GOOD)

    assert ports_by_service(tmp_path) == {"web": (8080, 53)}
    assert service_ports(tmp_path) == (53, 8080)


def test_broken_manifests_have_no_ports(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: Service\nmetadata: {name: [}")
    (tmp_path / "b.yaml").write_text("kind: Service\nmetadata: {name: web}\nspec: {ports: 7}")
    (tmp_path / "c.yaml").write_text("- just a list")
    (tmp_path / "good.yaml").write_text(GOOD)

    assert ports_by_service(tmp_path) == {"web": (8080, 53)}
