"""Objects that say what a node announces: what is written, when, and by whom."""

from __future__ import annotations

import random

from swimlb.reporting.statuses import (
    Announced,
    Config,
    Create,
    Delete,
    Effect,
    ObjectsSeen,
    Refused,
    SetContent,
    Statuses,
    StatusObject,
    TellAssigned,
    Written,
)
from swimlb.runtime.outbox import Pace

WEB = "default/web"
CONFIG = Config()
SETTLED = CONFIG.settle


def statuses(*, is_exclusive: bool = True, pace: Pace | None = None) -> Statuses:
    return Statuses("node-a", "pod-a", random.Random(1), is_exclusive=is_exclusive, pace=pace)


def status(
    name: str, node: str = "node-a", owner: str | None = None, content: tuple[str, ...] | None = ()
) -> StatusObject:
    return StatusObject(name=name, service=WEB, node=node, owner=owner or f"pod-{node[-1]}", content=content)


def synced(
    *objects: StatusObject, is_exclusive: bool = True, announced: tuple[str, ...] | None = None
) -> Statuses:
    """Both sides are known, and there is nothing to do."""
    known = statuses(is_exclusive=is_exclusive)
    known.step(Announced({WEB: announced}), 0.0)
    assert known.step(ObjectsSeen(objects), 0.0) == []
    return known


def test_three_writes_tell_of_a_new_owner() -> None:
    """Its object, what stands in it, and the end of that of the owner before."""
    known = synced(status("l2-old", "node-b"))

    assert known.step(Announced({WEB: ("eth0",)}), 1.0) == []
    assert known.next_deadline() == 1.0 + SETTLED
    assert known.advance(1.0 + SETTLED) == [TellAssigned(WEB), Create(WEB)]
    made = status("l2-new", content=None)
    assert known.step(Written(WEB, made), 1.4) == [SetContent(WEB, "l2-new", ("eth0",))]
    assert known.step(Written(WEB), 1.5) == []
    assert known.advance(1.5 + CONFIG.patience) == [Delete(WEB, "l2-old")]
    assert known.step(Written(WEB), 4.0) == []
    assert known.is_settled


def test_what_the_watch_says_of_ones_own_writes_is_no_news() -> None:
    """Before or after the answer to the write."""
    known = synced()
    known.step(Announced({WEB: ()}), 1.0)
    known.advance(2.0)

    assert known.step(ObjectsSeen((status("l2-new", content=None),)), 2.1) == []
    assert known.step(Written(WEB, status("l2-new", content=None)), 2.2) == [SetContent(WEB, "l2-new", ())]
    assert known.step(ObjectsSeen((status("l2-new"),)), 2.3) == []
    assert known.step(Written(WEB), 2.4) == []
    assert known.is_settled


def test_who_stops_announcing_deletes_its_own_object_only() -> None:
    """The next owner's may be there already."""
    known = synced(status("l2-own"), announced=())
    known.step(ObjectsSeen((status("l2-next", "node-b"),)), 0.05)

    known.step(Announced({WEB: None}), 0.1)

    assert known.advance(0.05 + CONFIG.patience) == [Delete(WEB, "l2-own")]
    assert known.step(Written(WEB), 3.0) == []
    assert known.is_settled


def test_nodes_that_advertise_together_leave_each_others_objects_alone() -> None:
    """But of its own a node keeps one, also after an answer that was lost."""
    known = synced(status("bgp-b", "node-b"), status("bgp-1"), is_exclusive=False, announced=())

    assert known.step(ObjectsSeen((status("bgp-2"),)), 1.0) == [Delete(WEB, "bgp-2")]
    assert known.step(Written(WEB), 1.1) == []


def test_an_object_of_another_pod_is_not_taken_over() -> None:
    """It will go with its Pod, whenever that is."""
    known = synced(status("l2-old", owner="pod-before"))
    known.step(Announced({WEB: ()}), 0.0)

    assert known.advance(1.0) == [TellAssigned(WEB), Create(WEB)]


