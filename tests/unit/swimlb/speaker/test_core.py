"""The speaker's core: what it does when, in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_network

import pytest

from announce.bgp.routes import Route
from swimlb.model import HealthCheck, Intent, LabelSelector, OnStop, ProbeKind, Readiness
from swimlb.speaker.core import Config, Phase, Speaker
from swimlb.speaker.effects import (
    AddLocalAddress,
    Advertise,
    Announce,
    AnnounceAgain,
    ConflictNoticed,
    Effect,
    HandOver,
    JoinRing,
    LeaveRing,
    OwnerChanged,
    PublishMeta,
    ReconfigurePeer,
    RemoveLocalAddress,
    StartPeer,
    Stopped,
    StopPeer,
    Withdraw,
)
from swimlb.speaker.events import (
    ClaimHeard,
    InventoryChanged,
    MemberGone,
    MemberPresent,
    PeerStopped,
    RingJoined,
    RingLeft,
    StopRequested,
)
from swimlb.speaker.inventory import key_of
from swimlb.speaker.plan import Ownership
from swimlb.speaker.presence import Presence
from tests.unit.swimlb.speaker.world import ON_LAN, POOL, ROUTER, TO_ROUTERS, VIP, allocation

# 192.0.2.10 is node-c's by hash, then node-b's, then node-a's.
HERE = Presence().encode()
LEAVING = Presence(is_leaving=True).encode()
JOINING = Presence(is_joining=True).encode()
CLAIM = ClaimHeard(VIP, "02:00:00:00:00:0c", "eth0")


def running(node: str, *others: str, is_data_path_local: bool = False) -> Speaker:
    """A speaker that has joined a ring of `others` and knows one L2 Service."""
    speaker = Speaker(Config(node=node, is_data_path_local=is_data_path_local))
    speaker.step(InventoryChanged((POOL, ON_LAN, allocation())), 0.0)
    for other in others:
        speaker.step(MemberPresent(other, HERE), 0.0)
    speaker.step(RingJoined(len(others)), 0.0)
    return speaker


def without_owners(effects: Sequence[Effect]) -> list[Effect]:
    return [effect for effect in effects if not isinstance(effect, OwnerChanged)]


def test_joins_the_ring_when_it_knows_what_to_serve() -> None:
    """A member that cannot serve yet would be elected and leave an address dark."""
    speaker = Speaker(Config(node="node-a"))

    effects = speaker.step(InventoryChanged((POOL, ON_LAN, allocation())), 0.0)

    assert without_owners(effects) == [JoinRing()]


def test_announces_nothing_on_the_lan_before_the_ring_has_answered() -> None:
    """Alone it would own everything."""
    speaker = Speaker(Config(node="node-a"))
    speaker.step(InventoryChanged((POOL, ON_LAN, allocation())), 0.0)
    speaker.step(MemberPresent("node-c", HERE), 0.1)

    effects = speaker.step(RingJoined(1), 0.2)

    assert effects == [PublishMeta(HERE), OwnerChanged(VIP, None, "node-c")]
    assert speaker.announced == frozenset()


def test_announces_alone_when_the_ring_does_not_answer_in_time() -> None:
    """A node that is cut off still serves its own segment."""
    speaker = Speaker(Config(node="node-a", join_max=3.0))
    speaker.step(InventoryChanged((POOL, ON_LAN, allocation())), 0.0)

    assert speaker.next_deadline() == 3.0
    assert speaker.advance(3.0) == [
        PublishMeta(HERE),
        Announce(VIP, None),
        OwnerChanged(VIP, None, "node-a"),
    ]


def test_starts_bgp_without_waiting_for_the_ring() -> None:
    """Every node advertises for itself."""
    speaker = Speaker(Config(node="node-a"))

    effects = speaker.step(InventoryChanged((POOL, TO_ROUTERS, ROUTER, allocation())), 0.0)

    assert effects == [
        JoinRing(),
        StartPeer(ROUTER),
        Advertise("router", frozenset({Route(ip_network("192.0.2.10/32"))})),
    ]


def test_takes_over_when_the_owner_dies() -> None:
    """In the same step in which it hears of the death."""
    speaker = running("node-b", "node-a", "node-c")

    effects = speaker.step(MemberGone("node-c"), 1.0)

    assert effects == [Announce(VIP, None), OwnerChanged(VIP, "node-c", "node-b")]


def test_leaves_an_address_alone_that_is_another_successors() -> None:
    """One of the survivors takes it, and only one."""
    speaker = running("node-a", "node-b", "node-c")

    effects = speaker.step(MemberGone("node-c"), 1.0)

    assert effects == [OwnerChanged(VIP, "node-c", "node-b")]


def test_answers_on_until_it_hears_its_successor() -> None:
    """Make before break."""
    speaker = running("node-b", "node-a")

    assert without_owners(speaker.step(MemberPresent("node-c", HERE), 1.0)) == [HandOver(VIP)]
    assert speaker.announced == {VIP}
    assert speaker.step(CLAIM, 1.1) == [Withdraw(VIP)]


def test_lets_go_without_hearing_anything_after_a_second() -> None:
    """The bound of the overlap."""
    speaker = running("node-b", "node-a")
    speaker.step(MemberPresent("node-c", HERE), 1.0)

    assert speaker.next_deadline() == 1.3
    # It reminds a successor that does not know that it lost the address in between.
    assert speaker.advance(1.3) == [Announce(VIP, None), HandOver(VIP)]
    assert speaker.next_deadline() == 2.0
    assert speaker.advance(1.999) == []
    assert speaker.advance(2.0) == [Withdraw(VIP)]


def test_lets_go_at_once_when_it_has_heard_the_better_owner_already() -> None:
    """After a partition ARP is often faster than gossip."""
    speaker = running("node-b", "node-a")
    speaker.step(CLAIM, 1.0)

    effects = speaker.step(MemberPresent("node-c", HERE), 1.2)

    assert without_owners(effects) == [Withdraw(VIP)]


def test_keeps_an_address_whose_successor_died_during_the_handover() -> None:
    """And announces it anew, because the successor may have announced."""
    speaker = running("node-b", "node-a")
    speaker.step(MemberPresent("node-c", HERE), 1.0)

    effects = speaker.step(MemberGone("node-c"), 1.5)

    assert without_owners(effects) == [Announce(VIP, None)]
    assert speaker.advance(5.0) == []
    assert speaker.announced == {VIP}


def test_announces_again_when_a_member_appears_that_was_running_elsewhere() -> None:
    """On the other side of a cut it may have claimed the address, and neighbours may have believed it."""
    speaker = running("node-c", "node-b")

    assert speaker.step(MemberPresent("node-a", HERE), 2.0) == [AnnounceAgain(VIP)]
    assert speaker.step(MemberPresent("node-a", HERE), 3.0) == []


def test_a_member_that_has_just_started_is_no_reason_to_announce_again() -> None:
    """It has announced nothing yet, and is handed nothing before it can answer."""
    speaker = running("node-b", "node-a")

    assert speaker.step(MemberPresent("node-c", JOINING), 1.0) == []
    assert without_owners(speaker.step(MemberPresent("node-c", HERE), 1.3)) == [HandOver(VIP)]


def test_waits_for_no_dead_seed_once_a_member_has_told_of_the_others() -> None:
    """A cluster that starts with one node down is not dark until that node's time is up."""
    speaker = Speaker(Config(node="node-c", join_max=3.0, ring_settle=0.25))
    speaker.step(InventoryChanged((POOL, ON_LAN, allocation())), 0.0)

    assert without_owners(speaker.step(MemberPresent("node-a", HERE), 0.5)) == []
    assert speaker.next_deadline() == 0.75
    assert without_owners(speaker.advance(0.75)) == [PublishMeta(HERE), Announce(VIP, None)]


