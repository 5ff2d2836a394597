"""Our BGP against FRR, BIRD, GoBGP and ExaBGP: what a router believes is read from its own shell, and from its kernel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import IPv6Address

import pytest

from announce.bgp import EndKind, EndReason, RoutesChanged, Send, SessionEnded, StopRequested
from announce.bgp.capabilities import Role
from announce.bgp.errors import CeaseError, ErrorCode, OpenError
from announce.bgp.events import RoutesComplete
from announce.bgp.messages import MESSAGE_OCTETS_MAX
from announce.net.tcp_options import SocketOptions
from swimlb.lab.frr import Frr
from swimlb.lab.waiting import pause, wait_until
from swimlb.runtime import clock
from tests.interop.bgp_routers import (
    AGED,
    ANNOUNCED,
    BIG_AS,
    BIG_ASN,
    EQUAL,
    FAR,
    INTERNAL,
    INTERNAL_V6,
    KINDS,
    LIMIT,
    LIMITED,
    NEAR,
    NODE_ASN,
    OTHER_AS,
    PASSWORD,
    PASSWORD_V6,
    PLAIN,
    PLAIN_V6,
    RESTARTING,
    ROUTER_ASN,
    SECRET,
    TO_A_PROVIDER,
    Routed,
    config,
    established,
    routed,
    routes,
)
from tests.interop.live_peer import LivePeer, live_peer

pytestmark = [pytest.mark.interop, pytest.mark.netns]

ONE, TWO, ONE_V6 = "198.51.100.1/32", "198.51.100.64/26", "2001:db8:1::1/128"
NODE_V6 = IPv6Address(PLAIN_V6)


@pytest.fixture(scope="module", params=KINDS)
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    with routed(request.param, tmp_path_factory.mktemp(request.param)) as one:
        yield one


def only(scene: Routed, *names: str, why: str) -> None:
    if scene.name not in names:
        pytest.skip(why)


def test_both_families_arrive_with_their_attributes_and_leave(scene: Routed) -> None:
    attributes = {"communities": ((64496, 7),), "large_communities": ((64496, 1, 2),), "med": 20}

    with live_peer(scene.node, config(PLAIN)) as live:
        live.feed(
            RoutesChanged(routes(ONE, TWO, **attributes) | routes(ONE_V6, next_hop=NODE_V6, **attributes))
        )
        established(live)
        arrived = scene.wait_for_paths(PLAIN, {ONE, TWO})
        arrived_v6 = scene.wait_for_paths(PLAIN, {ONE_V6}, "ipv6")
        live.feed(RoutesChanged(routes(TWO)))
        left = scene.wait_for_paths(PLAIN, {TWO})
        scene.wait_for_paths(PLAIN, set(), "ipv6")
        live.wait_for("the router's own routes", lambda status: status.routes_received >= len(ANNOUNCED))

        for path in (*arrived.values(), *arrived_v6.values()):
            assert (path.as_path, path.origin, path.med) == ((NODE_ASN,), "igp", 20)
            assert path.communities == {(64496, 7)}
            assert path.large_communities == {(64496, 1, 2)}
        assert {path.next_hop for path in arrived.values()} == {PLAIN}
        assert {path.next_hop for path in arrived_v6.values()} == {PLAIN_V6}
        assert (left[TWO].communities, left[TWO].med) == (frozenset(), None)


def test_a_session_over_ipv6_carries_its_own_family(scene: Routed) -> None:
    with live_peer(scene.node, config(PLAIN_V6)) as live:
        live.feed(RoutesChanged(routes(ONE_V6)))
        established(live)
        arrived = scene.wait_for_paths(PLAIN_V6, {ONE_V6}, "ipv6")

        assert arrived[ONE_V6].next_hop == PLAIN_V6
        assert scene.router.neighbour(PLAIN_V6).is_established


def test_a_session_over_ipv6_carries_ipv4_routes_too(scene: Routed) -> None:
    """With an IPv4 address of the interface as their next hop, which is the router ID, too."""
    only(scene, "frr", "bird", why="the others resolve no next hop of another family")

    with live_peer(scene.node, config(PLAIN_V6)) as live:
        live.feed(RoutesChanged(routes(ONE, ONE_V6)))
        established(live)
        arrived = scene.wait_for_paths(PLAIN_V6, {ONE}) | scene.wait_for_paths(PLAIN_V6, {ONE_V6}, "ipv6")
        session = live.status.session

        assert session is not None
        assert arrived[ONE].next_hop == str(session.router_id)
        assert arrived[ONE_V6].next_hop == PLAIN_V6
        assert live.status.waiting_count == 0


@pytest.mark.parametrize("source", [INTERNAL, INTERNAL_V6])
def test_internal_peers_hear_local_pref_and_an_empty_path(scene: Routed, source: str) -> None:
    family, prefix = ("ipv6", ONE_V6) if ":" in source else ("ipv4", ONE)

    with live_peer(scene.node, config(source, local_asn=ROUTER_ASN)) as live:
        live.feed(RoutesChanged(routes(prefix, local_pref=250)))
        established(live)
        arrived = scene.wait_for_paths(source, {prefix}, family)

        assert (arrived[prefix].local_pref, arrived[prefix].as_path) == (250, ())


@pytest.mark.parametrize("source", [PASSWORD, PASSWORD_V6])
def test_a_shared_password_lets_the_session_up(scene: Routed, source: str) -> None:
    with live_peer(scene.node, config(source, password=SECRET)) as live:
        established(live)


@pytest.mark.parametrize("password", ["hunter3", None], ids=["wrong", "none"])
def test_a_password_that_differs_is_reported(scene: Routed, password: str | None) -> None:
    settings = config(PASSWORD, password=password, connect_timeout=1.0)

    with live_peer(scene.node, settings) as live:
        reason = live.wait_for_end(EndKind.CONNECT_FAILED)

        assert "no answer within 1 s" in reason.text
        assert ("password" in reason.text) is (password is not None)


def test_a_password_is_changed_at_the_node_and_then_at_the_router(scene: Routed) -> None:
    """We keep the session until FRR, which ends it when it is told a password, does so; then it comes back by itself.

    FRR's last word is signed with the old password: we learn of the end by silence.
    """
    only(scene, "frr", why="the others read their whole configuration again for that")
    router = scene.router
    assert isinstance(router, Frr)

    def tell_router(password: str) -> None:
        words = f"neighbor {PASSWORD} password {password}"
        router.vtysh("configure terminal", f"router bgp {ROUTER_ASN}", words)

    with live_peer(scene.node, config(PASSWORD, password=SECRET)) as live:
        live.feed(RoutesChanged(routes(ONE)))
        established(live)
        scene.wait_for_paths(PASSWORD, {ONE})
        try:
            live.reconfigure(config(PASSWORD, password="hunter3"))
            pause(1.5)  # Less than the hold time of 3 s.
            lost_before = live.status.sessions_lost
            tell_router("hunter3")
            live.feed(RoutesChanged(routes(ONE, TWO)))
            live.wait_for("the end of the session", lambda status: status.sessions_lost == 1)
            established(live)
            scene.wait_for_paths(PASSWORD, {ONE, TWO})
            ends = [end.reason.kind for end in live.effects(SessionEnded) if end.was_established]
        finally:
            tell_router(SECRET)

    assert lost_before == 0
    assert len(ends) == 1, live.effects(SessionEnded)
    assert ends[0] in (EndKind.HOLD_TIMER_EXPIRED, EndKind.CONNECTION_CLOSED, EndKind.NOTIFICATION_RECEIVED)


def test_a_source_address_that_the_host_lacks_is_named(scene: Routed) -> None:
    with live_peer(scene.node, config("192.0.2.99")) as live:
        reason = live.wait_for_end(EndKind.CONNECT_FAILED)

        assert "source address 192.0.2.99: Cannot assign requested address" in reason.text


def test_a_four_octet_as_arrives(scene: Routed) -> None:
    with live_peer(scene.node, config(BIG_AS, local_asn=BIG_ASN)) as live:
        live.feed(RoutesChanged(routes(ONE)))
        established(live)
        arrived = scene.wait_for_paths(BIG_AS, {ONE})

        assert arrived[ONE].as_path == (BIG_ASN,)


def test_a_router_that_expects_another_as_is_understood(scene: Routed) -> None:
    with live_peer(scene.node, config(OTHER_AS)) as live:
        reason = live.wait_for_end(EndKind.NOTIFICATION_RECEIVED)

        assert reason.notification is not None
        assert (reason.notification.code, reason.notification.subcode) == (
            ErrorCode.OPEN_MESSAGE,
            OpenError.BAD_PEER_AS,
        )
        assert "it expects another AS of us than 64496" in reason.text


def test_a_router_of_another_as_is_told_so(scene: Routed) -> None:
    with live_peer(scene.node, config(PLAIN, peer_asn=64511)) as live:
        reason = live.wait_for_end(EndKind.PROTOCOL_ERROR)

        assert reason.text.endswith("it says it is AS 64497, we expect AS 64511")


def test_a_session_may_cross_another_router(scene: Routed) -> None:
    """BGP from a host that is not on the router's link, which the router has to be told."""
    with live_peer(scene.sandbox.namespace("far"), config(FAR)) as live:
        live.feed(RoutesChanged(routes(ONE)))
        established(live)
        arrived = scene.wait_for_paths(FAR, {ONE})

        assert arrived[ONE].next_hop == FAR


