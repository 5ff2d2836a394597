"""What tests in network namespaces share: root, a lab for each module, and nothing left behind."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from swimlb.lab.lab import Lab
from swimlb.lab.router import Router
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import walkthrough

BASE = Path("/run/swimlb-lab-tests")
WALKTHROUGH = Path(__file__).parents[2] / "examples" / "walkthrough"

ROUTED_SERVICE = """
apiVersion: v1
kind: Service
metadata:
  name: routed
  annotations:
    metallb.io/address-pool: first-pool
    swimlb.io/health-check: http://:8080/healthz
    swimlb.io/health-check-interval: 200ms
spec:
  type: LoadBalancer
  ports: [{name: http, port: 8080}]
"""
"""Its health check makes a node that serves no more withdraw its route."""


DUAL_STACK_PREFIX, DUAL_STACK_PREFIX6 = "192.168.0.10/32", "2001:db8:100::10/128"
ROUTED_DUAL_STACK = f"""
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {{name: routed, namespace: metallb-system}}
spec: {{addresses: [{DUAL_STACK_PREFIX}, "{DUAL_STACK_PREFIX6}"]}}
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {{name: routed, namespace: metallb-system}}
---
apiVersion: v1
kind: Service
metadata: {{name: routed}}
spec:
  type: LoadBalancer
  ipFamilyPolicy: RequireDualStack
  ipFamilies: [IPv4, IPv6]
  ports: [{{name: http, port: 8080}}]
"""
"""One address of each family, advertised to all peers."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.netns)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="builds network namespaces, which only root may"))


@pytest.fixture
def base() -> Path:
    """Where the test's labs keep their records: below it names are free, since no user's lab is there."""
    return BASE


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox that is gone when the module's tests are over, however they end."""
    with Sandbox.create(f"test-{secrets.token_hex(3)}", BASE) as created:
        yield created


def copy_manifests(directory: Path, *names: str) -> Path:
    """Copy some of the walkthrough's manifests, unchanged, to where they may be edited."""
    for name in names:
        shutil.copy(WALKTHROUGH / name, directory)
    return directory


def start_lab(
    sandbox: Sandbox,
    manifests: Path,
    nodes: int = 3,
    options: Sequence[str] = (),
    gateway: Router | None = None,
) -> Lab:
    """The walkthrough's nodes on these manifests, joined and at rest; `options` are those of the speakers."""
    lab = Lab(sandbox, walkthrough(nodes), manifests, options, gateway)
    lab.build()
    lab.wait_until_joined()
    lab.wait_until_settled()
    return lab


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifests of the module's lab, free to be edited: one Service, by default on the LAN."""
    return copy_manifests(tmp_path_factory.mktemp("manifests"), "nginx.yaml", "layer2.yaml")


@pytest.fixture(scope="module")
def lab(sandbox: Sandbox, manifests: Path) -> Lab:
    """The module's lab. A test that breaks something mends it."""
    return start_lab(sandbox, manifests)
