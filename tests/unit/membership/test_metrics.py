from __future__ import annotations

import pytest

from membership import PacketReceived
from membership.wire.messages import Ack, Ping, Suspect
from tests.unit.membership.playbook import Playbook, alive, endpoint, sent
from tests.unit.membership.test_probe import PROFILE


def test_counts_what_comes_in_and_goes_out() -> None:
    """Packets and octets both ways, and what was refused, by reason."""
    play = Playbook("node-b")
    before = play.memberlist.metrics()

    play.at(3.0, PacketReceived(endpoint(2), b"\xff"))
    effects = play.hear(3.0, Suspect(1, "node-a", "node-b"))

    after = play.memberlist.metrics()
    assert after.drops == {"unknown-type": 1}
    assert after.packets_received - before.packets_received == 2
    assert after.packets_sent - before.packets_sent == len(sent(effects)) == 1
    assert after.octets_sent > before.octets_sent
    assert (after.refutations, after.awareness) == (1, 1)


def test_a_round_trip_is_from_the_ping_to_its_ack() -> None:
    """In the bucket it belongs to."""
    play = Playbook(profile=PROFILE)
    play.hear(3.0, alive("node-b"))
    now, pings = 3.0, list[Ping]()
    while not pings:
        now += 0.001
        pings = [message for _, message in sent(play.run_until(now)) if isinstance(message, Ping)]

    play.hear(now + 0.003, Ack(pings[0].sequence))

    metrics = play.memberlist.metrics()
    assert metrics.rtts == (0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
    assert metrics.rtt_max == pytest.approx(0.0035, abs=0.0005)
    assert metrics.rtt_mean == metrics.rtt_sum == metrics.rtt_max
