"""A host of the LAN has taken an address that is to be a Service's: whole clusters in virtual time."""

from __future__ import annotations

from swimlb.lab.simlan import CLIENT, Cluster
from tests.simulation.test_speakers import ADDRESSES, DETECTION, check_one_owner_each

SQUATTED, *FREE = ADDRESSES


def squatted(seed: int) -> Cluster:
    """Speakers that start where a host has one of the addresses already."""
    cluster = Cluster(seed, 3, ADDRESSES)
    cluster.squat(SQUATTED)
    cluster.run_for(6.0)
    return cluster


def test_an_address_in_use_is_announced_by_nobody(seed: int) -> None:
    """Neither at the start of all, nor when its owner dies, stops or returns; the others are served meanwhile."""
    cluster = squatted(seed)
    owners = {cluster.planned_owner(SQUATTED)}
    assert cluster.owners_of(SQUATTED) == []

    cluster.crash(cluster.planned_owner(SQUATTED))
    cluster.run_for(DETECTION)
    assert cluster.owners_of(SQUATTED) == []
    owners.add(cluster.planned_owner(SQUATTED))
    cluster.stop(cluster.planned_owner(SQUATTED))
    cluster.run_for(5.0)
    assert cluster.owners_of(SQUATTED) == []
    for name in owners:
        cluster.start(name)
    cluster.run_for(6.0)

    assert cluster.owners_of(SQUATTED) == []
    assert cluster.announcements_of(SQUATTED) == 0
    assert all(len(cluster.owners_of(address)) == 1 for address in FREE)
    assert len(owners) == 2


def test_an_address_is_announced_when_it_is_free_again(seed: int) -> None:
    """Within an interval of asking again."""
    cluster = squatted(seed)

    cluster.end_squat(SQUATTED)
    cluster.run_for(11.0)

    check_one_owner_each(cluster)


def test_a_host_that_comes_later_takes_nothing(seed: int) -> None:
    """The address is announced: it is the stranger that is in the wrong, and takeovers do not wait for it."""
    cluster = Cluster(seed, 3, ADDRESSES)
    cluster.run_for(5.0)
    (owner,) = cluster.owners_of(SQUATTED)

    cluster.squat(SQUATTED)
    cluster.crash(owner)
    cluster.run_for(DETECTION)

    check_one_owner_each(cluster)
    assert CLIENT not in cluster.owners_of(SQUATTED)
