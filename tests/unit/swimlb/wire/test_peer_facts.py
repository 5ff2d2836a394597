"""What is told of a BGP peer."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address

from announce import bfd, bgp
from swimlb.model import BgpPeer
from swimlb.wire.bfd import BfdView
from swimlb.wire.peer_facts import endpoint, peer_entry
from swimlb.wire.peer_settings import session_config
from swimlb.wire.peers import PeerView

PEER = BgpPeer(name="tor", my_asn=64496, peer_asn=64497, peer_address=IPv4Address("192.0.2.1"))
CONFIG = session_config(PEER, IPv4Address("192.0.2.1"), "node-a")


def test_a_peer_that_is_searched_for_says_what_it_lacks() -> None:
    unnumbered = BgpPeer(name="leaf", my_asn=64496, peer_asn=64497, interface="eth1")

    entry = peer_entry("leaf", PeerView(unnumbered, None, None, "interface eth1: No such device"))

    assert (entry["address"], entry["state"], entry["since"]) == ("eth1", "idle", None)
    assert entry["last_error"] == "interface eth1: No such device"
    assert (entry["session"], entry["counters"]) == (None, None)


def test_a_peer_without_a_session_has_counters() -> None:
    assert PEER.peer_address is not None
    peer = bgp.Peer(session_config(PEER, PEER.peer_address, "node-a"), random.Random(1))
    peer.step(bgp.Started(), 5.0)

    entry = peer_entry("tor", PeerView(PEER, PEER.peer_address, peer.status()))

    assert (entry["address"], entry["state"], entry["session"]) == ("192.0.2.1:179", "connect", None)
    assert entry["counters"]["sessions_established"] == 0


def test_a_peer_under_the_watch_of_bfd_says_how_that_is() -> None:
    config = bfd.SessionConfig(peer_address=IPv4Address("192.0.2.1"))
    session = bfd.Session(config, 7, random.Random(1))
    session.step(bfd.Started(), 5.0)
    address, status = PEER.peer_address, bgp.Peer(CONFIG, random.Random(1)).status()

    without = peer_entry("tor", PeerView(PEER, address, status))
    watched = peer_entry(
        "tor", PeerView(PEER, address, status, watch=BfdView(config, session.status(), None))
    )

    assert without["bfd"] is None
    assert (watched["bfd"]["state"], watched["bfd"]["transmit_interval"]) == ("down", 1.0)
    assert (watched["bfd"]["packets_sent"], watched["bfd"]["downs"]) == (1, 0)


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    assert endpoint(IPv6Address("2001:db8::1"), 179) == "[2001:db8::1]:179"
