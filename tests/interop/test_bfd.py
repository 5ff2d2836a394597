"""Our BFD against FRR's bfdd and BIRD: what they believe is read from their own shells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest

from announce.bfd import Diagnostic, SessionConfig, State, Timing
from swimlb.lab import namespaces
from swimlb.lab.frr import Frr
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock
from tests.interop.bfd_lan import NODE, NODE_V6, ROUTER, ROUTER_V6, Lan, bfd_lan
from tests.interop.live_bfd import live_bfd

pytestmark = [pytest.mark.interop, pytest.mark.netns]

CONFIG = SessionConfig(peer_address=IPv4Address(ROUTER), source_address=IPv4Address(NODE))


def timing(interval_ms: int, **changes: Any) -> Timing:
    return Timing(desired_min_tx_us=interval_ms * 1000, required_min_rx_us=interval_ms * 1000, **changes)


def bfdd(
    interval_ms: int = 300, *, peer: str = f"peer {NODE} local-address {ROUTER}", extra: str = ""
) -> str:
    return f"""\
bfd
 {peer}
  receive-interval {interval_ms}
  transmit-interval {interval_ms}
  {extra}
  no shutdown
"""


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Lan]:
    with bfd_lan(tmp_path) as built:
        yield built


def peer_of(frr: Frr, address: str = NODE) -> dict[str, Any]:
    """What bfdd knows of the node."""
    peers: list[dict[str, Any]] = frr.vtysh_json("show bfd peers json")
    return next((peer for peer in peers if peer["peer"] == address), {})


def wait_for_status(frr: Frr, status: str, address: str = NODE, timeout: float = 10.0) -> dict[str, Any]:
    wait_until(
        lambda: peer_of(frr, address).get("status") == status,
        timeout=timeout,
        what=f"bfdd to say {status}",
        seen=lambda: peer_of(frr, address),
    )
    return peer_of(frr, address)


@pytest.mark.parametrize("interval_ms", [300, 50])
def test_a_session_comes_up_and_a_cut_is_found_by_both(lan: Lan, interval_ms: int) -> None:
    frr = lan.frr(bfdd(interval_ms))

    with live_bfd(lan.node, replace(CONFIG, timing=timing(interval_ms))) as live:
        live.wait_until_up()
        peer = wait_for_status(frr, "up")
        live.wait_for("the poll", lambda status: not status.is_polling)
        cut = lan.cut()
        live.wait_for("the end", lambda status: status.downs == 1)
        router = wait_for_status(frr, "down")
        lan.mend()
        live.wait_until_up()

        [(at, down)] = live.downs
        print(f"{interval_ms} ms x 3: found {at - cut:.3f} s after the cut")
        assert down.diagnostic == Diagnostic.CONTROL_DETECTION_TIME_EXPIRED
        assert at - cut < 3 * interval_ms / 1000 + 0.1
        assert peer["remote-detect-multiplier"] == 3
        assert router["diagnostic"] == "control detection time expired"
        assert live.ups == 2


def test_a_clean_stop_is_no_death_to_the_router(lan: Lan) -> None:
    """AdminDown, answered at once; what bfdd keeps is the reason."""
    frr = lan.frr(bfdd(50))

    with live_bfd(lan.node, replace(CONFIG, timing=timing(50))) as live:
        live.wait_until_up()
        wait_for_status(frr, "up")
        took = live.stop()
        router = wait_for_status(frr, "down")

        assert took < 0.1
        assert router["remote-diagnostic"] == "administratively down"
        assert router["diagnostic"] == "neighbor signaled session down"
        assert live.downs == []


def test_the_routers_shutdown_is_no_death_to_us(lan: Lan) -> None:
    frr = lan.frr(bfdd(50))

    with live_bfd(lan.node, replace(CONFIG, timing=timing(50))) as live:
        live.wait_until_up()
        frr.vtysh("configure terminal", "bfd", f"peer {NODE} local-address {ROUTER}", "shutdown")
        live.wait_for("the end", lambda status: status.downs == 1)

        [(_, down)] = live.downs
        assert down.is_administrative


def test_other_intervals_are_agreed_without_a_flap(lan: Lan) -> None:
    """From 50 ms to 300 ms and back, first by us, then by the router."""
    frr = lan.frr(bfdd(50))

    with live_bfd(lan.node, replace(CONFIG, timing=timing(50))) as live:
        live.wait_until_up()
        wait_for_status(frr, "up")
        for interval_ms in (300, 50):
            live.want(replace(CONFIG, timing=timing(interval_ms)))
            wait_until(
                lambda wanted=interval_ms: peer_of(frr)["remote-receive-interval"] == wanted,
                timeout=5,
                what="the router to know",
                seen=lambda: peer_of(frr),
            )
            live.wait_for("the Final", lambda status: not status.is_polling)
        for interval_ms in (300, 50):
            frr.vtysh(
                "configure terminal",
                "bfd",
                f"peer {NODE} local-address {ROUTER}",
                f"receive-interval {interval_ms}",
                f"transmit-interval {interval_ms}",
            )
            live.wait_for(
                "the router's interval",
                lambda status, wanted=interval_ms: status.transmit_interval == pytest.approx(wanted / 1000),
            )

        assert live.downs == []
        assert peer_of(frr)["status"] == "up"
        assert live.status.detection_time == pytest.approx(0.15)


def test_both_roles_meet(lan: Lan) -> None:
    """Passive here with an active router, and the other way round."""
    frr = lan.frr(bfdd(50))
    with live_bfd(lan.node, replace(CONFIG, is_passive=True, timing=timing(50))) as live:
        live.wait_until_up()
        live.stop()
    frr.stop()

    lan.frr(bfdd(50, extra="passive-mode"))
    with live_bfd(lan.node, replace(CONFIG, timing=timing(50))) as live:
        live.wait_until_up()


def test_a_session_over_ipv6(lan: Lan) -> None:
    frr = lan.frr(bfdd(50, peer=f"peer {NODE_V6} local-address {ROUTER_V6}"))
    config = SessionConfig(
        peer_address=IPv6Address(ROUTER_V6), source_address=IPv6Address(NODE_V6), timing=timing(50)
    )

    with live_bfd(lan.node, config) as live:
        live.wait_until_up()
        wait_for_status(frr, "up", NODE_V6)


def test_echo_packets_find_a_router_that_does_not_forward_any_more(lan: Lan) -> None:
    """Control packets slow down to a second; what ends the session is the router's forwarding."""
    router = lan.sandbox.namespace("router")
    for name in ("node", "router"):
        namespaces.set_sysctls(lan.sandbox.namespace(name), {"net/ipv4/ip_forward": "1"})
    frr = lan.frr(bfdd(300, extra="echo-mode"))

    with live_bfd(lan.node, replace(CONFIG, timing=timing(300, echo_interval_us=50_000))) as live:
        live.wait_for("Echo packets", lambda status: status.is_echo_active)
        live.wait_for("slower packets", lambda status: (status.detection_time or 0) >= 3.0)
        wait_for_status(frr, "up")
        sent = live.status.echo_sent
        live.wait_for("more of them", lambda status: status.echo_sent > sent + 20)
        received = live.status.echo_received
        stopped = clock.monotonic()
        namespaces.set_sysctls(router, {"net/ipv4/ip_forward": "0"})
        live.wait_for("the end", lambda status: status.downs == 1)

        [(at, down)] = live.downs
        print(f"echo 50 ms x 3: found {at - stopped:.3f} s after the router's forwarding stopped")
        assert down.diagnostic == Diagnostic.ECHO_FUNCTION_FAILED
        assert at - stopped < 0.3
        assert received > 15


def test_a_multihop_session(lan: Lan) -> None:
    """Port 4784; a packet that has come further than the minimum TTL allows is not believed."""
    frr = lan.frr(bfdd(50, peer=f"peer {NODE} multihop local-address {ROUTER}"))
    config = replace(CONFIG, is_multihop=True, timing=timing(50))

    with live_bfd(lan.node, config) as live:
        live.wait_until_up()
        assert wait_for_status(frr, "up")["multihop"] is True
        assert live.drops == {}


def test_a_router_that_starts_anew_is_met_anew(lan: Lan) -> None:
    frr = lan.frr(bfdd(50))

    with live_bfd(lan.node, replace(CONFIG, timing=timing(50))) as live:
        live.wait_until_up()
        frr.kill()
        live.wait_for("the end", lambda status: status.downs == 1)
        frr.start()
        live.wait_until_up()

        assert live.status.state is State.UP
        assert live.ups == 2
