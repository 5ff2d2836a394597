"""Our BGP against FRR: what the router believes is read from its own shell and from its kernel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any

import pytest

from announce.bgp import EndKind, PeerConfig, Route, RouteAttributes, RoutesChanged, State
from announce.bgp.errors import OpenError
from swimlb.lab import namespaces
from swimlb.lab.frr import Frr
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import wait_until
from tests.interop.live_peer import LivePeer, live_peer

pytestmark = [pytest.mark.interop, pytest.mark.netns]

NODE, NODE_V6 = "192.0.2.10", "2001:db8::10"
ROUTER, ROUTER_V6 = "192.0.2.1", "2001:db8::1"
NODE_ASN, ROUTER_ASN = 64496, 64497
CONFIG = PeerConfig(
    local_asn=NODE_ASN, peer_asn=ROUTER_ASN, peer_address=IPv4Address(ROUTER), connect_retry=(0.5, 1.0)
)


def bgpd(*, asn: int = ROUTER_ASN, node_asn: int = NODE_ASN, node: str = NODE, extra: str = "") -> str:
    """One neighbour, which must come to us; `extra` are more lines about it."""
    return f"""\
router bgp {asn}
 bgp router-id {ROUTER}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 bgp log-neighbor-changes
 neighbor {node} remote-as {node_asn}
 neighbor {node} passive
 {extra}
 address-family ipv4 unicast
  network 203.0.113.0/24
  neighbor {node} activate
 exit-address-family
 address-family ipv6 unicast
  neighbor {node} activate
 exit-address-family
no bgp network import-check
"""


@dataclass(frozen=True, slots=True)
class Link:
    """A node and a router on one wire."""

    sandbox: Sandbox

    @property
    def node(self) -> str:
        return self.sandbox.namespace("node")

    def router(self, config: str) -> Frr:
        frr = Frr(self.sandbox, "router", bgpd_config=config)
        frr.start()
        return frr


@pytest.fixture
def link(tmp_path: Any) -> Iterator[Link]:
    with Sandbox.create("bgp", base=tmp_path) as sandbox:
        sandbox.add_namespaces("node", "router")
        node, router = sandbox.namespace("node"), sandbox.namespace("router")
        namespaces.ip_batch([f"link add eth0 type veth peer name eth0 netns {router}"], node)
        for namespace, address, address_v6 in ((node, NODE, NODE_V6), (router, ROUTER, ROUTER_V6)):
            namespaces.ip_batch(
                [
                    f"address add {address}/24 dev eth0",
                    f"address add {address_v6}/64 dev eth0 nodad",
                    "link set eth0 up",
                ],
                namespace,
            )
        yield Link(sandbox)


def routes(*prefixes: str, **attributes: Any) -> frozenset[Route]:
    shared = RouteAttributes(**attributes)
    return frozenset(Route(ip_network(prefix), shared) for prefix in prefixes)


def established(live: LivePeer) -> None:
    live.wait_for("the session", lambda status: status.state is State.ESTABLISHED)


def table(frr: Frr, family: str = "ipv4") -> dict[str, dict[str, Any]]:
    """The router's paths learned from the node, by prefix."""
    found = frr.vtysh_json(f"show bgp {family} unicast json").get("routes", {})
    return {prefix: paths[0] for prefix, paths in found.items() if paths[0].get("peerId") in (NODE, NODE_V6)}


def wait_for_table(frr: Frr, prefixes: set[str], family: str = "ipv4") -> dict[str, dict[str, Any]]:
    wait_until(
        lambda: set(table(frr, family)) == prefixes,
        timeout=10,
        what=f"the router to have {prefixes}",
        seen=lambda: table(frr, family),
    )
    return table(frr, family)