def test_a_session_guarded_by_its_ttl_comes_up(scene: Routed) -> None:
    """GTSM (RFC 5082) at both ends: each takes only what the other has sent with a TTL of 255."""
    with live_peer(scene.node, config(NEAR), SocketOptions(hops_max=1)) as live:
        live.feed(RoutesChanged(routes(ONE)))
        established(live)
        scene.wait_for_paths(NEAR, {ONE})


def test_a_router_that_may_be_further_off_is_not_listened_to(scene: Routed) -> None:
    """Without GTSM at the router, what it sends to a neighbour of another AS may have come from anywhere."""
    only(scene, "frr", "bird", "gobgp", why="ExaBGP sends with a TTL of 255 always")
    ours = config(PLAIN, is_distance_checked=True, connect_timeout=2.0, open_timeout=2.0)
    with live_peer(scene.node, ours, SocketOptions(hops_max=1)) as live:
        reason = _wait_for_end(live, EndKind.CONNECT_FAILED, EndKind.OPEN_TIMEOUT)

        assert reason.text.endswith(" within 2 s; does the router send with a TTL of 255 (GTSM)?")
        assert not scene.router.neighbour(PLAIN).is_established


def test_a_node_that_is_further_off_than_the_router_allows_gets_no_session_that_lasts(scene: Routed) -> None:
    """Its packets arrive with a TTL of 254. FRR says so to its kernel after it has taken the connection, perhaps after OPEN."""
    only(scene, "frr", "bird", "gobgp", why="ExaBGP looks at no TTL of who calls it")
    with live_peer(scene.node, config(AGED, connect_timeout=2.0, open_timeout=2.0)) as live:
        _wait_for_end(live, *EndKind)
        wait_until(
            lambda: not scene.router.neighbour(AGED).is_established, timeout=10, what="the router to drop it"
        )


