"""What the scenarios share: the cluster's API server, and a clean table before the next test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from swimlb.lab.kubernetes.lab import KubernetesLab
from tests.kube.e2e.api import Api, proxied

CONFIGURATION = (
    *("IPAddressPool", "L2Advertisement", "BGPAdvertisement", "BGPPeer", "BFDProfile", "Community"),
)


@pytest.fixture(scope="session")
def admin(cluster: KubernetesLab) -> Iterator[Api]:
    """The API server, for an administrator."""
    with proxied(cluster) as api:
        yield api


@pytest.fixture
def api(admin: Api) -> Iterator[Api]:
    """What the test applies in `default`, and of our configuration, is gone after it."""
    try:
        yield admin
    finally:
        clear(admin)


LabelNode = Callable[[str, str, str | None], None]


@pytest.fixture
def label(admin: Api) -> Iterator[LabelNode]:
    """Gives a node a label, or takes it (None); none of them is there after the test."""

    def give(node: str, key: str, value: str | None) -> None:
        given.append((node, key))
        admin.patch("Node", node, {"metadata": {"labels": {key: value}}})

    given: list[tuple[str, str]] = []
    yield give
    for node, key in given:
        admin.patch("Node", node, {"metadata": {"labels": {key: None}}})


def clear(api: Api) -> None:
    """Services first: an address that is announced is not to lose its pool before."""
    api.delete_all("Service", fields="metadata.name!=kubernetes")
    api.wait("Service", lambda left: len(left) == 1, "all Services to be gone")
    for kind in CONFIGURATION:
        api.delete_all(kind)