def test_routes_arrive_with_their_attributes_and_leave(link: Link) -> None:
    frr = link.router(bgpd())
    three = {"198.51.100.1/32", "198.51.100.2/32", "198.51.100.64/26"}

    with live_peer(link.node, CONFIG) as live:
        live.feed(
            RoutesChanged(
                routes(*three, communities=((64496, 7),), large_communities=((64496, 1, 2),), med=20)
            )
        )
        established(live)
        arrived = wait_for_table(frr, three)
        detail = frr.vtysh_json("show bgp ipv4 unicast 198.51.100.1/32 json")["paths"][0]
        kernel = wait_until(lambda: frr.next_hops("198.51.100.64/26"), timeout=5, what="the kernel's route")
        live.feed(RoutesChanged(routes("198.51.100.2/32")))
        left = wait_for_table(frr, {"198.51.100.2/32"})

        assert {path["origin"] for path in arrived.values()} == {"IGP"}
        assert {path["path"] for path in arrived.values()} == {str(NODE_ASN)}
        assert {path["metric"] for path in arrived.values()} == {20}
        assert detail["community"]["string"] == "64496:7"
        assert detail["largeCommunity"]["string"] == "64496:1:2"
        assert detail["nexthops"][0]["ip"] == NODE
        assert kernel == (NODE,)
        assert "community" not in left["198.51.100.2/32"]
        assert live.status.session is not None
        assert live.status.session.remote_router_id == IPv4Address(ROUTER)
        live.wait_for("the router's own route", lambda status: status.routes_received)


def test_the_router_hears_why_a_node_stops_and_loses_no_time(link: Link) -> None:
    """Withdrawn first, then Cease with the text, which FRR tells its operator.

    In its log: bgpd's answer to `show bgp neighbors` has forgotten the reason at times, because word of the next hop
    that comes from zebra later takes its place.
    """
    frr = link.router(bgpd())

    with live_peer(link.node, CONFIG) as live:
        live.feed(RoutesChanged(routes("198.51.100.1/32")))
        established(live)
        wait_for_table(frr, {"198.51.100.1/32"})
        took = live.stop("node-a is being drained")
        log = link.sandbox.home / "bgpd-router.log"
        heard = (
            f"%NOTIFICATION: received from neighbor {NODE} 6/2 (Cease/Administrative Shutdown)"
            ' "node-a is being drained"'
        )
        wait_until(
            lambda: heard in log.read_text(), timeout=5, what="the router to hear why", seen=log.read_text
        )

        assert table(frr) == {}
        assert took < 1.0
        assert live.status.sessions_lost == 0


def test_the_session_comes_back_when_the_router_does(link: Link) -> None:
    frr = link.router(bgpd())

    with live_peer(link.node, CONFIG) as live:
        live.feed(RoutesChanged(routes("198.51.100.1/32")))
        established(live)
        wait_for_table(frr, {"198.51.100.1/32"})
        frr.kill()
        live.wait_for_end(EndKind.CONNECTION_CLOSED, was_established=True)
        frr.start()
        established(live)
        wait_for_table(frr, {"198.51.100.1/32"})

        assert live.status.sessions_lost == 1
        assert live.status.sessions_established == 2


def test_a_router_that_expects_another_as_is_understood(link: Link) -> None:
    link.router(bgpd(node_asn=64511))

    with live_peer(link.node, CONFIG) as live:
        reason = live.wait_for_end(EndKind.NOTIFICATION_RECEIVED)

        assert reason.notification is not None
        assert reason.notification.subcode == OpenError.BAD_PEER_AS
        assert "it expects another AS of us than 64496" in reason.text


def test_a_router_of_another_as_is_told_so(link: Link) -> None:
    link.router(bgpd())

    with live_peer(link.node, replace(CONFIG, peer_asn=64511)) as live:
        reason = live.wait_for_end(EndKind.PROTOCOL_ERROR)

        assert reason.text == "the peer broke the protocol: it says it is AS 64497, we expect AS 64511"
        # FRR shows it nowhere, as the connection was never more than a candidate; but it logs it.
        log = link.sandbox.home / "bgpd-router.log"
        wait_until(
            lambda: "2/2 (OPEN Message Error/Bad Peer AS)" in log.read_text(),
            timeout=5,
            what="the router to hear why",
            seen=log.read_text,
        )


def test_a_four_octet_as_arrives(link: Link) -> None:
    frr = link.router(bgpd(node_asn=4200000001))

    with live_peer(link.node, replace(CONFIG, local_asn=4200000001)) as live:
        live.feed(RoutesChanged(routes("198.51.100.1/32")))
        established(live)
        arrived = wait_for_table(frr, {"198.51.100.1/32"})

        assert arrived["198.51.100.1/32"]["path"] == "4200000001"


