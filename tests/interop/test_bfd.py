"""Our BFD against FRR's bfdd and BIRD: what they believe is read from their own shells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from announce.bfd import Diagnostic, SessionConfig, Timing
from swimlb.lab import namespaces
from swimlb.lab.frr import Frr
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock
from tests.interop.live_bfd import live_bfd

pytestmark = [pytest.mark.interop, pytest.mark.netns]

NODE, NODE_V6 = "192.0.2.10", "2001:db8::10"
ROUTER, ROUTER_V6 = "192.0.2.1", "2001:db8::1"
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


@dataclass(frozen=True, slots=True)
class Lan:
    """A node and a router on one bridge, so that neither sees the other's link go down."""

    sandbox: Sandbox

    @property
    def node(self) -> str:
        return self.sandbox.namespace("node")

    def frr(self, bfdd_config: str) -> Frr:
        frr = Frr(self.sandbox, "router", bgpd_config="", bfdd_config=bfdd_config)
        frr.start()
        return frr

    def cut(self) -> float:
        """The node's port at the switch goes down. The time of it."""
        namespaces.ip_batch(["link set p-node down"], self.sandbox.namespace("switch"))
        return clock.monotonic()

    def mend(self) -> None:
        namespaces.ip_batch(["link set p-node up"], self.sandbox.namespace("switch"))


@pytest.fixture
def lan(tmp_path: Any) -> Iterator[Lan]:
    with Sandbox.create("bfd", base=tmp_path) as sandbox:
        sandbox.add_namespaces("switch", "node", "router")
        switch = sandbox.namespace("switch")
        namespaces.ip_batch(
            ["link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0", "link set br0 up"],
            switch,
        )
        for name, address, address_v6 in (("node", NODE, NODE_V6), ("router", ROUTER, ROUTER_V6)):
            namespaces.ip_batch(
                [
                    f"link add p-{name} type veth peer name eth0 netns {sandbox.namespace(name)}",
                    f"link set p-{name} master br0 up",
                ],
                switch,
            )
            namespaces.ip_batch(
                [
                    f"address add {address}/24 dev eth0",
                    f"address add {address_v6}/64 dev eth0 nodad",
                    "link set eth0 up",
                ],
                sandbox.namespace(name),
            )
        yield Lan(sandbox)


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
