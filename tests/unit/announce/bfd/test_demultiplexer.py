"""Whose packet is it, and may it be believed?"""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from announce.bfd import Arrival, Demultiplexer, PacketError, SessionConfig, State
from announce.bfd.config import IpAddress
from announce.bfd.packet import encode
from tests.unit.announce.bfd.playbook import PEER, packet

OTHER, THIRD = IPv4Address("192.0.2.2"), IPv6Address("2001:db8::3")
NEAR = Arrival(peer_address=PEER, interface="eth0", ttl=255, is_multihop=False)
FAR = replace(NEAR, is_multihop=True, ttl=254)


def first(peer: IpAddress = PEER) -> bytes:
    return encode(packet(State.DOWN, your_discriminator=0))


def table(*configs: SessionConfig) -> tuple[Demultiplexer, list[int]]:
    demultiplexer = Demultiplexer(random.Random(1))
    return demultiplexer, [demultiplexer.add(config) for config in configs]


def test_first_packets_are_known_by_their_sender() -> None:
    demultiplexer, discriminators = table(
        SessionConfig(peer_address=PEER), SessionConfig(peer_address=THIRD), SessionConfig(peer_address=OTHER)
    )

    found = [
        demultiplexer.accept(first(), replace(NEAR, peer_address=address))[0]
        for address in (PEER, THIRD, OTHER)
    ]

    assert found == discriminators
    assert 0 not in discriminators
    assert len(set(discriminators)) == 3


def test_link_local_peers_of_one_address_are_told_apart_by_their_link() -> None:
    """The kernel tells the address without its scope, and the interface beside it."""
    demultiplexer, discriminators = table(
        SessionConfig(peer_address=IPv6Address("fe80::1%eth0"), interface="eth0"),
        SessionConfig(peer_address=IPv6Address("fe80::1%eth1"), interface="eth1"),
    )
    bare = IPv6Address("fe80::1")

    found = [
        demultiplexer.accept(first(), replace(NEAR, peer_address=bare, interface=interface))[0]
        for interface in ("eth0", "eth1")
    ]

    assert found == discriminators


def test_sessions_with_one_peer_are_told_apart_by_our_own_address() -> None:
    """A router that begins anew with one of them is not to end the other; one that takes any has the rest."""
    here, there, elsewhere = (IPv4Address(f"192.0.2.{last}") for last in (10, 11, 12))
    demultiplexer, discriminators = table(
        SessionConfig(peer_address=PEER, source_address=here),
        SessionConfig(peer_address=PEER, source_address=there),
        SessionConfig(peer_address=PEER),
    )

    found = [
        demultiplexer.accept(first(), replace(NEAR, local_address=address))[0]
        for address in (here, there, elsewhere)
    ]

    assert found == discriminators


def test_a_session_that_is_about_to_end_leaves_its_path_to_the_next() -> None:
    config = SessionConfig(peer_address=PEER)
    demultiplexer, [ending, following] = table(config, config)

    assert demultiplexer.accept(first(), NEAR)[0] == following
    demultiplexer.remove(ending)
    assert demultiplexer.accept(first(), NEAR)[0] == following


def test_later_packets_are_known_by_our_discriminator() -> None:
    """Also from another address of the peer (RFC 5880 section 6.3)."""
    demultiplexer, [mine, _] = table(SessionConfig(peer_address=PEER), SessionConfig(peer_address=OTHER))
    said = packet(State.UP, your_discriminator=mine)

    assert demultiplexer.accept(encode(said), replace(NEAR, peer_address=OTHER)) == (mine, said)


def test_single_hop_and_multihop_sessions_with_one_peer_are_two() -> None:
    config = SessionConfig(peer_address=PEER)
    demultiplexer, [near, far] = table(config, replace(config, is_multihop=True))

    assert demultiplexer.accept(first(), NEAR)[0] == near
    assert demultiplexer.accept(first(), FAR)[0] == far
    with pytest.raises(PacketError, match="not by the way of its session"):
        demultiplexer.accept(encode(packet(State.UP, your_discriminator=near)), FAR)


@pytest.mark.parametrize(
    ("config", "arrival", "why"),
    [
        (SessionConfig(peer_address=PEER), replace(NEAR, ttl=254), "TTL 254 instead of 255"),
        (SessionConfig(peer_address=PEER, is_multihop=True), replace(FAR, ttl=253), "TTL 253 below 254"),
        (SessionConfig(peer_address=PEER, interface="eth0"), replace(NEAR, interface="eth1"), "by eth1"),
        (SessionConfig(peer_address=PEER), replace(NEAR, peer_address=OTHER), "no such session"),
        (SessionConfig(peer_address=PEER, device="red"), NEAR, "no such session"),
    ],
)
def test_what_comes_the_wrong_way_is_not_believed(config: SessionConfig, arrival: Arrival, why: str) -> None:
    demultiplexer, _ = table(config)

    with pytest.raises(PacketError, match=why):
        demultiplexer.accept(first(), arrival)


def test_the_multihop_minimum_is_the_sessions_own() -> None:
    demultiplexer, [mine] = table(SessionConfig(peer_address=PEER, is_multihop=True, minimum_ttl=250))

    assert demultiplexer.accept(first(), replace(FAR, ttl=250))[0] == mine


def test_another_minimum_ttl_counts_at_once() -> None:
    config = SessionConfig(peer_address=PEER, is_multihop=True)
    demultiplexer, [mine] = table(config)

    demultiplexer.change(mine, replace(config, minimum_ttl=200))

    assert demultiplexer.accept(first(), replace(FAR, ttl=200))[0] == mine


def test_a_session_that_is_gone_gets_nothing() -> None:
    config = SessionConfig(peer_address=PEER)
    demultiplexer, [mine] = table(config)

    demultiplexer.remove(mine)
    new = demultiplexer.add(config)

    assert demultiplexer.accept(first(), NEAR)[0] == new
    with pytest.raises(PacketError, match="no such session"):
        demultiplexer.accept(encode(packet(State.UP, your_discriminator=mine)), NEAR)
