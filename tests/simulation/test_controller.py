"""Replicas of the controller under faults: who leads, who writes, and what becomes of addresses."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from swimlb.config import parse_pool_entry
from swimlb.model import Pool, Protocol, Service, ServicePort
from tests.simulation.replicas import Cluster, Weather

POOL = Pool(name="first", ranges=(parse_pool_entry("192.0.2.0-192.0.2.19"),))
OTHER = Pool(name="other", ranges=(parse_pool_entry("198.51.100.0-198.51.100.9"),))
STORM = Weather(loss=0.05, latency=(0.001, 0.3), slow_share=0.05)


def service(number: int, pool: str | None = None) -> Service:
    return Service(
        namespace="default",
        name=f"s{number:03}",
        ports=(ServicePort(Protocol.TCP, 80),),
        requested_pool=pool,
        created=f"2026-01-01T00:{number // 60:02}:{number % 60:02}Z",
    )


def settle(cluster: Cluster, weather: Weather | None = None) -> None:
    """The weather clears up, and everybody is well for a while."""
    cluster.weather = weather or Weather()
    for replica in cluster.replicas:
        replica.is_cut_off = False
    # All others may be stopping.
    cluster.start_replica()
    cluster.run_for(90.0)


def check(cluster: Cluster) -> None:
    """One leads; everybody who can has an address, and who has none knows why."""
    assert cluster.api.violations == []
    assert len(cluster.leaders()) == 1
    room = sum(addresses.size for pool in cluster.pools for addresses in pool.ranges)
    views = [served.view for served in cluster.api.services.values()]
    served = [view for view in views if view.addresses]
    assert len(served) == min(room, len(views))
    for view in views:
        if view.addresses:
            assert view.condition is None or view.condition.is_true
        else:
            assert view.condition is not None
            assert view.condition.reason == "AllocationFailed"


def test_a_crash_is_taken_over_within_fifteen_seconds() -> None:
    cluster = Cluster(1, (POOL,))
    cluster.run_for(15.0)
    (leader,) = cluster.leaders()

    cluster.crash(leader)
    cluster.api.put(service(1))
    cluster.run_for(14.0)

    assert cluster.api.services["default/s001"].view.addresses == (ip_address("192.0.2.0"),)
    assert cluster.api.violations == []


def test_a_clean_stop_is_taken_over_within_a_second() -> None:
    """The next leader serves at once: nothing of the last one can be on its way."""
    cluster = Cluster(2, (POOL,))
    cluster.run_for(15.0)
    (leader,) = cluster.leaders()

    cluster.stop(leader)
    cluster.api.put(service(1))
    cluster.run_for(1.0)

    assert leader.has_ended
    assert cluster.drained == [True]
    assert cluster.api.services["default/s001"].view.addresses
    assert cluster.api.writes == 1


def test_a_lease_deleted_by_hand_while_a_replica_starts_makes_no_second_leader() -> None:
    """The new one has never seen the Lease, and the leader, cut off, does not know that it is gone."""
    cluster = Cluster(3, (POOL,), replicas=1)
    cluster.run_for(15.0)
    (leader,) = cluster.leaders()

    leader.is_cut_off = True
    cluster.delete_lease()
    new = cluster.start_replica()
    for number in range(4):
        cluster.api.put(service(number))
        cluster.run_for(1.0)
    settle(cluster)

    check(cluster)
    assert new.terms == [1]


def test_no_address_is_doubled_or_changed_whatever_happens_to_replicas(seed: int) -> None:
    """Crashes, pauses, cuts and deleted Leases, while users create and delete more Services than there are addresses."""
    cluster = Cluster(seed, (POOL,), weather=STORM, replicas=3)
    rng = cluster.rng
    number = 0
    for _ in range(120):
        for _ in range(rng.randint(0, 3)):
            cluster.api.put(service(number))
            number += 1
        if rng.random() < 0.3 and cluster.api.services:
            cluster.api.delete(rng.choice(sorted(cluster.api.services)))
        victims = [one for one in cluster.replicas if one.is_alive]
        if victims:
            victim = rng.choice(cluster.leaders() or victims)
            match rng.randrange(12):
                case 0:
                    cluster.crash(victim)
                case 1:
                    cluster.pause(victim, rng.choice([0.5, 5.0, 12.0, 40.0]))
                case 2:
                    victim.is_cut_off = True
                    cluster.at(
                        cluster.now + rng.uniform(1, 30), lambda v=victim: setattr(v, "is_cut_off", False)
                    )
                case 3:
                    cluster.stop(victim)
                case 4:
                    cluster.delete_lease()
                case _:
                    pass
        if rng.random() < 0.15 and sum(one.is_alive for one in cluster.replicas) < 3:
            cluster.start_replica()
        cluster.run_for(rng.choice([0.05, 0.3, 1.0, 3.0]))
        assert cluster.api.violations == []

    settle(cluster)

    check(cluster)


def test_nothing_is_overlooked_or_kept_for_ever_where_watches_never_break(seed: int) -> None:
    """New leaders read while Services come and go, and nothing that they take in wrongly is ever told again."""
    cluster = Cluster(seed, (POOL,), weather=Weather(latency=(0.01, 2.0), breaks=0.0))
    rng, number = cluster.rng, 0
    for _ in range(80):
        for _ in range(rng.randint(0, 2)):
            cluster.api.put(service(number))
            number += 1
        if rng.random() < 0.5 and cluster.api.services:
            cluster.api.delete(rng.choice(sorted(cluster.api.services)))
        leaders = cluster.leaders()
        if leaders and rng.random() < 0.2:
            rng.choice([cluster.crash, cluster.stop])(leaders[0])
            cluster.start_replica()
        cluster.run_for(rng.choice([0.1, 0.5, 2.0]))

    settle(cluster, Weather(breaks=0.0))

    check(cluster)


def test_fifty_crashes_during_three_hundred_creations(seed: int) -> None:
    """No address is given twice, and none is changed."""
    pool = Pool(name="large", ranges=(parse_pool_entry("203.0.113.0/24"), parse_pool_entry("192.0.2.0/24")))
    cluster = Cluster(seed, (pool,), weather=Weather(loss=0.02, slow_share=0.02), replicas=1)
    for number in range(300):
        cluster.api.put(service(number))
        cluster.run_for(cluster.rng.uniform(0, 0.5))
        if number % 6 == 5:
            for replica in cluster.replicas:
                cluster.crash(replica)
            cluster.start_replica()

    settle(cluster)

    check(cluster)
    assert len(cluster.api.services) == 300


def test_users_who_change_their_minds_are_served_in_the_end(seed: int) -> None:
    """Services move between pools, and pools come and go; in the end all is as asked for."""
    cluster = Cluster(seed, (POOL, OTHER), weather=STORM)
    rng = cluster.rng
    for number in range(8):
        cluster.api.put(service(number))
    for _ in range(60):
        key = rng.choice(sorted(cluster.api.services))
        cluster.api.put(
            replace(cluster.api.services[key].wish, requested_pool=rng.choice([None, "first", "other"]))
        )
        if rng.random() < 0.1:
            cluster.change_pools(rng.choice([(POOL, OTHER), (POOL, OTHER), (POOL,), (OTHER,)]))
        if rng.random() < 0.1:
            cluster.crash(rng.choice(cluster.replicas))
            cluster.start_replica()
        cluster.run_for(rng.choice([0.02, 0.2, 2.0]))

    cluster.change_pools((POOL, OTHER))
    settle(cluster)

    check(cluster)
    for served in cluster.api.services.values():
        assert served.wish.requested_pool in (None, served.view.pool)
