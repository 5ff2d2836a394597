"""What tests in network namespaces share: root, a lab for each module, and nothing left behind."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from swimlb.lab.lab import Lab
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import walkthrough

BASE = Path("/run/swimlb-lab-tests")
WALKTHROUGH = Path(__file__).parents[2] / "examples" / "walkthrough"


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


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the walkthrough's `nginx.yaml`, `layer2.yaml` and `bgp.yaml`, free to be edited."""
    directory = tmp_path_factory.mktemp("manifests")
    for name in ("nginx.yaml", "layer2.yaml", "bgp.yaml"):
        shutil.copy(WALKTHROUGH / name, directory)
    return directory


@pytest.fixture(scope="module")
def lab(sandbox: Sandbox, manifests: Path) -> Lab:
    """The walkthrough's three nodes, joined and at rest, on the module's manifests."""
    built = Lab(sandbox, walkthrough(), manifests)
    built.build()
    built.wait_until_joined()
    built.wait_until_settled()
    return built
