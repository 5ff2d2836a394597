"""MetalLB's real controller and speakers in the lab: what ours replace, and are measured beside."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from swimlb.lab.kubernetes.lab import KubernetesLab, network
from swimlb.lab.sandbox import Sandbox
from tests.kube.fleet import ADDRESSES, Fleet, Traffic

BASE = Path("/run/swimlb-lab-tests")
STATUS_TIMEOUT = 30.0


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """A cluster of its own: what runs in it is MetalLB's."""
    with Sandbox.create(f"fleet-{secrets.token_hex(3)}", BASE) as sandbox:
        fleet = Fleet(KubernetesLab(sandbox, network(3)))
        fleet.begin_with_metallb()
        yield fleet


def test_metallb_serves_by_its_own_manifest(fleet: Fleet) -> None:
    """Its controller gives addresses, its speakers elect as ours do, and packets of clients reach Pods."""
    with Traffic(fleet) as traffic:
        traffic.wait_for(fleet.expected())

        assert {addresses[0] for addresses, _ in fleet.assigned().values()} == set(ADDRESSES)
        fleet.lab.kubectl.wait_for(
            "servicel2statuses",
            "--all-namespaces",
            until=lambda answer: (
                sorted(one.get("status", {}).get("node", "") for one in answer["items"])
                == sorted(fleet.expected().values())
            ),
            timeout=STATUS_TIMEOUT,
            description="a status of each Service, by its owner",
        )
