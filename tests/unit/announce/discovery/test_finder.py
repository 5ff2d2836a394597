"""The search for the router of a link, in virtual time."""

from __future__ import annotations

import random
from ipaddress import IPv6Address
from itertools import pairwise

from announce.discovery import (
    AdvertisementHeard,
    Effect,
    Opened,
    RouterFinder,
    RouterFound,
    SendAdvertisement,
    SendSolicitation,
    SessionBegan,
    SessionEnded,
    SolicitationHeard,
)
from announce.discovery.finder import ADVERTISE_INTERVAL, SILENCE_MAX

ROUTER, OTHER = IPv6Address("fe80::1%eth0"), IPv6Address("fe80::2%eth0")


def finder() -> RouterFinder:
    return RouterFinder(random.Random(1))


def played(machine: RouterFinder, until: float) -> list[tuple[float, Effect]]:
    """What it does by itself up to some time."""
    done: list[tuple[float, Effect]] = []
    while (deadline := machine.next_deadline()) is not None and deadline <= until:
        done += [(deadline, effect) for effect in machine.advance(deadline)]
    return done


def test_does_nothing_before_the_link_is_open() -> None:
    machine = finder()

    assert machine.next_deadline() is None
    assert machine.step(SolicitationHeard(), 0.0) == []


def test_solicits_and_advertises_at_once() -> None:
    assert finder().step(Opened(), 0.0) == [SendSolicitation(), SendAdvertisement()]


def test_solicits_ever_more_slowly_until_a_router_answers() -> None:
    machine = finder()
    machine.step(Opened(), 0.0)

    asked = [when for when, effect in played(machine, 60.0) if effect == SendSolicitation()]
    found = machine.step(AdvertisementHeard(ROUTER), 60.0)
    later = [effect for _, effect in played(machine, 200.0)]

    gaps = [after - before for before, after in pairwise(asked)]
    assert 8 <= len(asked) <= 12
    assert all(gap <= 8.0 * 1.1 for gap in gaps)
    assert gaps[0] < gaps[1] < gaps[2]
    assert found == [RouterFound(ROUTER)]
    assert set(later) == {SendAdvertisement()}


def test_advertises_every_few_seconds_for_ever() -> None:
    machine = finder()
    machine.step(Opened(), 0.0)
    machine.step(AdvertisementHeard(ROUTER), 0.1)

    times = [when for when, _ in played(machine, 100.0)]

    gaps = [after - before for before, after in pairwise([0.0, *times])]
    assert all(0.75 * ADVERTISE_INTERVAL <= gap <= ADVERTISE_INTERVAL for gap in gaps)


def test_who_solicits_is_answered_but_not_without_end() -> None:
    machine = finder()
    machine.step(Opened(), 0.0)

    soon = [machine.step(SolicitationHeard(), 0.1 + index / 100) for index in range(50)]
    answered = played(machine, 1.5)
    later = machine.step(SolicitationHeard(), 5.0)

    assert soon == [[]] * 50
    assert [when for when, effect in answered if effect == SendAdvertisement()] == [1.0]
    assert later == [SendAdvertisement()]


def test_the_same_router_is_told_once() -> None:
    machine = finder()
    machine.step(Opened(), 0.0)

    told = [machine.step(AdvertisementHeard(ROUTER), float(now)) for now in range(1, 4)]

    assert told == [[RouterFound(ROUTER)], [], []]
    assert machine.router == ROUTER


def test_a_second_router_does_not_displace_the_first() -> None:
    machine = finder()
    machine.step(Opened(), 0.0)
    machine.step(AdvertisementHeard(ROUTER), 1.0)

    assert machine.step(AdvertisementHeard(OTHER), 2.0) == []
    assert machine.router == ROUTER


def test_a_router_that_was_replaced_gives_way() -> None:
    machine = finder()
    machine.step(Opened(), 0.0)
    machine.step(AdvertisementHeard(ROUTER), 1.0)

    assert machine.step(AdvertisementHeard(OTHER), 1.0 + SILENCE_MAX) == [RouterFound(OTHER)]


def test_a_router_with_a_session_gives_way_to_nobody() -> None:
    """It may be silent for ten minutes, and another one, or another node, not; that it lives is seen by BGP."""
    machine = finder()
    machine.step(Opened(), 0.0)
    machine.step(AdvertisementHeard(ROUTER), 1.0)
    machine.step(SessionBegan(), 2.0)

    assert machine.step(AdvertisementHeard(OTHER), 600.0) == []
    machine.step(SessionEnded(), 601.0)
    assert machine.step(AdvertisementHeard(OTHER), 600.0 + SILENCE_MAX) == []
    assert machine.step(AdvertisementHeard(OTHER), 601.0 + SILENCE_MAX) == [RouterFound(OTHER)]


def test_a_link_that_comes_back_is_asked_again() -> None:
    machine = finder()
    machine.step(Opened(), 0.0)
    machine.step(AdvertisementHeard(ROUTER), 1.0)

    assert machine.step(Opened(), 30.0) == [SendSolicitation(), SendAdvertisement()]
    assert machine.router == ROUTER