def _wait_for_end(live: LivePeer, *kinds: EndKind) -> EndReason:
    return wait_until(
        lambda: end if (end := live.status.last_end) is not None and end.kind in kinds else None,
        timeout=15,
        what="the peer to give up",
        seen=lambda: (live.status.state, live.status.last_end),
    )


def test_messages_are_as_long_as_the_router_takes(scene: Routed) -> None:
    """RFC 8654 where both have it: up to 16 KiB of ours. Else RFC 4271's 4096 octets."""
    prefixes = {f"198.{18 + n // 65536}.{n // 256 % 256}.{n % 256}/32" for n in range(5000)}

    with live_peer(scene.node, config(PLAIN)) as live:
        live.feed(RoutesChanged(routes(*prefixes)))
        established(live)
        scene.wait_for_paths(PLAIN, prefixes, timeout=20)
        longest = max(len(effect.data) for effect in live.effects(Send))
        session = live.status.session

    assert session is not None
    assert session.has_extended_messages is scene.kind.has_extended_messages
    assert (longest > MESSAGE_OCTETS_MAX) is scene.kind.has_extended_messages


def test_the_operator_of_the_router_hears_why_a_node_stops(scene: Routed) -> None:
    with live_peer(scene.node, config(PLAIN)) as live:
        live.feed(RoutesChanged(routes(ONE)))
        established(live)
        scene.wait_for_paths(PLAIN, {ONE})
        took = live.stop("node-a is being drained")
        wait_until(
            lambda: not scene.router.neighbour(PLAIN).is_established, timeout=5, what="the router to notice"
        )
        scene.wait_for_paths(PLAIN, set())

        assert took < 1.5
        if scene.kind.tells_reason:
            wait_until(
                lambda: "administrative shutdown" in scene.router.neighbour(PLAIN).last_error.lower(),
                timeout=5,
                what="the reason",
                seen=lambda: scene.router.neighbour(PLAIN),
            )
            assert scene.router.neighbour(PLAIN).communication == "node-a is being drained"


