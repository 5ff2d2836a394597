"""The measurements that the documentation shows, small."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from membership import normal
from swimlb.lab.sim.__main__ import main
from swimlb.lab.sim.curves import measure_detection, measure_false_deaths
from swimlb.lab.sim.scale import run
from swimlb.lab.simnet import crash_bound


def test_a_ring_of_three_hundred_costs_a_member_no_more_than_one_of_ten() -> None:
    """And it knows of a crash hardly later."""
    small, large = (run(count, 4, normal(), seed=1, push_pull=False) for count in (10, 300))

    for ring in (small, large):
        assert ring.detected_in is not None
        assert ring.detected_in <= crash_bound(normal(), ring.members)
        assert (ring.false_suspicions, ring.false_deaths) == (0, 0)
    assert large.packets_each < 1.1 * small.packets_each


def test_detection_is_measured_at_different_moments() -> None:
    """No slower than the bound, and not always the same."""
    (found,) = measure_detection("normal", normal(), [5], effort=0.05)

    assert (found.members, found.runs) == (5, 15)
    assert 0.3 < found.median < found.p99 <= found.worst <= crash_bound(normal(), 5)
    questions = normal().observers / normal().observe_interval + 1 / normal().probe_interval
    assert found.packets_each == pytest.approx(2 * questions, rel=0.1)


def test_false_deaths_are_counted() -> None:
    """None by loss within the tolerance, nor by such stalls; many by longer ones."""
    found = measure_false_deaths("normal", normal(), [3], effort=0.001)

    assert [(one.members, one.loss) for one in found if one.loss] == [(3, 0.05), (3, 0.1), (3, 0.2)]
    assert {one.stall for one in found if one.deaths} == {1.0, 4.5}


def test_a_life_is_replayed_with_its_trace() -> None:
    """`--trace` tells what happened and what was done, and then how it ended."""
    played = CliRunner().invoke(main, ["--seed", "5", "--members", "3", "--profile", "normal", "--trace"])

    assert played.exit_code == 0, played.output
    assert "-> 192.0.2" not in played.output
    assert "<- 192.0.2.1:7946 Ping(" in played.output
    assert "1 lives of 3 members" in played.output