def test_defends_an_address_that_stays_its_own() -> None:
    """Not at once: gossip may be about to name the other one as the better owner."""
    speaker = running("node-c", "node-a")

    assert speaker.step(CLAIM, 1.0) == []
    assert speaker.step(CLAIM, 1.1) == []
    assert speaker.next_deadline() == 1.5
    assert speaker.advance(1.5) == [ConflictNoticed(VIP, CLAIM.mac, "eth0"), AnnounceAgain(VIP)]


def test_frees_an_address_that_no_service_has_any_more() -> None:
    """There is nobody to wait for."""
    speaker = running("node-c", is_data_path_local=True)

    effects = speaker.step(InventoryChanged((), (key_of(allocation()),)), 1.0)

    assert without_owners(effects) == [RemoveLocalAddress(VIP), Withdraw(VIP)]


def test_puts_service_addresses_on_the_node_before_announcing_them() -> None:
    """Standalone mode: traffic must find its end from the first packet on."""
    speaker = Speaker(Config(node="node-c", is_data_path_local=True))
    first = speaker.step(InventoryChanged((POOL, ON_LAN, allocation())), 0.0)

    assert without_owners(first) == [JoinRing(), AddLocalAddress(VIP)]
    assert without_owners(speaker.step(RingJoined(0), 0.1)) == [PublishMeta(HERE), Announce(VIP, None)]