def test_a_planned_stop_lowers_the_preference_first(scene: Routed) -> None:
    """GRACEFUL_SHUTDOWN (RFC 8326) for as long as the router needs to find another way, then the withdrawal."""
    with live_peer(scene.node, config(PLAIN, shutdown_wait=1.5)) as live:
        live.feed(RoutesChanged(routes(ONE, communities=((64496, 7),))))
        established(live)
        before = scene.wait_for_paths(PLAIN, {ONE})[ONE]
        begun = clock.monotonic()
        live.feed(StopRequested("drain"))
        wait_until(
            lambda: (65535, 0) in scene.paths(PLAIN).get(ONE, before).communities,
            timeout=1.4,
            what="GRACEFUL_SHUTDOWN at the router",
            seen=lambda: scene.paths(PLAIN),
        )
        shut = scene.paths(PLAIN)[ONE]
        scene.wait_for_paths(PLAIN, set())

        assert before.communities == {(64496, 7)}
        assert shut.communities == {(64496, 7), (65535, 0)}
        assert clock.monotonic() - begun >= 1.4


def test_thousands_of_prefixes_are_told_again_when_the_router_asks(scene: Routed) -> None:
    prefixes = {f"198.{18 + n // 65536}.{n // 256 % 256}.{n % 256}/32" for n in range(5000)}

    with live_peer(scene.node, config(PLAIN)) as live:
        live.feed(RoutesChanged(routes(*prefixes)))
        established(live)
        scene.wait_for_paths(PLAIN, prefixes, timeout=20)
        updates = live.status.updates_sent
        if scene.kind.asks_again:
            scene.router.refresh(PLAIN)
            live.wait_for("the refresh", lambda status: status.updates_sent > updates)
            pause(0.5)
        still = set(scene.paths(PLAIN))

        assert updates <= 16, "some 800 prefixes fit in a message, and batches end before they are full"
        assert still == prefixes
        assert live.status.sessions_lost == 0


def test_a_router_that_takes_only_so_many_prefixes_is_understood(scene: Routed) -> None:
    only(scene, "frr", "bird", "gobgp", why="ExaBGP has no limit")

    with live_peer(scene.node, config(LIMITED)) as live:
        live.feed(RoutesChanged(routes(*(f"198.51.100.{n}/32" for n in range(LIMIT + 3)))))
        reason = live.wait_for_end(EndKind.NOTIFICATION_RECEIVED, was_established=True)

        assert reason.notification is not None
        assert (reason.notification.code, reason.notification.subcode) == (
            ErrorCode.CEASE,
            CeaseError.MAXIMUM_NUMBER_OF_PREFIXES_REACHED,
        )


