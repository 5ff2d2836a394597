"""BGP under the watch of BFD, against FRR and BIRD: what counts is the route in the router's kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from announce.bgp import EndKind, Route, RouteAttributes, State
from swimlb.lab.bird import Bird, bird_text
from swimlb.lab.frr import Frr
from swimlb.lab.router import BfdTimers, Neighbour, RouterConfig
from swimlb.lab.waiting import pause, wait_until
from swimlb.model import BfdProfile, BgpPeer
from swimlb.runtime import clock
from swimlb.speaker import effects as fx
from swimlb.wire.peers import PeerView
from tests.interop.bfd_lan import NODE, ROUTER, Lan, bfd_lan
from tests.interop.live_peers import LivePeers, live_peers

pytestmark = [pytest.mark.interop, pytest.mark.netns]

PREFIX = "198.51.100.1/32"
ROUTES = frozenset({Route(IPv4Network(PREFIX), RouteAttributes())})
PEER = BgpPeer(
    name="router",
    my_asn=64496,
    peer_asn=64497,
    peer_address=IPv4Address(ROUTER),
    source_address=IPv4Address(NODE),
)


def profile(interval_ms: int) -> BfdProfile:
    return BfdProfile(name="p", receive_interval_ms=interval_ms, transmit_interval_ms=interval_ms)


def frr(lan: Lan, interval_ms: int, *more: str) -> Frr:
    """With the hold time of 180 s: what is sooner is the work of BFD."""
    bgpd = f"""\
router bgp 64497
 bgp router-id {ROUTER}
 no bgp ebgp-requires-policy
 bgp log-neighbor-changes
 neighbor {NODE} remote-as 64496
 neighbor {NODE} passive
 neighbor {NODE} bfd profile p
