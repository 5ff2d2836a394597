"""Owners that live, gossip and announce, and do not hear who asks for them: whole clusters in virtual time."""

from __future__ import annotations

from ipaddress import IPv4Address
from random import Random

import pytest

from swimlb.lab.simlan import Cluster
from swimlb.lab.simnet import Conditions
from swimlb.speaker.effects import AnsweredAgain, DeafnessChanged, Unanswered
from swimlb.speaker.hearing import HOLD, INTERVAL, MISSES
from tests.simulation.test_speakers import ADDRESSES, check_one_owner_each, settled

WITHIN = 4 * INTERVAL
"""Three rounds, one that had begun before, and the time in which two agree."""
DISTURBED_FOR = 300.0
"""With each seed; so half an hour in all."""
MANY = tuple(IPv4Address("198.51.100.0") + number for number in range(200))


def accusations(cluster: Cluster) -> list[tuple[float, str, Unanswered | DeafnessChanged]]:
    return [
        (at, node, news) for at, node, news in cluster.news if isinstance(news, Unanswered | DeafnessChanged)
    ]


@pytest.mark.parametrize("speakers", [3, 5])
def test_a_deaf_owner_is_replaced(seed: int, speakers: int) -> None:
    """Within four rounds; the others keep what they have, and the data path of the deaf one is never cut."""
    cluster = settled(seed, speakers=speakers)
    address = ADDRESSES[0]
    (deaf,) = cluster.owners_of(address)
    kept = [one for one in ADDRESSES if cluster.owners_of(one) != [deaf]]
    before = {one: cluster.owners_of(one) for one in kept}
    cluster.run_for(3 * INTERVAL)

    cluster.deafen(deaf)
    cluster.run_for(WITHIN)

    check_one_owner_each(cluster)
    assert cluster.owners_of(address) != [deaf]
    assert {one: cluster.owners_of(one) for one in kept} == before
    assert cluster.longest_outage(address, WITHIN) == 0.0
    found = {news.member for _, _, news in accusations(cluster)}
    assert found == {deaf}


def test_of_two_members_the_deaf_one_is_replaced(seed: int) -> None:
    """When it has announced once more: that, and not an answer, is the proof that the other one hears."""
    cluster = settled(seed, speakers=2)
    address = ADDRESSES[0]
    (deaf,) = cluster.owners_of(address)
    cluster.run_for(60.0)

    cluster.deafen(deaf)
    cluster.run_for(WITHIN + 60.0)

    check_one_owner_each(cluster)
    assert cluster.owners_of(address) != [deaf]


def test_who_hears_again_is_an_owner_again(seed: int) -> None:
    """By a planned move, a minute after the verdict at the soonest."""
    cluster = settled(seed, speakers=5)
    address = ADDRESSES[0]
    (deaf,) = cluster.owners_of(address)
    cluster.run_for(3 * INTERVAL)
    cluster.deafen(deaf)
    cluster.run_for(WITHIN)
    (successor,) = cluster.owners_of(address)

    cluster.run_for(2 * HOLD)
    assert cluster.owners_of(address) == [successor]
    cluster.end_deafness(deaf)
    cluster.run_for(2 * INTERVAL)

    check_one_owner_each(cluster)
    assert cluster.owners_of(address) == [deaf]
    assert cluster.longest_outage(address, 2 * INTERVAL) <= 0.005
    assert any(isinstance(news, AnsweredAgain) for _, _, news in cluster.news)


def test_a_verdict_outlives_those_who_found_it(seed: int) -> None:
    """The others that ask the deaf one find out, too, by what it announces once a minute."""
    cluster = settled(seed, speakers=5)
    address = ADDRESSES[0]
    (deaf,) = cluster.owners_of(address)
    cluster.run_for(3 * INTERVAL)
    cluster.deafen(deaf)
    cluster.run_for(WITHIN + 90.0)
    finder = next(node for _, node, news in accusations(cluster) if isinstance(news, Unanswered))

    cluster.crash(finder)
    cluster.run_for(2.0)

    check_one_owner_each(cluster)
    assert cluster.owners_of(address) != [deaf]


def test_nobody_is_condemned_by_loss_and_stalls(seed: int) -> None:
    """With a fifth of the frames lost each way, and with stalls of 300 ms, one after the other: `DISTURBED_FOR`."""
    rng = Random(seed)
    cluster = settled(seed, speakers=5)
    cluster.net.conditions = Conditions(loss=0.2)

    while cluster.net.now < DISTURBED_FOR:
        cluster.pause(rng.choice(cluster.running()), 0.3)
        cluster.run_for(rng.uniform(0.5, 3.0))

    assert accusations(cluster) == []


def test_nobody_is_condemned_who_has_many_addresses(seed: int) -> None:
    """Nor while many move at once: one node crashes, another one stops as planned, both return."""
    cluster = Cluster(seed, 3, MANY, client_probes=1)
    cluster.run_for(30.0)

    for disturb in (cluster.crash, cluster.stop):
        (name,) = cluster.owners_of(MANY[0])
        disturb(name)
        cluster.run_for(4 * INTERVAL)
        cluster.start(name)
        cluster.run_for(4 * INTERVAL)

    assert accusations(cluster) == []


def test_nobody_is_condemned_because_another_one_is_deaf_in_turn(seed: int) -> None:
    """Deafness shorter than three rounds passes unnoticed."""
    rng = Random(seed)
    cluster = settled(seed, speakers=5)

    for _ in range(8):
        deaf = rng.choice(cluster.running())
        cluster.deafen(deaf)
        cluster.run_for(INTERVAL * (MISSES - 1))
        cluster.end_deafness(deaf)
        cluster.run_for(2 * INTERVAL)

    assert accusations(cluster) == []
