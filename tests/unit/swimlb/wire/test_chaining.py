"""The way to the node that had an address before."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import pytest

from announce.l2 import Interface
from announce.net.daisy_chain import Hop, gateway_for
from swimlb.speaker.links import Link, name_id
from swimlb.wire.chaining import hop_for

MAC = bytes([2, 0, 0, 0, 0, 7])
THEIRS = Link(name_id("eno1"), MAC, (ip_network("192.0.2.0/24"), ip_network("2001:db8::/64")))


def interface(name: str, index: int, *addresses: str) -> Interface:
    own = tuple(map(ip_interface, addresses))
    mac = bytes([2, 0, 0, 0, 1, index])
    return Interface(name=name, index=index, mac=mac, is_up=True, has_carrier=True, addresses=own)


OURS = [
    interface("eth0", 2, "198.51.100.1/24", "fe80::1/64"),
    interface("eth1", 3, "192.0.2.1/24", "2001:db8::1/64"),
]


@pytest.mark.parametrize(
    ("address", "at", "way"),
    [
        ("192.0.2.200", "192.0.2.7", Hop(ip_address("192.0.2.7"), 3)),
        # Of a pool that is on nobody's network: the way is the same.
        ("203.0.113.1", "198.51.100.7", Hop(ip_address("198.51.100.7"), 2)),
        ("2001:db8::200", "2001:db8::7", Hop(ip_address("2001:db8::7"), 3)),
        ("2001:db8::200", "192.0.2.7", Hop(gateway_for(MAC), 3, MAC)),
        ("2001:db8::200", None, Hop(gateway_for(MAC), 3, MAC)),
        # Behind a router, or not known at all.
        ("192.0.2.200", "203.0.113.7", None),
        ("192.0.2.200", None, None),
        ("192.0.2.200", "2001:db8::7", None),
        # No network that both have.
        ("2001:db8:1::200", "192.0.2.7", None),
    ],
)
def test_goes_over_a_lan_that_both_are_on(address: str, at: str | None, way: Hop | None) -> None:
    assert hop_for(ip_address(address), None if at is None else ip_address(at), [THEIRS], OURS) == way


def test_there_is_none_without_an_interface() -> None:
    assert hop_for(ip_address("192.0.2.200"), ip_address("192.0.2.7"), [THEIRS], []) is None
    assert hop_for(ip_address("2001:db8::200"), None, [], OURS) is None


def test_a_mac_stands_for_itself() -> None:
    assert str(gateway_for(MAC)) == "fe80::5b:200:0:7"
