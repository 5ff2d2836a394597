"""The schedule of announcements: pattern, refresh, rate limit, urgency."""

from __future__ import annotations

import random
from ipaddress import IPv4Address
from itertools import pairwise
from typing import Any

import pytest

from announce.l2.announcer import Announcer, RateLimit
from announce.l2.config import Config
from tests.unit.announce.l2.playbook import OTHER_VIP, VIP


def announcer(**settings: Any) -> Announcer:
    return Announcer(Config(**settings), random.Random(1))


def run(schedule: Announcer, end: float) -> list[tuple[float, str]]:
    taken: list[tuple[float, str]] = []
    while (deadline := schedule.next_deadline()) is not None and deadline <= end:
        taken += [(round(deadline, 6), str(address)) for address in schedule.take_due(deadline)]
    return taken


def times(taken: list[tuple[float, str]]) -> list[float]:
    return [now for now, _ in taken]


def test_follows_the_takeover_pattern_and_then_falls_silent() -> None:
    """Without a refresh the rounds of the pattern are all there is."""
    schedule = announcer(refresh_interval=None)

    schedule.start(VIP, 10.0)

    assert times(run(schedule, 1000.0)) == [10.0, 10.05, 10.15, 11.1, 12.2, 13.3, 14.4]
    assert schedule.next_deadline() is None


def test_refreshes_for_ever_at_about_the_interval() -> None:
    """After the pattern an address is announced again and again, each pause up to a quarter shorter."""
    schedule = announcer(refresh_interval=60.0)
    schedule.start(VIP, 0.0)

    refreshes = times(run(schedule, 600.0))[6:]

    pauses = [later - earlier for earlier, later in pairwise(refreshes)]
    assert 9 <= len(pauses) <= 13
    assert all(45.0 <= pause <= 60.0 for pause in pauses)
    assert len(set(pauses)) > 1


def test_a_stopped_address_is_not_announced_again() -> None:
    """What waits is forgotten at once."""
    schedule = announcer()
    schedule.start(VIP, 0.0)
    schedule.take_due(0.0)

    schedule.stop(VIP)

    assert run(schedule, 100.0) == []


def test_an_address_that_comes_back_starts_over() -> None:
    """Nothing of the first life disturbs the pattern of the second."""
    schedule = announcer(refresh_interval=None)
    schedule.start(VIP, 0.0)
    schedule.take_due(0.0)
    schedule.stop(VIP)

    schedule.start(VIP, 0.02)

    assert times(run(schedule, 3.0)) == [0.02, 0.07, 0.17, 1.12, 2.22]


def test_a_restart_begins_the_pattern_anew() -> None:
    """Whoever wins a conflict speaks last, and at once."""
    schedule = announcer(refresh_interval=None)
    schedule.start(VIP, 0.0)
    run(schedule, 0.2)

    schedule.restart(VIP, 0.5)

    assert times(run(schedule, 2.0)) == [0.5, 0.55, 0.65, 1.6]


def test_a_second_restart_waits_its_time_while_the_rounds_go_on() -> None:
    """Two nodes in a quarrel do not flood the LAN, and no round is lost by asking too often."""
    schedule = announcer(refresh_interval=None)
    schedule.start(VIP, 0.0)
    run(schedule, 0.2)
    schedule.restart(VIP, 0.5)
    taken = run(schedule, 0.5)

    for now in (0.51, 0.52, 0.6):
        schedule.restart(VIP, now)

    assert times(taken + run(schedule, 1.7)) == [0.5, 0.55, 0.65, 1.5, 1.55, 1.65]


def test_a_restart_while_the_refresh_is_far_off_is_at_once() -> None:
    """The address need not wait for what is scheduled."""
    schedule = announcer(refresh_interval=60.0)
    schedule.start(VIP, 0.0)
    run(schedule, 5.0)

    schedule.restart(VIP, 6.0)

    assert times(run(schedule, 6.2)) == [6.0, 6.05, 6.15]


def test_a_restart_after_the_pattern_has_ended_is_at_once() -> None:
    """Also where nothing at all is scheduled."""
    schedule = announcer(refresh_interval=None)
    schedule.start(VIP, 0.0)
    run(schedule, 5.0)

    schedule.restart(VIP, 6.0)

    assert times(run(schedule, 6.2)) == [6.0, 6.05, 6.15]


def test_every_first_round_goes_before_any_second_one() -> None:
    """When the rate is exhausted, a neighbor that has heard nothing comes before one that has."""
    addresses = [IPv4Address(f"198.51.100.{host}") for host in range(100)]
    schedule = announcer(frames_per_second=100.0, frames_at_once=20)
    for address in addresses:
        schedule.start(address, 0.0)

    first_hundred = [address for _, address in run(schedule, 2.0)][:100]

    assert sorted(first_hundred) == sorted(map(str, addresses))


def test_the_latest_takeover_goes_first() -> None:
    """Its neighbors are the ones that are being misled right now."""
    schedule = announcer(frames_per_second=100.0, frames_at_once=2)
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        schedule.start(IPv4Address(address), 0.0)

    assert run(schedule, 0.045) == [(0.0, "192.0.2.3"), (0.02, "192.0.2.2"), (0.04, "192.0.2.1")]


@pytest.mark.parametrize("count", [1, 10, 1000])
def test_keeps_to_its_rate(count: int) -> None:
    """In any window no more frames leave than the burst and the rate allow."""
    schedule = announcer(frames_per_second=1000.0, frames_at_once=500)
    for host in range(count):
        schedule.start(IPv4Address("198.18.0.0") + host, 0.0)

    sent = times(run(schedule, 3.0))

    for index, begin in enumerate(sent):
        for end in (begin, begin + 0.5):
            announcements = sum(1 for now in sent[index:] if now <= end)
            assert 2 * announcements <= 500 + 1000.0 * (end - begin) + 1
    assert len(sent) >= count


def test_a_thousand_addresses_are_announced_once_within_the_bound() -> None:
    """500 frames at once and 1000 a second: the last of 1000 addresses is heard of after 1.5 s."""
    schedule = announcer()
    for host in range(1000):
        schedule.start(IPv4Address("198.18.0.0") + host, 0.0)

    taken = run(schedule, 1.51)

    assert len({address for _, address in taken}) == 1000


def test_addresses_that_come_and_go_leave_nothing_behind() -> None:
    """Stale entries are swept, so memory follows the addresses that are announced now."""
    schedule = announcer()
    schedule.start(OTHER_VIP, 0.0)

    for turn in range(10_000):
        schedule.start(VIP, turn * 0.001)
        schedule.take_due(turn * 0.001)
        schedule.stop(VIP)

    assert len(schedule._waiting) + len(schedule._queue) < 100


def test_the_limit_has_no_rounding_trap() -> None:
    """At the time that it names, the next cost fits: a driver that keeps deadlines makes progress."""
    limit = RateLimit(per_second=3.0, at_once=7, cost=2)
    now = 0.1

    for _ in range(1000):
        limit.spend(now)
        now = max(now, limit.allowed_at)

    assert now == pytest.approx(0.1 + (1000 * 2 - 5) / 3.0)
