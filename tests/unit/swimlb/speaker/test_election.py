"""The succession is MetalLB's, so that its speakers and ours agree on the owner of every address."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from swimlb.speaker.election import succession


@pytest.mark.parametrize(
    ("address", "candidates", "scores", "expected"),
    [
        ("10.0.0.1", "node-a node-b node-c", {}, "node-b node-a node-c"),
        ("10.0.0.2", "node-a node-b node-c", {}, "node-b node-c node-a"),
        (
            "10.20.30.1",
            "edge-a edge-b worker-a worker-b",
            {"edge-a": 100},
            "edge-a edge-b worker-a worker-b",
        ),
        ("10.20.30.1", "edge-a edge-b worker-a", {"edge-a": 100, "edge-b": 100}, "edge-b edge-a worker-a"),
        ("10.20.30.1", "iris1 iris2", {}, "iris2 iris1"),
        ("192.168.1.240", "node1 node2 node3 node4", {}, "node3 node4 node1 node2"),
        ("192.168.1.241", "node1 node2 node3 node4", {}, "node1 node4 node3 node2"),
        ("fc00::1", "node1 node2 node3 node4", {}, "node4 node3 node1 node2"),
        ("2001:DB8:0::a", "node1 node2 node3 node4", {}, "node3 node4 node1 node2"),
    ],
)
def test_orders_candidates_as_metallb_does(
    address: str, candidates: str, scores: dict[str, int], expected: str
) -> None:
    """Preference first, then the digest of `node#address`, the address in canonical text."""
    order = succession(ip_address(address), candidates.split(), scores)

    assert order == tuple(expected.split())


def test_removing_a_node_moves_only_what_it_owned() -> None:
    """The others keep their places in the order."""
    nodes = [f"node-{number}" for number in range(10)]

    for last in range(1, 255):
        address = ip_address(f"192.0.2.{last}")
        before = succession(address, nodes)
        after = succession(address, [node for node in nodes if node != "node-3"])

        assert after == tuple(node for node in before if node != "node-3")
