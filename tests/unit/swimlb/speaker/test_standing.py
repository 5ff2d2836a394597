"""What events cost, counted in groups that are elected and hashes that are computed: as much as they touch, not all."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address

import pytest

from swimlb.model import Allocation, Endpoints, IpAddress, L2Advertisement, Node, Service
from swimlb.speaker.core import Config, Speaker
from swimlb.speaker.effects import Advertise, Announce, HandOver, JoinRing, Withdraw
from swimlb.speaker.events import (
    Event,
    InventoryChanged,
    MemberGone,
    MemberPresent,
    RingJoined,
    StopRequested,
)
from swimlb.speaker.presence import Presence
from tests.unit.swimlb.speaker.world import ON_LAN, POOL, ROUTER, TO_ROUTERS

FIRST = int(ip_address("10.0.0.1"))
HERE = Presence().encode()
NODES = [f"node-{number:02}" for number in range(20)]
SIZES = (100, 1000)


def allocation(number: int, address: int | None = None) -> Allocation:
    service = Service(namespace="default", name=f"service-{number:05}")
    at = FIRST + (number if address is None else address)
    return Allocation(service=service, addresses=(ip_address(at),), pool="pool")


def finish(speaker: Speaker, event: Event, now: float) -> int:
    """Play an event to its end; how many turns it took."""
    speaker.step(event, now)
    turns = 1
    while speaker.is_busy:
        speaker.advance(now)
        turns += 1
    return turns


def running(services: int, changes_per_turn: int = 100) -> Speaker:
    speaker = Speaker(Config(node=NODES[0], changes_per_turn=changes_per_turn))
    everything = (POOL, ON_LAN, TO_ROUTERS, ROUTER, *map(allocation, range(services)))
    finish(speaker, InventoryChanged(everything), 0.0)
    for name in NODES[1:]:
        finish(speaker, MemberPresent(name, HERE), 0.0)
    finish(speaker, RingJoined(len(NODES) - 1), 0.0)
    return speaker


def owned(speaker: Speaker) -> Counter[str | None]:
    layer2 = speaker.standing.layer2
    found = (layer2.ownership(address) for address in layer2.addresses)
    return Counter(one.owner for one in found if one is not None)


def work(speaker: Speaker, event: Event) -> tuple[int, int]:
    """Groups elected and hashes computed for an event."""
    layer2 = speaker.standing.layer2
    before = layer2.groups_elected, layer2.ranks_computed
    finish(speaker, event, 10.0)
    return layer2.groups_elected - before[0], layer2.ranks_computed - before[1]


@pytest.mark.parametrize("services", SIZES)
def test_a_death_costs_what_the_dead_owned(services: int) -> None:
    """The others have lost one that waited, and nobody looks."""
    speaker = running(services)
    moving = owned(speaker)[NODES[7]]

    assert work(speaker, MemberGone(NODES[7])) == (moving, moving * (len(NODES) - 1))
    assert owned(speaker)[NODES[7]] == 0


def test_a_change_of_a_service_costs_the_same_among_many() -> None:
    """Its new group and the one it left, of which nothing is left to elect."""
    few, many = (
        work(running(services), InventoryChanged((allocation(5, services + 9),))) for services in SIZES
    )

    assert few == many == (2, len(NODES))


def test_a_change_of_endpoints_touches_their_service_alone() -> None:
    """One group of a thousand."""
    endpoints = Endpoints(service="default/service-00005", nodes=frozenset(NODES[:3]))

    assert work(running(1000), InventoryChanged((endpoints,))) == (1, len(NODES))


@pytest.mark.parametrize("services", SIZES)
def test_a_member_that_comes_costs_one_hash_per_address(services: int) -> None:
    """It is compared with the owners. Of the groups that it wins none is elected anew, for it is known who won."""
    speaker = running(services)
    finish(speaker, MemberGone(NODES[7]), 5.0)

    elected, ranks = work(speaker, MemberPresent(NODES[7], HERE))

    won = owned(speaker)[NODES[7]]
    assert won > 0
    # Where its hash comes first, both are weighed by all rules.
    assert (elected, ranks) == (0, services + 2 * won)


def test_what_was_known_costs_nothing() -> None:
    """*watch* sends the whole table again when it has been started anew."""
    everything = (POOL, ON_LAN, TO_ROUTERS, ROUTER, *map(allocation, range(100)))

    assert work(running(100), InventoryChanged(everything)) == (0, 0)


def test_a_change_of_labels_that_nothing_selects_costs_nothing() -> None:
    """Nodes' labels change with every heartbeat of some controllers."""
    speaker = running(100)
    node = Node(name=NODES[3], labels=(("heartbeat", "1"), ("kubernetes.io/hostname", NODES[3])))

    assert work(speaker, InventoryChanged((node,))) == (0, 0)


