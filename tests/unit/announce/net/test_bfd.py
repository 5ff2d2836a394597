"""The sockets of BFD: where packets leave from."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from announce.bfd import SessionConfig
from announce.net.bfd import local_address

NEAR = SessionConfig(peer_address=IPv4Address("127.0.0.77"))
NEAR_V6 = SessionConfig(peer_address=IPv6Address("fe80::77"), interface="lo")


def test_the_kernel_chooses_the_source_address_where_none_is_named() -> None:
    named = replace(NEAR, source_address=IPv4Address("127.0.0.2"))

    assert local_address(NEAR) == IPv4Address("127.0.0.1")
    assert local_address(named) == IPv4Address("127.0.0.2")


def test_without_a_way_to_the_peer_there_is_no_source_address() -> None:
    assert local_address(replace(NEAR, interface="no-such-device")) is None


def test_a_source_address_has_no_scope() -> None:
    """The kernel tells it so, and the two are compared."""
    scoped = replace(NEAR_V6, source_address=IPv6Address("fe80::1%lo"))

    assert local_address(scoped) == IPv6Address("fe80::1")
