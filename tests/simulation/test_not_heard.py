"""One way only: an owner hears the others, and they do not hear it. Whole clusters in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

import pytest

import membership as ml
from swimlb.lab.simlan import Cluster
from tests.simulation.test_speakers import ADDRESSES, check_one_owner_each

TIGHT = 0.01
OVERLAP_MAX = {"normal": 1.3, "fast": 0.3}
"""From the first claim of the successor to the silence of the owner: it must be accused, and wait for answers in vain. If it
has defended itself by then, only the successor's next claim, 1.1 s after the first one, shows that it was not heard."""
BACK_MAX = 1.0
LASTS = 12.0


def doubled(cluster: Cluster, seconds: float) -> list[float]:
    """How long each time two had one address, while the cluster runs on."""
    seen: list[bool] = []
    for _ in range(round(seconds / TIGHT)):
        cluster.run_for(TIGHT)
        seen.append(any(len(cluster.owners_of(address)) > 1 for address in ADDRESSES))
    return [len(list(run)) * TIGHT for is_doubled, run in groupby(seen) if is_doubled]


@pytest.mark.parametrize("profile", [ml.normal, ml.fast], ids=["normal", "fast"])
@pytest.mark.parametrize("speakers", [2, 5])
def test_an_owner_that_is_not_heard_yields(
    seed: int, speakers: int, profile: Callable[[], ml.Profile]
) -> None:
    """Once, and for as long as it lasts; it takes nothing from the others, and has all back when it is heard again."""
    cluster = Cluster(seed, speakers, ADDRESSES, profile=profile)
    cluster.run_for(5.0)
    before = {address: cluster.owners_of(address) for address in ADDRESSES}
    (mute,) = before[ADDRESSES[0]]

    cluster.mute(mute)
    overlaps = doubled(cluster, LASTS)

    for address in ADDRESSES:
        (owner,) = cluster.owners_of(address)
        assert owner != mute
        assert before[address] in ([mute], [owner])
    assert len(overlaps) == 1
    assert overlaps[0] < OVERLAP_MAX[profile().name]
    assert all(mute not in cluster.answered_by(address, LASTS - 4.0) for address in ADDRESSES)

    cluster.heal()
    overlaps = doubled(cluster, 8.0)

    assert {address: cluster.owners_of(address) for address in ADDRESSES} == before
    check_one_owner_each(cluster)
    assert sum(overlaps) < BACK_MAX


@pytest.mark.parametrize("profile", [ml.normal, ml.fast], ids=["normal", "fast"])
@pytest.mark.parametrize("speakers", [2, 5])
def test_one_of_two_keeps_an_address_when_only_gossip_is_not_heard(
    seed: int, speakers: int, profile: Callable[[], ml.Profile]
) -> None:
    """Both hear the other one's claims: they must not yield to each other."""
    cluster = Cluster(seed, speakers, ADDRESSES, profile=profile)
    cluster.run_for(5.0)
    (mute,) = cluster.owners_of(ADDRESSES[0])

    cluster.mute_gossip(mute)
    overlaps = doubled(cluster, LASTS)

    assert all(len(cluster.owners_of(address)) == 1 for address in ADDRESSES)
    assert sum(overlaps) < OVERLAP_MAX[profile().name]
    assert max(cluster.longest_outage(address, LASTS) for address in ADDRESSES) < 0.1
    cluster.heal()
    cluster.run_for(8.0)
    check_one_owner_each(cluster)


def test_whoever_is_not_heard_and_then_alone_serves(seed: int) -> None:
    """The others are gone: nobody claims anything, and the client hears it still."""
    cluster = Cluster(seed, 3, ADDRESSES)
    cluster.run_for(5.0)
    (mute,) = cluster.owners_of(ADDRESSES[0])
    cluster.mute(mute)
    cluster.run_for(5.0)

    for name in cluster.running():
        if name != mute:
            cluster.crash(name)
    cluster.run_for(20.0)

    assert all(cluster.owners_of(address) == [mute] for address in ADDRESSES)