def test_gives_an_address_up_when_its_health_check_fails_and_takes_it_back() -> None:
    """The others hear of it by gossip; before the first result the node does not offer to serve."""
    checked = allocation(health_check=HealthCheck(kind=ProbeKind.TCP, port=8080))
    speaker = Speaker(Config(node="node-c"))
    unready = Presence.of(unready_services=["default/web"])
    joining = Presence.of(is_joining=True, unready_services=["default/web"])
    ready = Readiness(service="default/web", is_ready=True)

    first = speaker.step(InventoryChanged((POOL, ON_LAN, checked)), 0.0)
    speaker.step(MemberPresent("node-b", HERE), 0.1)
    speaker.step(RingJoined(1), 0.2)
    good = speaker.step(InventoryChanged((ready,)), 1.0)
    bad = speaker.step(InventoryChanged((replace(ready, is_ready=False),)), 2.0)

    assert without_owners(first) == [PublishMeta(joining.encode()), JoinRing()]
    assert without_owners(good) == [PublishMeta(HERE), Announce(VIP, None)]
    assert without_owners(bad) == [PublishMeta(unready.encode()), HandOver(VIP)]
    # Its endpoint is gone, but until the successor answers somebody should.
    assert without_owners(speaker.step(CLAIM, 2.1)) == [Withdraw(VIP)]


def test_restarts_only_the_peer_whose_settings_changed() -> None:
    """The old session ends in good order before the new one starts; Services never touch sessions."""
    speaker = Speaker(Config(node="node-a"))
    second = replace(ROUTER, name="second")
    changed = replace(ROUTER, peer_asn=64500)
    routes = frozenset({Route(ip_network("192.0.2.10/32"))})
    speaker.step(InventoryChanged((POOL, TO_ROUTERS, ROUTER, second, allocation())), 0.0)

    assert speaker.step(InventoryChanged((changed,)), 1.0) == [StopPeer("router")]
    assert speaker.step(PeerStopped("router"), 2.0) == [StartPeer(changed), Advertise("router", routes)]
    assert speaker.step(InventoryChanged((), (key_of(allocation()),)), 3.0) == [
        Advertise("router", removed=routes),
        Advertise("second", removed=routes),
    ]


@pytest.mark.parametrize(
    "change",
    [{"password": "new"}, {"keepalive_time": 3}, {"node_selectors": (LabelSelector(),)}, {"hops_max": 1}],
)
def test_a_session_outlives_what_it_does_not_depend_on(change: dict[str, object]) -> None:
    """The routes stay where they are, too."""
    speaker = Speaker(Config(node="node-a"))
    changed = replace(ROUTER, **change)  # type: ignore[arg-type]
    speaker.step(InventoryChanged((POOL, TO_ROUTERS, ROUTER, allocation())), 0.0)

    assert speaker.step(InventoryChanged((changed,)), 1.0) == [ReconfigurePeer(changed)]