def test_a_router_that_sends_too_many_prefixes_is_told_so(scene: Routed) -> None:
    with live_peer(scene.node, config(PLAIN, received_prefixes_max=1)) as live:
        reason = live.wait_for_end(EndKind.PREFIX_LIMIT_REACHED, was_established=True)
        wait_until(
            lambda: not scene.router.neighbour(PLAIN).is_established, timeout=5, what="the router to notice"
        )

        assert reason.notification is not None
        assert reason.notification.subcode == CeaseError.MAXIMUM_NUMBER_OF_PREFIXES_REACHED
        if scene.kind.tells_reason:
            assert "prefixes" in scene.router.neighbour(PLAIN).last_error.lower()


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.PEER])
def test_roles_must_fit(scene: Routed, role: Role) -> None:
    only(scene, "frr", "bird", why="GoBGP 3.10 and ExaBGP 4 have no roles")

    with live_peer(scene.node, config(TO_A_PROVIDER, role=role)) as live:
        if role is Role.CUSTOMER:
            established(live)
            return
        ended = wait_until(
            lambda: live.status.last_end, timeout=10, what="the refusal", seen=lambda: live.status.state
        )
        assert ended.notification is not None
        assert ended.notification.subcode == OpenError.ROLE_MISMATCH


def test_a_restart_leaves_the_routes_standing(scene: Routed) -> None:
    """RFC 4724: the router keeps what it has while the process is away, until the new one has told all again."""
    only(scene, "frr", "bird", "gobgp", why="ExaBGP keeps nothing for anybody")
    seen: list[set[str]] = []

    with live_peer(scene.node, config(RESTARTING, restart_time=30)) as live:
        live.feed(RoutesChanged(routes(ONE, TWO)))
        established(live)
        scene.wait_for_paths(RESTARTING, {ONE, TWO})
        live.feed(StopRequested(is_restart=True))
    for _ in range(10):
        pause(0.1)
        seen.append(set(scene.paths(RESTARTING)))
    with live_peer(scene.node, config(RESTARTING, restart_time=30, is_restarting=True)) as live:
        established(live)
        live.feed(RoutesChanged(routes(ONE)))
        pause(0.5)
        before_the_end = set(scene.paths(RESTARTING))
        live.feed(RoutesComplete())
        scene.wait_for_paths(RESTARTING, {ONE})

    assert seen == [{ONE, TWO}] * 10
    assert before_the_end == {ONE, TWO}, "what is not told again goes with End-of-RIB, not before"


def test_equal_routes_of_five_nodes_become_one_in_the_kernel(scene: Routed) -> None:
    if not scene.kind.has_kernel:
        pytest.skip("it sets no kernel routes")

    with ExitStack() as stack:
        lives = [stack.enter_context(live_peer(scene.node, config(source))) for source in EQUAL]
        for live in lives:
            live.feed(RoutesChanged(routes(ONE)))
        all_five = wait_for_next_hops(scene, ONE, EQUAL)
        lives[2].stop()
        four = wait_for_next_hops(scene, ONE, EQUAL[:2] + EQUAL[3:])

    assert (len(all_five), len(four)) == (5, 4)


def wait_for_next_hops(scene: Routed, prefix: str, expected: tuple[str, ...]) -> tuple[str, ...]:
    return wait_until(
        lambda: found if (found := scene.router.next_hops(prefix)) == expected else None,
        timeout=15,
        what=f"the kernel to have {expected}",
        seen=lambda: scene.router.next_hops(prefix),
    )


def test_a_router_that_hangs_is_given_up_after_the_hold_time(scene: Routed) -> None:
    with live_peer(scene.node, config(PLAIN)) as live:
        established(live)
        begun = clock.monotonic()
        scene.router.pause()
        try:
            live.wait_for_end(EndKind.HOLD_TIMER_EXPIRED, was_established=True)
            took = clock.monotonic() - begun
        finally:
            scene.router.resume()
        established(live)

        assert 1.5 < took < 4.0


def test_the_session_comes_back_when_the_router_does(scene: Routed) -> None:
    with live_peer(scene.node, config(PLAIN)) as live:
        live.feed(RoutesChanged(routes(ONE)))
        established(live)
        scene.wait_for_paths(PLAIN, {ONE})
        scene.router.kill()
        live.wait_for_end(EndKind.CONNECTION_CLOSED, was_established=True)
        scene.router.start()
        established(live)
        scene.wait_for_paths(PLAIN, {ONE})

        assert (live.status.sessions_lost, live.status.sessions_established) == (1, 2)
