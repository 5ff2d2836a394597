"""Whole clusters in virtual time: gossip, decision and ARP together, and what a client on the LAN sees of it."""

from __future__ import annotations

from ipaddress import IPv4Address
from random import Random

import pytest

from swimlb.lab.simlan import Cluster
from swimlb.lab.simnet import Conditions
from swimlb.speaker.effects import ConflictNoticed, Yielded

ADDRESSES = tuple(IPv4Address(f"192.0.2.{last}") for last in (10, 11, 12, 13))
DETECTION = 0.8
"""The bound of the `normal` profile for a crash known to all; the next owner's first announcement takes no time."""


def settled(seed: int, speakers: int = 3, conditions: Conditions | None = None) -> Cluster:
    cluster = Cluster(seed, speakers, ADDRESSES, conditions=conditions)
    cluster.run_for(5.0)
    check_one_owner_each(cluster)
    return cluster


def check_one_owner_each(cluster: Cluster) -> None:
    """One node answers for each address, and the client's probes reach it."""
    owners = {address: cluster.owners_of(address) for address in cluster.addresses}
    assert all(len(names) == 1 for names in owners.values()), owners
    lost = {None} if cluster.net.conditions.loss else set[None]()
    for address, names in owners.items():
        assert set(cluster.answered_by(address, 0.2)) | lost == set(names) | lost, address


def test_every_address_has_one_owner_when_all_have_started(seed: int) -> None:
    """And stays where it is: nothing moves without a reason."""
    cluster = settled(seed, speakers=5)
    before = {address: cluster.owners_of(address) for address in ADDRESSES}

    cluster.run_for(40.0)

    assert {address: cluster.owners_of(address) for address in ADDRESSES} == before
    assert max(cluster.longest_outage(address, 39.0) for address in ADDRESSES) == 0.0


@pytest.mark.parametrize("is_probing", [True, False])
def test_members_that_start_together_report_no_conflict(seed: int, is_probing: bool) -> None:
    """In the first moments each takes itself for the owner of more than it is, and claims cross."""
    many = tuple(IPv4Address(f"192.0.2.{last}") for last in range(10, 40))
    cluster = Cluster(seed, 5, many, is_probing=is_probing, client_probes=1)

    cluster.run_for(8.0)

    assert [news for _, _, news in cluster.news if isinstance(news, ConflictNoticed)] == []


def test_an_address_moves_when_its_owner_dies(seed: int) -> None:
    """Within the detection bound, and only what the dead node owned."""
    cluster = settled(seed)
    (dead,) = cluster.owners_of(ADDRESSES[0])
    kept = [address for address in ADDRESSES if cluster.owners_of(address) != [dead]]

    cluster.crash(dead)
    cluster.run_for(DETECTION + 0.1)

    check_one_owner_each(cluster)
    assert cluster.longest_outage(ADDRESSES[0], DETECTION + 0.1) <= DETECTION
    assert all(cluster.longest_outage(address, DETECTION) == 0.0 for address in kept)


def test_a_planned_stop_loses_nothing(seed: int) -> None:
    """Neither as the owner leaves nor as it returns."""
    cluster = settled(seed)
    (leaver,) = cluster.owners_of(ADDRESSES[0])

    cluster.stop(leaver)
    cluster.run_for(5.0)
    assert leaver not in cluster.running()
    check_one_owner_each(cluster)
    cluster.start(leaver)
    cluster.run_for(5.0)

    check_one_owner_each(cluster)
    assert cluster.owners_of(ADDRESSES[0]) == [leaver]
    assert max(cluster.longest_outage(address, 10.0) for address in ADDRESSES) <= 0.005


@pytest.mark.parametrize("is_planned", [True, False])
def test_a_return_is_told_as_no_conflict(seed: int, is_planned: bool) -> None:
    """The LAN is faster than gossip: who leaves or returns is heard there when the others do not know of it yet."""
    many = tuple(IPv4Address(f"192.0.2.{last}") for last in range(10, 30))
    cluster = Cluster(seed, 3, many, client_probes=1)
    cluster.run_for(5.0)
    (leaver,) = cluster.owners_of(many[0])

    (cluster.stop if is_planned else cluster.crash)(leaver)
    cluster.run_for(4.0)
    cluster.start(leaver)
    cluster.run_for(6.0)

    assert cluster.owners_of(many[0]) == [leaver]
    assert [news for _, _, news in cluster.news if isinstance(news, ConflictNoticed | Yielded)] == []


def test_a_node_that_was_cut_off_comes_back_to_one_owner_each(seed: int) -> None:
    """While it was alone it believed that everything was its own."""
    cluster = settled(seed)
    (cut,) = cluster.owners_of(ADDRESSES[0])

    cluster.cut(cut)
    cluster.run_for(8.0)
    check_others_took_over(cluster, cut)
    cluster.heal()
    cluster.run_for(6.0)

    check_one_owner_each(cluster)
    assert cluster.owners_of(ADDRESSES[0]) == [cut]


def check_others_took_over(cluster: Cluster, cut: str) -> None:
    for address in cluster.addresses:
        assert len([name for name in cluster.owners_of(address) if name != cut]) == 1
        assert cut not in cluster.answered_by(address, 1.0)


def test_the_last_speaker_serves_alone_and_the_first_to_return_shares(seed: int) -> None:
    """No quorum is needed to serve: one node is enough."""
    cluster = settled(seed)
    first, second, last = cluster.running()

    cluster.crash(first)
    cluster.crash(second)
    cluster.run_for(4.0)
    assert [cluster.owners_of(address) for address in ADDRESSES] == [[last]] * len(ADDRESSES)
    cluster.start(first)
    cluster.run_for(5.0)

    check_one_owner_each(cluster)


def test_survives_whatever_is_drawn(seed: int) -> None:
    """Crashes, planned stops, cuts and returns in any order, with loss: when it ends, each address has one owner."""
    rng = Random(seed)
    cluster = settled(seed, speakers=5, conditions=Conditions(loss=0.02, duplication=0.02))
    everybody = cluster.running()

    for _ in range(12):
        running = cluster.running()
        stopped = [name for name in everybody if name not in running]
        match rng.choice(["crash", "stop", "start", "start", "cut", "heal"]):
            case "crash" if len(running) > 1:
                cluster.crash(rng.choice(running))
            case "stop" if len(running) > 1:
                cluster.stop(rng.choice(running))
            case "start" if stopped:
                cluster.start(rng.choice(stopped))
            case "cut":
                cluster.cut(rng.choice(everybody))
            case _:
                cluster.heal()
        cluster.run_for(rng.uniform(0.1, 5.0))
    cluster.heal()
    cluster.net.conditions = Conditions()
    cluster.run_for(15.0)

    check_one_owner_each(cluster)
