"""The failover benchmark does what it says: one run of it, small, with a rival whose behaviour is known."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from bench.matrix import meter
from bench.matrix.cluster import Scale
from bench.matrix.contenders import find, running
from bench.matrix.faults import find as find_fault
from bench.matrix.scene import STREAMS, Scene


def test_what_keepalived_does_when_it_is_stopped(tmp_path: Path) -> None:
    """Its address moves and comes back, an advert later; connections to it break, and nobody shares it."""

    with running(find("keepalived 0.1 s"), Scale(nodes=2), tmp_path) as cluster:
        cluster.rest()
        cost = meter.at_rest(cluster, 1.0)
        run = Scene(cluster, window=1.5).suffer(find_fault("stop"), Random(1))

    assert cost.by_protocol["VRRP"] == pytest.approx(10 / 2, rel=0.4)
    assert cost.rss_mib > cost.pss_mib > 0
    assert run.outage is not None
    assert 0 < run.outage < 1
    assert run.claimed_after is not None
    assert (run.moves, run.false_moves) == (2, 0)
    assert (run.streams, run.broken) == (STREAMS, STREAMS)
