"""The simulated network: each fault does what it says."""

from __future__ import annotations

from random import Random

import pytest

from membership import Config, Endpoint, MemberFailed, MemberJoined, RunningLate, UserMessageReceived, normal
from membership.events import PacketReceived
from membership.wire.messages import User, encode
from swimlb.lab.simnet import Conditions, Population, SimNet
from swimlb.lab.simnet.wire import Wire
from tests.simulation.rings import PROBES_ALONE, Ring


def delays(conditions: Conditions, count: int = 20_000) -> list[tuple[float, ...]]:
    wire = Wire(conditions, Random(1))
    return [wire.packet_delays("node-a", "node-b") for _ in range(count)]


def test_packets_take_their_time() -> None:
    """Between the shortest and the longest latency, each once."""
    seen = delays(Conditions(latency=(0.001, 0.003)))

    assert {len(arrivals) for arrivals in seen} == {1}
    assert all(0.001 <= arrival <= 0.003 for (arrival,) in seen)


def test_loss_duplication_and_reordering_are_as_frequent_as_asked_for() -> None:
    """Of 20,000 packets, about as many as there should be."""
    lossy, doubled = delays(Conditions(loss=0.2)), delays(Conditions(duplication=0.1))
    held = delays(Conditions(reordering=0.05, holdback=0.5))

    assert lossy.count(()) == pytest.approx(4_000, rel=0.1)
    assert sum(len(arrivals) == 2 for arrivals in doubled) == pytest.approx(2_000, rel=0.1)
    assert sum(arrival > 0.5 for (arrival,) in held) == pytest.approx(1_000, rel=0.15)


def test_jitter_has_the_mean_asked_for_and_a_long_tail() -> None:
    """As queues in switches make it."""
    arrivals = [arrival for (arrival,) in delays(Conditions(latency=(0, 0), jitter=0.01))]

    assert sum(arrivals) / len(arrivals) == pytest.approx(0.01, rel=0.1)
    assert max(arrivals) > 0.05


def test_a_cut_goes_one_way() -> None:
    """And streams need both ways."""
    wire = Wire(Conditions(), Random(1))

    wire.cut("node-a", "node-b")

    assert wire.packet_delays("node-a", "node-b") == ()
    assert len(wire.packet_delays("node-b", "node-a")) == 1
    assert wire.stream_delay("node-b", "node-a") is None
    wire.heal()
    assert wire.stream_delay("node-b", "node-a") is not None


def test_a_paused_member_hears_all_of_it_afterwards() -> None:
    """Its sockets keep what arrives, and it knows that it was late."""
    ring = Ring(1, 2)
    ring.net.pause("node-2", 0.5)

    ring.net.tell("node-2", PacketReceived(ring.seeds[0], encode(User(b"news"))))
    ring.net.run_for(0.4)
    assert ring.told(UserMessageReceived) == []
    ring.net.run_for(0.2)

    assert ring.told(UserMessageReceived) == [UserMessageReceived(ring.seeds[0], b"news")]
    assert len(ring.told(RunningLate)) == 1


def test_a_revived_member_remembers() -> None:
    """It has missed its own death, and comes back under the incarnation that follows."""
    ring = Ring(1, 4)
    before = ring.net.member("node-4")
    ring.net.crash("node-4")
    ring.net.run_for(3)
    assert len(ring.told(MemberFailed)) == 3

    ring.net.revive("node-4")

    assert ring.time_until_all_see(ring.names, 5) < 5
    assert ring.net.member("node-4") is before
    assert before.local.incarnation == 2


@pytest.mark.parametrize("rate", [0.5, 1.0, 2.0])
def test_a_clock_runs_at_its_own_rate(rate: float) -> None:
    """A member whose clock is twice as fast probes twice as often, for the others."""
    net = SimNet(1)
    for number in (1, 2):
        config = Config(name=f"node-{number}", address=f"192.0.2.{number}", profile=PROBES_ALONE)
        net.add(config, [Endpoint("192.0.2.1", 7946)] if number == 2 else [], clock_rate=rate)
    net.run_for(1)
    packets = net.packets_sent

    net.run_for(20)

    pings_and_acks = 2 * 2 * 20 / PROBES_ALONE.probe_interval * rate
    assert net.packets_sent - packets == pytest.approx(pings_and_acks, rel=0.05)


def prefilled(count: int) -> SimNet:
    net = SimNet(1)
    configs = [
        Config(name=f"node-{n}", address=f"198.51.{100 + n // 250}.{n % 250 + 1}") for n in range(count)
    ]
    population = Population(configs)
    for config in configs:
        net.add(config, make_table=population.table)
    return net


def test_a_prefilled_ring_is_whole_from_the_start() -> None:
    """Without joins everybody knows everybody, and nobody is accused."""
    net = prefilled(40)

    net.run_for(10)

    assert net.facts == []
    assert all(len(net.member(name).members()) == 40 for name in net.names())


def test_a_prefilled_ring_finds_and_forgets_the_dead_and_takes_them_back() -> None:
    """As any other; rows that members share are not written to."""
    configs = [Config(name=f"node-{number}", address=f"192.0.2.{number}") for number in range(1, 41)]
    population = Population(configs)
    net = SimNet(1)
    for config in configs:
        net.add(config, make_table=population.table)

    def viewers() -> int:
        """How many hold node-7 for a member."""
        views = [{member.name for member in net.member(name).members()} for name in net.names_up()]
        return sum("node-7" in view for view in views)

    net.crash("node-7")
    net.run_for(15)
    assert viewers() == 0
    net.run_for(normal().gossip_to_the_dead_time)
    assert all(len(net.member(name).known()) == 39 for name in net.names_up())
    net.restart("node-7", [configs[0].endpoint])
    net.run_for(5)
    assert viewers() == 40

    assert population.is_untouched()
    assert sum(isinstance(fact.effect, MemberJoined) for fact in net.facts) >= 39
