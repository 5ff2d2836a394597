"""Only gossip is blocked between parts of one LAN: each part believes the others dead, and all share one wire."""

from __future__ import annotations

from itertools import groupby

from tests.simulation.test_speakers import ADDRESSES, check_one_owner_each, settled

HALVES = (("node-a", "node-b", "node-c"), ("node-d", "node-e"))
TIGHT = 0.01


def test_one_owner_although_gossip_is_cut(seed: int) -> None:
    """From a claim to the silence of one of two owners it takes far less than a second, and no probe is lost."""
    cluster = settled(seed, speakers=5)
    before = {address: cluster.owners_of(address) for address in ADDRESSES}
    doubled: list[bool] = []

    cluster.cut_gossip(*HALVES)
    for _ in range(3000):
        cluster.run_for(TIGHT)
        doubled.append(any(len(cluster.owners_of(address)) > 1 for address in ADDRESSES))

    longest = max((len(list(run)) for is_doubled, run in groupby(doubled) if is_doubled), default=0)
    assert longest * TIGHT < 0.1
    assert {address: cluster.owners_of(address) for address in ADDRESSES} == before
    check_one_owner_each(cluster)
    assert max(cluster.longest_outage(address, 29.0) for address in ADDRESSES) <= 0.1


def test_nobody_is_misled_when_gossip_heals(seed: int) -> None:
    """One owner all along, and the client's cache points to it afterwards."""
    cluster = settled(seed, speakers=5)
    before = {address: cluster.owners_of(address) for address in ADDRESSES}

    cluster.cut_gossip(*HALVES)
    cluster.run_for(10.0)
    cluster.heal()
    for _ in range(1500):
        cluster.run_for(TIGHT)
        for address in ADDRESSES:
            assert len(cluster.owners_of(address)) <= 1

    assert {address: cluster.owners_of(address) for address in ADDRESSES} == before
    check_one_owner_each(cluster)


def test_a_yielded_address_does_not_die_with_its_owner(seed: int) -> None:
    """The part that gave way is not told of the death by gossip, and finds it out on the wire."""
    cluster = settled(seed, speakers=5)
    address = ADDRESSES[0]
    (owner,) = cluster.owners_of(address)
    here = (owner,)
    others = tuple(name for name in cluster.running() if name != owner)

    cluster.cut_gossip(here, others)
    cluster.run_for(10.0)
    assert cluster.owners_of(address) == [owner]
    cluster.crash(owner)
    cluster.run_for(6.0)

    assert len(cluster.owners_of(address)) == 1
    check_one_owner_each(cluster)
