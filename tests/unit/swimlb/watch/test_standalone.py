"""A directory of manifests becomes records for *wire*."""

from __future__ import annotations

from pathlib import Path

from swimlb.config import Options
from swimlb.model import HealthCheck, ProbeKind
from swimlb.sources import Directory
from swimlb.watch.standalone import Standalone

POOL = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: pool, namespace: metallb-system}
spec: {addresses: [192.0.2.0/28]}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {swimlb.io/health-check: "tcp://:8080"}
spec: {type: LoadBalancer, ports: [{port: 80}]}
"""


def standalone(directory: Path) -> Standalone:
    (directory / "pool.yaml").write_text(POOL)
    (directory / "web.yaml").write_text(SERVICE)
    return Standalone(Directory(directory), Options())


def test_gives_records_and_health_checks(tmp_path: Path) -> None:
    """One record for each object that wire acts on, under its key."""
    followed = standalone(tmp_path)

    assert followed.poll()

    assert set(followed.world.records()) == {"Pool/pool", "Allocation/default/web"}
    assert followed.world.health_checks() == {"default/web": HealthCheck(kind=ProbeKind.TCP, port=8080)}
    assert followed.problems == ()
    assert not followed.poll()


def test_a_broken_edit_is_told_and_leaves_all_in_force(tmp_path: Path) -> None:
    """The last good version of what is broken, too."""
    followed = standalone(tmp_path)
    followed.poll()
    before = followed.world.records()

    (tmp_path / "pool.yaml").write_text(POOL.replace("192.0.2.0/28", "192.0.2.9-192.0.2.1"))

    assert followed.poll()
    assert followed.world.records() == before
    assert [(problem.object, problem.field) for problem in followed.problems] == [
        ("IPAddressPool/metallb-system/pool", "spec.addresses[0]")
    ]


def test_a_directory_that_cannot_be_read_is_told_and_forgets_nothing(tmp_path: Path) -> None:
    """And all is well again when it is back."""
    directory = tmp_path / "manifests"
    directory.mkdir()
    followed = standalone(directory)
    followed.poll()
    before = followed.world.records()

    directory.rename(tmp_path / "away")
    assert followed.poll()
    assert followed.world.records() == before
    assert len(followed.problems) == 1
    assert not followed.poll()

    (tmp_path / "away").rename(directory)
    assert followed.poll()
    assert followed.problems == ()