def test_what_touches_everything_is_done_in_turns() -> None:
    """Each of them bounded, the next one due at once."""
    speaker = running(1000)
    edited = L2Advertisement(name=ON_LAN.name, interfaces=("eth0",))
    layer2 = speaker.standing.layer2
    before = layer2.ranks_computed

    speaker.step(InventoryChanged((edited,)), 10.0)

    assert layer2.ranks_computed - before < Config(node="node").work_per_turn + len(NODES)
    assert speaker.next_deadline() == 10.0
    assert finish(speaker, InventoryChanged(()), 10.0) > 10


def test_the_addresses_of_a_dead_owner_come_before_all_that_waits() -> None:
    """A death in the midst of a large edit is not waited for."""
    speaker = running(1000)
    layer2 = speaker.standing.layer2
    moving = [address for address in layer2.addresses if is_owned_by(speaker, address, NODES[7])]
    speaker.step(InventoryChanged((L2Advertisement(name=ON_LAN.name, interfaces=("eth0",)),)), 10.0)

    speaker.step(MemberGone(NODES[7]), 10.0)
    speaker.advance(10.0)

    assert speaker.is_busy
    assert not [address for address in moving if is_owned_by(speaker, address, NODES[7])]


def is_owned_by(speaker: Speaker, address: IpAddress, node: str) -> bool:
    ownership = speaker.standing.layer2.ownership(address)
    return ownership is not None and ownership.owner == node


def test_a_first_inventory_in_turns_ends_like_one_in_one() -> None:
    """The session with the router starts when its routes are whole."""
    records = (POOL, ON_LAN, TO_ROUTERS, ROUTER, *map(allocation, range(50)))
    slow, fast = (Speaker(Config(node="node-a", work_per_turn=work)) for work in (1, 1_000_000))

    first = slow.step(InventoryChanged(records), 0.0)
    while slow.is_busy:
        first += slow.advance(0.0)
    at_once = fast.step(InventoryChanged(records), 0.0)

    assert [one for one in first if isinstance(one, Advertise | JoinRing)] == [
        one for one in at_once if isinstance(one, Advertise | JoinRing)
    ]
    slow.step(RingJoined(0), 1.0)
    announced = len(slow.announced)
    while slow.is_busy:
        slow.advance(1.0)
    assert announced < len(slow.announced) == 50
    assert sum(isinstance(one, Announce) for one in fast.step(RingJoined(0), 1.0)) == 50


def test_many_handovers_end_in_turns() -> None:
    """A planned move of thousands: neither the nudges nor, in the end, the withdrawals stall the process."""
    speaker = running(1000, changes_per_turn=10)
    leaving = len(speaker.announced)
    finish(speaker, StopRequested(), 10.0)

    for kind, due in ((HandOver, 10.3), (Withdraw, 11.0)):
        turns: list[int] = []
        while (deadline := speaker.next_deadline()) is not None and deadline <= due:
            turns.append(sum(isinstance(effect, kind) for effect in speaker.advance(due)))
        assert sum(turns) == leaving
        assert max(turns) == 10
    assert not speaker.announced


def test_nodes_that_are_gone_are_forgotten() -> None:
    """Where nodes come and go for months, each has a name of its own."""
    speaker = running(100)

    for number in range(20, 30):
        finish(speaker, MemberPresent(f"node-{number}", HERE), 10.0)
        assert owned(speaker)[f"node-{number}"]
        finish(speaker, MemberGone(f"node-{number}"), 10.0)

    assert speaker.standing.layer2._owned.keys() == {*NODES}