def test_internal_peers_hear_local_pref(link: Link) -> None:
    frr = link.router(bgpd(asn=NODE_ASN))

    with live_peer(link.node, replace(CONFIG, peer_asn=NODE_ASN)) as live:
        live.feed(RoutesChanged(routes("198.51.100.1/32", local_pref=250) | routes("198.51.100.2/32")))
        established(live)
        arrived = wait_for_table(frr, {"198.51.100.1/32", "198.51.100.2/32"})

        assert {prefix: path["locPrf"] for prefix, path in arrived.items()} == {
            "198.51.100.1/32": 250,
            "198.51.100.2/32": 100,
        }
        assert {path["path"] for path in arrived.values()} == {""}


def test_ipv6_routes_travel_over_an_ipv4_session(link: Link) -> None:
    """With a next hop that is given, as the session has none of that family."""
    frr = link.router(bgpd())

    with live_peer(link.node, CONFIG) as live:
        live.feed(RoutesChanged(routes("2001:db8:1::/64", next_hop=IPv6Address(NODE_V6))))
        established(live)
        arrived = wait_for_table(frr, {"2001:db8:1::/64"}, "ipv6")

        assert [hop["ip"] for hop in arrived["2001:db8:1::/64"]["nexthops"]] == [NODE_V6]


def test_a_session_over_ipv6_carries_routes_of_both_families(link: Link) -> None:
    """With the node's own address of that family as next hop; the IPv4 one of the interface is the router ID, too."""
    frr = link.router(bgpd(node=NODE_V6))
    config = replace(CONFIG, peer_address=IPv6Address(ROUTER_V6))

    with live_peer(link.node, config) as live:
        live.feed(RoutesChanged(routes("2001:db8:1::/64", "198.51.100.1/32")))
        established(live)
        arrived = wait_for_table(frr, {"2001:db8:1::/64"}, "ipv6")
        arrived |= wait_for_table(frr, {"198.51.100.1/32"})
        neighbour = frr.vtysh_json(f"show bgp neighbors {NODE_V6} json")[NODE_V6]

        next_hops = {prefix: path["nexthops"][0]["ip"] for prefix, path in arrived.items()}
        assert next_hops == {"2001:db8:1::/64": NODE_V6, "198.51.100.1/32": NODE}
        assert neighbour["remoteRouterId"] == NODE
        assert live.status.waiting_count == 0


def test_route_refresh_and_thousands_of_prefixes(link: Link) -> None:
    """Packed into few messages, and told again when the router clears its table."""
    frr = link.router(bgpd())
    prefixes = {
        f"198.{18 + number // 65536}.{number // 256 % 256}.{number % 256}/32" for number in range(5000)
    }

    with live_peer(link.node, CONFIG) as live:
        live.feed(RoutesChanged(routes(*prefixes)))
        established(live)
        wait_for_table(frr, prefixes)
        updates = live.status.updates_sent
        frr.vtysh(f"clear bgp ipv4 unicast {NODE} soft in")
        live.wait_for("the refresh", lambda status: status.updates_sent > updates)

        assert updates <= 10, "some 800 prefixes fit in a message, and two families have an End-of-RIB"
        assert set(table(frr)) == prefixes


def test_a_shared_password_lets_the_session_up(link: Link) -> None:
    frr = link.router(bgpd(extra=f"neighbor {NODE} password hunter2"))

    with live_peer(link.node, replace(CONFIG, password="hunter2")) as live:
        live.feed(RoutesChanged(routes("198.51.100.1/32")))
        established(live)
        wait_for_table(frr, {"198.51.100.1/32"})


def test_a_wrong_password_is_reported_as_the_likely_cause(link: Link) -> None:
    link.router(bgpd(extra=f"neighbor {NODE} password hunter2"))

    with live_peer(link.node, replace(CONFIG, password="hunter3", connect_timeout=1.0)) as live:
        reason = live.wait_for_end(EndKind.CONNECT_FAILED)

        assert reason.text.endswith("no answer within 1 s; is the password the same on both sides?")


def test_a_source_address_that_the_host_lacks_is_named(link: Link) -> None:
    with live_peer(link.node, replace(CONFIG, source_address=IPv4Address("192.0.2.99"))) as live:
        reason = live.wait_for_end(EndKind.CONNECT_FAILED)

        assert "source address 192.0.2.99: Cannot assign requested address" in reason.text
