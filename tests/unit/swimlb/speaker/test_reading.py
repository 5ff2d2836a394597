"""A large table becomes known in turns, and is acted on as a whole."""

from __future__ import annotations

from dataclasses import replace

from swimlb.model import HealthCheck, ProbeKind, Readiness
from swimlb.speaker.core import Config, Speaker
from swimlb.speaker.effects import Announce, JoinRing, PublishMeta, StartPeer, StopPeer, Withdraw
from swimlb.speaker.events import InventoryChanged, LinksChanged, MemberGone
from swimlb.speaker.inventory import key_of
from tests.unit.swimlb.speaker.test_standing import NODES, allocation, finish, is_owned_by, running
from tests.unit.swimlb.speaker.world import ON_LAN, POOL, ROUTER, TO_ROUTERS

MANY = 2000


def test_a_first_table_is_taken_in_in_turns() -> None:
    """The node joins the ring when it knows all of it."""
    speaker = Speaker(Config(node="node-a"))
    records = (POOL, ON_LAN, *map(allocation, range(MANY)))

    first = speaker.step(InventoryChanged(records), 0.0)

    assert first == []
    assert 0 < len(speaker.inventory.allocations) < MANY
    assert speaker.next_deadline() == 0.0
    while speaker.is_busy and len(speaker.inventory.allocations) < MANY:
        first = speaker.advance(0.0)
    assert JoinRing() in [*first, *speaker.advance(0.0)]
    assert len(speaker.inventory.allocations) == MANY


def test_an_address_that_moves_in_a_large_edit_stays() -> None:
    """From a Service that goes at the beginning of the batch to one that comes at its end."""
    speaker = running(MANY)
    mine = next(iter(sorted(speaker.announced)))
    (service,) = speaker.standing.layer2.services_of(mine)
    moved = speaker.inventory.allocations[service]
    heir = replace(moved, service=replace(moved.service, name="heir"))
    others = [replace(allocation(number), pool="other") for number in range(MANY)]
    put = (*(other for other in others if other.service != moved.service), heir)

    effects = speaker.step(InventoryChanged(put, (key_of(moved),)), 10.0)
    turns = 1
    while speaker.is_busy:
        effects += speaker.advance(10.0)
        turns += 1

    assert turns > 2
    assert Withdraw(mine) not in effects
    assert mine in speaker.announced


def test_a_death_is_not_waited_for() -> None:
    """Addresses of a dead owner are taken over while the table is still being taken in."""
    speaker = running(MANY)
    owned = [
        address for address in speaker.standing.layer2.addresses if is_owned_by(speaker, address, NODES[7])
    ]
    labelled = [
        replace(one, service=replace(one.service, labels=(("edited", "yes"),)))
        for one in map(allocation, range(MANY))
    ]
    speaker.step(InventoryChanged(tuple(labelled)), 10.0)

    effects = speaker.step(MemberGone(NODES[7]), 10.0)
    for _ in range(2):
        effects += speaker.advance(10.0)

    assert speaker.inventory.allocations[labelled[-1].service.key] != labelled[-1]
    assert not [address for address in owned if is_owned_by(speaker, address, NODES[7])]
    taken_over = {effect.address for effect in effects if isinstance(effect, Announce)}
    assert taken_over
    assert taken_over <= set(owned)


def test_a_session_outlives_an_edit_that_is_taken_in_by_halves() -> None:
    """Its peer is removed and comes again under another name: it ends when all is known, not before."""
    speaker = running(MANY)
    others = [replace(allocation(number), pool="other") for number in range(MANY)]
    heir = replace(ROUTER, name="heir")

    effects = speaker.step(InventoryChanged((*others, heir), (key_of(ROUTER),)), 10.0)
    assert not [effect for effect in effects if isinstance(effect, StopPeer)]
    while speaker.is_busy:
        effects += speaker.advance(10.0)

    assert [type(effect) for effect in effects if isinstance(effect, StartPeer | StopPeer)].count(
        StopPeer
    ) == 1


def test_says_nothing_of_itself_by_half_a_table() -> None:
    """A Service with a health check comes first, and that it is healthy comes last."""
    speaker = Speaker(Config(node="node-a"))
    check = HealthCheck(kind=ProbeKind.TCP, port=80)
    one = allocation(0)
    checked = replace(one, service=replace(one.service, health_check=check))
    rest = tuple(map(allocation, range(1, MANY)))
    speaker.step(
        InventoryChanged(
            (POOL, ON_LAN, TO_ROUTERS, checked, *rest, Readiness(service=one.service.key, is_ready=True))
        ),
        0.0,
    )

    told = speaker.step(LinksChanged(()), 0.0)
    while speaker.is_busy:
        told += speaker.advance(0.0)

    metas = [effect.meta for effect in told if isinstance(effect, PublishMeta)]
    assert metas
    assert len(set(metas)) == 1


def test_batches_are_taken_in_one_after_the_other() -> None:
    """What the later one says holds."""
    speaker = running(10)
    first = tuple(replace(allocation(number), pool="other") for number in range(MANY))
    speaker.step(InventoryChanged(first), 10.0)

    finish(speaker, InventoryChanged((allocation(3),), (key_of(allocation(4)),)), 10.0)

    known = speaker.inventory.allocations
    assert known[allocation(3).service.key] == allocation(3)
    assert allocation(4).service.key not in known
    assert len(known) == MANY - 1
