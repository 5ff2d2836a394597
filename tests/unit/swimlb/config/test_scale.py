"""Rules that compare objects two by two must not look at all else for each pair.

Times are of the processor, with room to spare, and one quiet try of several is enough: machines are noisy.
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

from swimlb.config import resolve
from swimlb.sources import read_text
from tests.unit.swimlb.config.objects import node, ours, peer, pool, resolved

SECONDS_MAX = 1.0
"""Each of these takes less than a fifth of it, and took several of it when all was looked at for each pair."""
TRIES = 3


def is_soon_resolved(*objects: object) -> bool:
    def take_seconds() -> float:
        begun = process_time()
        result = resolved(*objects)
        assert not result.has_errors
        return process_time() - begun

    return is_soon_done(take_seconds)


def is_soon_done(take_seconds: Callable[[], float]) -> bool:
    return any(take_seconds() < SECONDS_MAX for _ in range(TRIES))


def test_many_advertisements_are_each_for_all_pools() -> None:
    """As where each application brings its own, which selects its Services."""
    pools = [pool(f"pool-{number}", f"198.51.100.{number}/32") for number in range(100)]
    advertisements = [
        ours(
            "BGPAdvertisement", f"app-{number}", {"serviceSelectors": [{"matchLabels": {"app": f"{number}"}}]}
        )
        for number in range(100)
    ]

    assert is_soon_resolved(*pools, *advertisements)


def test_each_node_has_a_peer_of_its_own_for_one_router() -> None:
    """As where every rack's router has the same address."""
    numbers = range(250)
    nodes = [node(f"node-{number}", labels={"number": f"{number}"}) for number in numbers]
    peers = [
        peer(f"peer-{number}", nodeSelectors=[{"matchLabels": {"number": f"{number}"}}]) for number in numbers
    ]

    assert is_soon_resolved(*nodes, *peers)


def test_many_pools_are_announced_on_the_lan_of_many_nodes() -> None:
    nodes = [node(f"node-{number}", f"10.{number >> 8}.{number & 255}.1") for number in range(1000)]
    pools = [pool(f"pool-{number}", f"198.51.{number >> 8}.{number & 255}/32") for number in range(1000)]
    advertisements = [ours("L2Advertisement", f"lan-{number}", {}) for number in range(10)]

    assert is_soon_resolved(*nodes, *pools, *advertisements)


def test_many_references_lead_nowhere_among_many_objects() -> None:
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{number}"}} for number in range(2000)
    ]
    advertisements = [
        ours("L2Advertisement", f"lan-{number}", {"ipAddressPools": [f"gone-{number}"]})
        for number in range(300)
    ]

    assert is_soon_resolved(*namespaces, *advertisements)


def test_one_object_has_many_problems() -> None:
    """Each is told with its line."""
    fields = "\n".join(f"  field-{number}: 1" for number in range(10_000))
    text = f"apiVersion: metallb.io/v1beta1\nkind: L2Advertisement\nmetadata: {{name: lan, namespace: metallb-system}}\nspec:\n{fields}"
    manifests = read_text(text, "test.yaml")

    def take_seconds() -> float:
        begun = process_time()
        result = resolve(manifests.documents)
        took = process_time() - begun
        assert len(result.problems) == 10_000
        assert result.problems[-1].line == 10_004
        return took

    assert is_soon_done(take_seconds)