def test_a_stop_waits_longer_for_routers_that_are_given_time() -> None:
    """GRACEFUL_SHUTDOWN is the peer's business; that it may take so long is the speaker's."""
    speaker = running("node-c", "node-b")
    speaker.step(InventoryChanged((TO_ROUTERS, replace(ROUTER, shutdown_wait=10.0))), 0.5)
    speaker.step(StopRequested(), 1.0)

    assert speaker.advance(2.0) == [Withdraw(VIP)]
    assert speaker.advance(13.9) == []
    assert speaker.advance(14.0) == [LeaveRing()]


def test_stops_as_a_planned_move() -> None:
    """Told, taken over, withdrawn, said goodbye, gone: in this order."""
    speaker = running("node-c", "node-a", "node-b", is_data_path_local=True)
    speaker.step(InventoryChanged((TO_ROUTERS, ROUTER)), 0.5)

    assert without_owners(speaker.step(StopRequested(), 1.0)) == [
        PublishMeta(LEAVING),
        HandOver(VIP),
        StopPeer("router"),
    ]
    assert speaker.step(CLAIM, 1.1) == [Withdraw(VIP)]
    assert speaker.step(PeerStopped("router"), 1.4) == [LeaveRing()]
    assert speaker.step(RingLeft(), 1.5) == []
    assert speaker.next_deadline() == 1.6
    assert speaker.advance(1.6) == [RemoveLocalAddress(VIP), Stopped()]
    assert speaker.phase is Phase.STOPPED


@pytest.mark.parametrize(
    ("stop", "on_stop"), [(StopRequested(is_restart=True), OnStop.DRAIN), (StopRequested(), OnStop.RESTART)]
)
def test_a_stop_for_a_restart_leaves_routes_and_addresses_where_they_are(
    stop: StopRequested, on_stop: OnStop
) -> None:
    """Where graceful restart is wanted: another router is left as on any stop. The LAN has a successor."""
    speaker = running("node-c", "node-a", "node-b", is_data_path_local=True)
    keeper = replace(ROUTER, name="keeper", has_graceful_restart=True, on_stop=on_stop)
    speaker.step(InventoryChanged((TO_ROUTERS, ROUTER, keeper)), 0.5)

    assert without_owners(speaker.step(stop, 1.0)) == [
        PublishMeta(LEAVING),
        HandOver(VIP),
        StopPeer("router"),
        StopPeer("keeper", is_restart=True),
    ]
    speaker.step(CLAIM, 1.1)
    speaker.step(PeerStopped("keeper"), 1.1)
    assert speaker.step(PeerStopped("router"), 1.4) == [LeaveRing()]
    speaker.step(RingLeft(), 1.5)
    assert speaker.advance(1.6) == [Stopped()]


def test_stops_in_bounded_time_when_nobody_helps() -> None:
    """No successor, a stuck peer, a silent ring."""
    speaker = running("node-c", "node-b")
    speaker.step(InventoryChanged((TO_ROUTERS, ROUTER)), 0.5)
    speaker.step(StopRequested(), 1.0)

    assert speaker.advance(2.0) == [Withdraw(VIP)]
    assert speaker.advance(4.0) == [LeaveRing()]
    assert speaker.advance(5.0) == [Stopped()]
    assert speaker.next_deadline() is None


def test_orders_nothing_any_more_once_it_has_stopped() -> None:
    """Whatever was still to come: here who said goodbye before is not sent on to any longer."""
    speaker = Speaker(Config(node="node-a", is_chaining=True, goodbye_max=30.0))
    speaker.step(InventoryChanged((POOL, ON_LAN, allocation())), 0.0)
    speaker.step(MemberPresent("node-b", HERE), 0.0)
    speaker.step(MemberGone("node-b", has_failed=False), 0.5)
    speaker.step(StopRequested(), 1.0)
    speaker.step(RingLeft(), 1.1)

    assert speaker.advance(2.0)[-1:] == [Stopped()]
    assert speaker.next_deadline() is None
    assert speaker.advance(31.0) == []


