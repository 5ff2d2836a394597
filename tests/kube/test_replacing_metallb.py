"""MetalLB's real controller and speakers are replaced by ours under traffic, node by node, and ours by them again.

Speakers of both stand in one gossip ring with one key and choose the same owners at every step; no address changes.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swimlb.lab.kubernetes.lab import KubernetesLab, network
from swimlb.lab.sandbox import Sandbox
from tests.kube.fleet import ADDRESSES, SPARE, Fleet, Move, Product, Traffic

BASE = Path("/run/swimlb-lab-tests")
NOISE = 2.0
"""The Pods of the lab answer from processes that a busy machine may keep waiting: so short an outage is nobody's."""

OUTAGE_MAX = 15.0
"""Of the addresses of a node whose speaker is replaced, by either product, on a machine with other work."""


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """A cluster of its own: what runs in it is MetalLB's, before and after each test, with our manifests beside."""
    with Sandbox.create(f"fleet-{secrets.token_hex(3)}", BASE) as sandbox:
        fleet = Fleet(KubernetesLab(sandbox, network(3)))
        fleet.begin_with_metallb()
        fleet.install_ours()
        yield fleet


def test_metallb_serves_by_its_own_manifest(fleet: Fleet) -> None:
    """Its controller gives addresses, its speakers elect as ours do, and packets of clients reach Pods."""
    with Traffic(fleet) as traffic:
        traffic.wait_for(fleet.expected())

        assert {addresses[0] for addresses, _ in fleet.assigned().values()} == set(ADDRESSES)


def test_controllers_take_over_from_each_other_without_changing_an_address(fleet: Fleet) -> None:
    """Each gives a new Service the one address that is left, so it has read what the other gave."""
    with Traffic(fleet) as traffic:
        traffic.wait_for(fleet.expected())
        before = fleet.assigned()
        for to in ("swimlb", "metallb"):
            fleet.hand_over_controller(to)
            with fleet.another_service() as given:
                assert given == [SPARE]
            assert fleet.assigned() == before

        assert max(traffic.outages().values()) < NOISE


def test_speakers_are_replaced_node_by_node_and_back(
    fleet: Fleet, record_property: Callable[[str, object], None]
) -> None:
    with Traffic(fleet) as traffic:
        traffic.wait_for(fleet.expected())
        assigned = fleet.assigned()
        moves: list[Move] = []
        ways: tuple[Product, ...] = ("swimlb", "metallb")
        for to in ways:
            fleet.hand_over_controller(to)
            for node in fleet.nodes:
                moves.append(traffic.moved(node, to))
                assert fleet.assigned() == assigned

    record_property("moves", json.dumps([[one.node, one.to, dict(one.outages)] for one in moves]))
    for move in moves:
        others = [outage for address, outage in move.outages.items() if address not in move.moved]
        assert max(others, default=0.0) < NOISE, f"{move.node} to {move.to}"
        assert max(move.outages.values()) < OUTAGE_MAX
