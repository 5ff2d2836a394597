"""What is told of a BGP peer."""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address

from announce import bfd, bgp
from announce.bgp.attributes import PathAttributes, Segment, SegmentType
from announce.bgp.messages import Update
from announce.bgp.nlri import Prefixes
from announce.bgp.received import AdjRibIn
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


def test_messages_are_told_by_their_type() -> None:
    status = replace(
        bgp.Peer(CONFIG, random.Random(1)).status(),
        sent={bgp.MessageType.OPEN: 2, bgp.MessageType.KEEPALIVE: 9},
        received={bgp.MessageType.OPEN: 1, bgp.MessageType.NOTIFICATION: 1},
    )

    counters = peer_entry("tor", PeerView(PEER, PEER.peer_address, status))["counters"]

    assert {name: counters[name] for name in counters if "routes" not in name and counters[name]} == {
        "messages_sent": 11,
        "opens_sent": 2,
        "keepalives_sent": 9,
        "messages_received": 2,
        "opens_received": 1,
        "notifications_received": 1,
    }


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


def test_what_the_router_sent_is_told_where_it_is_kept() -> None:
    kept = AdjRibIn(replace(CONFIG, keeps_received=True))
    path = (Segment(SegmentType.AS_SEQUENCE, (64497, 64499)),)
    attributes = PathAttributes(as_path=path, med=5, communities=((64497, 1),))
    kept.take(
        Update(
            attributes=attributes, nlri=Prefixes.of(map(IPv4Network, ("203.0.113.0/24", "198.51.100.0/24")))
        )
    )
    status = bgp.Peer(CONFIG, random.Random(1)).status()

    without = peer_entry("tor", PeerView(PEER, PEER.peer_address, status))
    told = peer_entry("tor", PeerView(PEER, PEER.peer_address, status, received=kept))["received"]

    shared = {"as_path": [64497, 64499], "med": 5, "communities": ["64497:1"]}
    assert without["received"] is None
    assert told == [{"prefix": "198.51.100.0/24", **shared}, {"prefix": "203.0.113.0/24", **shared}]


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    assert endpoint(IPv6Address("2001:db8::1"), 179) == "[2001:db8::1]:179"
