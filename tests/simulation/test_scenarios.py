"""Lives of rings with faults drawn from the seed; `make sim` plays 200 of them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from swimlb.lab.sim.scenario import Scenario, play
from swimlb.lab.simnet.bounds import profiles


@pytest.mark.parametrize("life", range(1, 17), ids=lambda life: f"life={life}")
def test_what_must_hold_holds(life: int) -> None:
    """Completeness, accuracy, incarnations, queues, convergence. Replay: python -m swimlb.lab.sim --trace --seed N."""
    outcome = play(life)

    assert outcome.violations == ()


def test_what_must_hold_holds_in_a_ring_of_thirty() -> None:
    """Larger than those drawn."""
    outcome = play(7, members=30, profile="normal")

    assert outcome.members == 30
    assert outcome.violations == ()


def test_every_profile_is_drawn() -> None:
    """Among the lives that `make sim` plays."""
    drawn = {Scenario(seed, None, None, trace=False).profile_name for seed in range(1, 201)}

    assert drawn == set(profiles())


def test_the_same_seed_gives_the_same_trace_in_every_process() -> None:
    """Whatever order the interpreter hashes strings in."""
    digests = {_digest_with(hash_seed) for hash_seed in ("0", "1", "4711")}

    assert digests == {play(5, members=5, profile="normal", trace=True).digest}
    assert digests != {play(6, members=5, profile="normal", trace=True).digest}


def _digest_with(hash_seed: str) -> str:
    code = "from swimlb.lab.sim.scenario import play; print(play(5, members=5, profile='normal', trace=True).digest)"
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return run.stdout.strip()