"""
    bgpd += "".join(f" neighbor {NODE} {line}\n" for line in more)
    bfdd = f"bfd\n profile p\n  receive-interval {interval_ms}\n  transmit-interval {interval_ms}\n"
    router = Frr(lan.sandbox, "router", bgpd_config=bgpd, bfdd_config=bfdd)
    router.start()
    return router


def bird(lan: Lan, interval_ms: int, *, helps_restart: bool = False, more: str = "") -> Bird:
    neighbour = Neighbour(
        address=NODE,
        asn=64496,
        families=("ipv4",),
        bfd=BfdTimers(interval_ms=interval_ms),
        helps_restart=helps_restart,
    )
    config = RouterConfig(asn=64497, router_id=ROUTER, neighbours=[neighbour], keepalive=60, hold_time=180)
    router = Bird(lan.sandbox, "router", configuration=bird_text(config) + more)
    router.start()
    return router


ROUTERS = {"frr": frr, "bird": bird}


def in_kernel(router: Frr | Bird) -> bool:
    return router.next_hops(PREFIX) == (NODE,)


def wait_until_routed(live: LivePeers, router: Frr | Bird) -> None:
    live.wait_for("BGP and BFD", lambda: live.is_up)
    wait_until(lambda: in_kernel(router), timeout=10, what="the route in the router's kernel")


@pytest.mark.parametrize("interval_ms", [300, 50])
@pytest.mark.parametrize("kind", ROUTERS)
def test_a_cut_takes_the_route_out_of_the_routers_kernel(tmp_path: Path, kind: str, interval_ms: int) -> None:
    with bfd_lan(tmp_path) as lan:
        router = ROUTERS[kind](lan, interval_ms)
        with live_peers(lan.node, replace(PEER, bfd=profile(interval_ms)), ROUTES) as live:
            wait_until_routed(live, router)
            cut = lan.cut()
            wait_until(lambda: not in_kernel(router), timeout=10, what="the route to go", interval=0.002)
            took = clock.monotonic() - cut
            live.wait_for("our side", lambda: live.lost == 1)
            end = live.view.status and live.view.status.last_end
            lan.mend()
            wait_until_routed(live, router)

            print(f"{kind}, {interval_ms} ms x 3: route gone {took:.3f} s after the cut")
            assert took < 3 * interval_ms / 1000 + 0.3
            assert end
            assert end.kind in (EndKind.BFD_DOWN, EndKind.CONNECT_FAILED)


SECOND_PORT = 1179
"""A protocol of BIRD locks its neighbour and port: without a port of its own the second one waits for the first."""
SECOND = f"""
protocol bgp second {{
  local {ROUTER} port {SECOND_PORT} as 64497;
  neighbor {NODE} port {SECOND_PORT} as 64496;
  direct; passive on; bfd on;
  ipv4 {{ import all; export none; }};
}}
"""


def test_two_bgp_sessions_of_one_path_share_bfd(tmp_path: Path) -> None:
    """As on the router, which has one BFD session for them; of ours, one peer leaves its address to the kernel."""
    watched = replace(PEER, bfd=profile(50))
    second = replace(watched, name="second", peer_port=SECOND_PORT, source_address=None)
    with bfd_lan(tmp_path) as lan:
        router = bird(lan, 50, more=SECOND)
        with live_peers(lan.node, watched, ROUTES) as live:
            live.perform(fx.StartPeer(second))
            wait_until_routed(live, router)
            live.wait_for("the second session", lambda: is_established(live.views["second"]))
            pause(1.0)

            first, other = [view.watch for view in live.views.values()]
            assert first is not None
            assert other is not None
            assert first.status == other.status
            assert (live.lost, first.status.ups) == (0, 1)
            assert router.birdc("show bfd sessions").count(NODE) == 1

            lan.cut()
            wait_until(lambda: not in_kernel(router), timeout=10, what="the route to go", interval=0.002)
            live.wait_for("both to end", lambda: not any(map(is_established, live.views.values())))


def is_established(view: PeerView) -> bool:
    return view.status is not None and view.status.state is State.ESTABLISHED


@pytest.mark.parametrize("kind", ROUTERS)
def test_a_stop_is_no_false_alarm(tmp_path: Path, kind: str) -> None:
    """The router reads that it was planned, and its BFD hears AdminDown."""
    with bfd_lan(tmp_path) as lan:
        router = ROUTERS[kind](lan, 50)
        with live_peers(lan.node, replace(PEER, bfd=profile(50)), ROUTES) as live:
            wait_until_routed(live, router)
            took = live.stop()

        assert took < 2.5
        if isinstance(router, Frr):
            # The last reset that it shows is of what came last: BFD's AdminDown, which it does not tell from Down.
            log = (lan.sandbox.home / "bgpd-router.log").read_text()
            assert "6/2 (Cease/Administrative Shutdown)" in log
            assert "6/10" not in log


HELPERS: dict[str, Callable[[Lan], Frr | Bird]] = {
    "frr": lambda lan: frr(lan, 50, "graceful-restart-helper", "bfd check-control-plane-failure"),
    "bird, graceful": lambda lan: bird(lan, 50, helps_restart=True),
}


@pytest.mark.parametrize("kind", HELPERS)
def test_a_restart_is_no_death(tmp_path: Path, kind: str) -> None:
    """RFC 5882 section 4.3: the router's BFD goes down meanwhile, and its kernel keeps the route all the time.

    Both routers have to be told that BFD then says nothing of the path, as `router-config` does: FRR looks at the C bit.
    """
    peer = replace(PEER, bfd=profile(50), has_graceful_restart=True)
    with bfd_lan(tmp_path) as lan:
        router = HELPERS[kind](lan)
        with live_peers(lan.node, peer, ROUTES) as live:
            wait_until_routed(live, router)
            live.stop(is_restart=True)
        seen = [in_kernel(router) for _ in samples(1.5)]
        with live_peers(lan.node, peer, ROUTES) as live:
            live.wait_for("BGP and BFD", lambda: live.is_up)
            seen += [in_kernel(router) for _ in samples(1.0)]

        assert seen == [True] * len(seen)


def samples(seconds: float) -> Iterator[None]:
    for _ in range(round(seconds / 0.05)):
        pause(0.05)
        yield


def test_changes_of_the_profile_leave_bgp_alone(tmp_path: Path) -> None:
    """Other intervals, and another role."""
    with bfd_lan(tmp_path) as lan:
        router = frr(lan, 50)
        with live_peers(lan.node, replace(PEER, bfd=profile(50)), ROUTES) as live:
            wait_until_routed(live, router)
            for changed, detection_time in (
                (profile(200), 0.6),
                (replace(profile(200), is_passive=True), 0.6),
                (profile(50), 0.15),
            ):
                live.perform(fx.ReconfigurePeer(replace(PEER, bfd=changed)))
                live.wait_for("the change", lambda wanted=changed: live.view.settings.bfd == wanted)
                live.wait_for(
                    "the Final",
                    lambda wanted=detection_time: (
                        (watch := live.view.watch) and watch.status.detection_time == pytest.approx(wanted)
                    ),
                )

            assert live.lost == 0
            assert live.view.watch is not None
            assert live.view.watch.status.ups == 1
            assert in_kernel(router)
