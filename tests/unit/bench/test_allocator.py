from __future__ import annotations

from dataclasses import asdict

from bench.allocator import measure, page


def test_a_small_world_is_measured_and_told() -> None:
    """Everybody in it gets an address, and every change is answered by one: the benchmark asserts so."""
    results = [asdict(measure(size)) for size in (200, 400)]
    told = "\n".join(
        page(
            {
                "machine": {"processor": "some", "cores": 2, "kernel": "6", "python": "3.11"},
                "results": results,
            }
        )
    )

    assert all(one["change"] > 0 for one in results)
    assert "| 400 |" in told
    assert "n log n would be" in told
