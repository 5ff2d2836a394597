"""Half an hour of faults, one after the other: each address has one owner whenever all is well, and nobody remembers more."""

from __future__ import annotations

from random import Random

from swimlb.lab.simlan import Cluster
from tests.simulation.test_speakers import check_one_owner_each, settled

DURATION = 1800.0
SEED = 4
BREAK_FOR = (0.1, 6.0)
SETTLE = 6.0
GROWTH_MAX = 1.5
"""Of what a node remembers, from the first third of the time to the end: counters get longer, tables do not."""


def hurt_and_mend(cluster: Cluster, rng: Random) -> None:
    """One fault of those that a LAN has, and its end."""
    everybody = cluster.running()
    victim = rng.choice(everybody[1:])
    duration = rng.uniform(*BREAK_FOR)
    match rng.choice(["crash", "stop", "cut", "gossip"]):
        case "crash":
            cluster.crash(victim)
            cluster.run_for(duration)
            cluster.start(victim)
        case "stop":
            cluster.stop(victim)
            cluster.run_for(max(duration, 5.0))
            cluster.start(victim)
        case "cut":
            cluster.cut(rng.choice(everybody))
            cluster.run_for(duration)
            cluster.heal()
        case _:
            cluster.cut_gossip((victim,), tuple(name for name in everybody if name != victim))
            cluster.run_for(duration)
            cluster.heal()


def test_half_an_hour_of_faults_leaves_nothing_behind() -> None:
    rng = Random(SEED)
    cluster = settled(SEED)
    steady = cluster.running()[0]
    owners = {address: cluster.owners_of(address) for address in cluster.addresses}
    warm: int | None = None

    while cluster.net.now < DURATION:
        hurt_and_mend(cluster, rng)
        cluster.run_for(SETTLE)
        check_one_owner_each(cluster)
        if warm is None and cluster.net.now > DURATION / 3:
            warm = cluster.octets_remembered_by(steady)

    assert {address: cluster.owners_of(address) for address in cluster.addresses} == owners
    assert warm is not None
    assert cluster.octets_remembered_by(steady) <= warm * GROWTH_MAX