def test_a_restart_of_this_process_tells_nothing_anew() -> None:
    """The object is there, as it should be: the event was sent when it was made."""
    known = statuses()
    known.step(Announced({WEB: ("eth0",)}), 0.0)

    assert known.step(ObjectsSeen((status("l2-own", content=("eth0",)),)), 0.1) == []
    assert known.is_settled


def test_a_flap_costs_nothing() -> None:
    """An address that goes and comes back within a moment."""
    known = synced(status("l2-own"), announced=())
    known.step(Announced({WEB: None}), 1.0)
    known.step(Announced({WEB: ()}), 1.1)

    assert known.advance(5.0) == []
    assert known.is_settled


def test_an_object_that_vanishes_is_made_again_but_not_in_a_race() -> None:
    """Who deleted it may be another owner: each waits longer every time."""
    known = synced(status("l2-0"), announced=())
    now, waits = 1.0, list[float]()
    for turn in range(8):
        assert known.step(ObjectsSeen(gone=(f"l2-{turn}",)), now) == []
        due = known.next_deadline()
        assert due is not None
        waits.append(due - now)
        now = due
        assert known.advance(now) == [Create(WEB)]
        known.step(Written(WEB, status(f"l2-{turn + 1}", content=None)), now)
        known.step(Written(WEB), now)

    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_nothing_is_deleted_before_it_is_known_what_is_announced() -> None:
    """The API server may answer sooner than *wire*."""
    known = statuses()

    assert known.step(ObjectsSeen((status("l2-own"), status("l2-old", "node-b"))), 0.0) == []
    assert known.step(Announced({}), 1.0) == []
    assert known.advance(1.0 + CONFIG.patience_at_start) == [Delete(WEB, "l2-own")]


def test_a_node_that_starts_again_has_time_to_announce_what_it_did() -> None:
    """It asks on the LAN first: its object is neither deleted nor made anew."""
    known = statuses()
    known.step(ObjectsSeen((status("l2-own"),)), 0.0)
    known.step(Announced({}), 1.0)

    assert known.step(Announced({WEB: ()}), 3.0) == []
    assert known.advance(100.0) == []
    assert known.is_settled


def test_nothing_is_written_before_it_is_known_what_is_there() -> None:
    """Else each start would make everything a second time."""
    known = statuses()

    assert known.step(Announced({WEB: ()}), 0.0) == []
    assert known.advance(100.0) == []
    assert known.next_deadline() is None
    assert known.step(ObjectsSeen(), 100.0) == [TellAssigned(WEB), Create(WEB)]


def test_a_refused_write_is_tried_again_and_told_once() -> None:
    """After the pause that the API server asks of all."""
    known = synced()
    known.step(Announced({WEB: ()}), 0.0)
    known.advance(1.0)

    assert known.step(Refused(WEB, retry_after=5.0), 1.1) == []
    assert known.advance(6.0) == []
    due = known.next_deadline()
    assert due is not None
    assert 6.1 < due <= 1.1 + 1.25 * 5.0
    assert known.advance(due) == [Create(WEB)]


def test_a_failover_of_many_services_is_written_a_few_at_a_time() -> None:
    """Three writes for each of them in the end, and never more at once than the pace says."""
    known = statuses(pace=Pace(in_flight_max=4))
    known.step(ObjectsSeen(), 0.0)
    services = [f"default/web-{number}" for number in range(500)]
    queue: list[Effect] = known.step(Announced(dict.fromkeys(services, ())), 0.0) + known.advance(1.0)
    writes, at_once_max = 0, 0
    while queue:
        at_once_max = max(at_once_max, sum(not isinstance(effect, TellAssigned) for effect in queue))
        match queue.pop(0):
            case Create(service):
                writes += 1
                made = StatusObject(name=service, service=service, node="node-a", owner="pod-a")
                queue += known.step(Written(service, made), 1.0)
            case SetContent(service):
                writes += 1
                queue += known.step(Written(service), 1.0)
            case effect:
                assert isinstance(effect, TellAssigned)

    assert writes == 2 * len(services)
    assert at_once_max == 4
    assert known.is_settled