def test_frees_at_once_when_the_last_speaker_stops() -> None:
    """There is no successor to hear."""
    speaker = running("node-c")

    assert without_owners(speaker.step(StopRequested(), 1.0)) == [
        PublishMeta(LEAVING),
        Withdraw(VIP),
        LeaveRing(),
    ]


def test_hears_of_a_leaving_owner_and_takes_over() -> None:
    """The successor's side of the planned move."""
    speaker = running("node-b", "node-a", "node-c")

    effects = speaker.step(MemberPresent("node-c", LEAVING), 1.0)

    assert effects == [Announce(VIP, None), OwnerChanged(VIP, "node-c", "node-b")]


def test_advancing_early_or_twice_is_harmless() -> None:
    """As for every machine."""
    speaker = running("node-b", "node-a")
    speaker.step(MemberPresent("node-c", HERE), 1.0)
    speaker.advance(2.0)

    assert speaker.advance(2.0) == []
    assert speaker.advance(0.5) == []


def test_a_drained_node_hands_over_stays_a_member_and_takes_back() -> None:
    """Make before break, there and back: the successor is waited for, and the ring is never left."""
    speaker = running("node-c", "node-b")
    drained = Intent(drained_by="label:maintenance")

    given_up = speaker.step(InventoryChanged((drained,)), 1.0)
    freed = speaker.step(ClaimHeard(VIP, "02:00:00:00:00:0b", "eth0"), 1.1)
    taken_back = speaker.step(InventoryChanged((), (key_of(drained),)), 9.0)

    assert given_up == [PublishMeta(LEAVING), HandOver(VIP), OwnerChanged(VIP, "node-c", "node-b")]
    assert freed == [Withdraw(VIP)]
    assert speaker.phase is Phase.RUNNING
    assert taken_back == [PublishMeta(HERE), Announce(VIP, None), OwnerChanged(VIP, "node-b", "node-c")]


def test_a_drained_node_ends_its_sessions_and_starts_them_anew() -> None:
    """As on a stop: routers are asked to look for other ways, and then see a clean end."""
    speaker = Speaker(Config(node="node-a"))
    speaker.step(InventoryChanged((POOL, TO_ROUTERS, ROUTER, allocation())), 0.0)
    drained = Intent(drained_by="taint:maintenance")

    ended = speaker.step(InventoryChanged((drained,)), 1.0)
    early = speaker.step(InventoryChanged((), (key_of(drained),)), 1.1)
    started = speaker.step(PeerStopped("router"), 1.2)

    assert [effect for effect in ended if not isinstance(effect, PublishMeta)] == [StopPeer("router")]
    assert [effect for effect in early if not isinstance(effect, PublishMeta)] == []
    assert started == [
        StartPeer(ROUTER),
        Advertise("router", frozenset({Route(ip_network("192.0.2.10/32"))})),
    ]


def test_tells_what_it_announces_and_how() -> None:
    """Of each Service, for people: nothing before it is announced, nor when it is another node's."""
    speaker = Speaker(Config(node="node-a"))
    records = (POOL, replace(ON_LAN, interfaces=("eth1", "eth0")), TO_ROUTERS, ROUTER, allocation())
    speaker.step(InventoryChanged(records), 0.0)
    before = speaker.ownership_of("default/web")
    speaker.step(RingJoined(0), 0.1)
    announced = speaker.ownership_of("default/web")
    told = speaker.take_news().services
    speaker.step(MemberPresent("node-c", HERE), 1.0)

    assert before is None
    assert announced == Ownership("node-a", frozenset({"eth0", "eth1"}))
    assert told == {"default/web"}
    assert speaker.ownership_of("default/web") is None
    assert speaker.take_news().services == {"default/web"}
    assert speaker.standing.bgp.peers_of("default/web") == ("router",)
