"""What a node tells of its interfaces, and what others conclude from it."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from announce.l2 import Interface
from swimlb.model import IpAddress
from swimlb.speaker.links import (
    Link,
    Reach,
    decode_links,
    encode_links,
    link_of,
    name_id,
    reach,
    tellable,
)

MAC = bytes.fromhex("020000000001")
LAN, LAN6 = ip_network("192.0.2.0/24"), ip_network("2001:db8::/64")
ETH0 = Link(name_id("eth0"), MAC, (LAN, LAN6))
ETH1 = Link(name_id("eth1"), MAC, (ip_network("198.51.100.128/25"),))
VIP, VIP6, FAR = ip_address("192.0.2.10"), ip_address("2001:db8::10"), ip_address("203.0.113.1")

NETWORKS = st.sampled_from(
    [LAN, LAN6, ip_network("0.0.0.0/0"), ip_network("198.51.100.128/25"), ip_network("::/0")]
)
LINKS = st.lists(
    st.builds(
        Link,
        st.binary(min_size=4, max_size=4),
        st.binary(min_size=6, max_size=6),
        st.lists(NETWORKS, max_size=8).map(tuple),
    ),
    max_size=12,
).map(tuple)


def test_tells_the_networks_that_neighbors_can_be_in() -> None:
    """No link-local ones, which every interface has, and none of a single address."""
    interface = Interface(
        name="eth0",
        index=2,
        mac=MAC,
        is_up=True,
        has_carrier=True,
        addresses=tuple(
            map(
                ip_interface,
                ["192.0.2.1/24", "192.0.2.7/32", "2001:db8::1/64", "2001:db8::7/128", "fe80::1/64"],
            )
        ),
    )

    assert link_of(interface) == ETH0


@pytest.mark.parametrize(
    ("addresses", "interfaces", "expected"),
    [
        ([VIP], None, Reach.ON_SUBNET),
        ([VIP, VIP6], None, Reach.ON_SUBNET),
        ([VIP, FAR], None, Reach.OFF_SUBNET),
        ([VIP], frozenset({"eth0"}), Reach.ON_SUBNET),
        ([VIP], frozenset({"eth1"}), Reach.OFF_SUBNET),
        ([VIP], frozenset({"eth7"}), Reach.NONE),
    ],
)
def test_reach_is_that_of_the_allowed_interfaces(
    addresses: list[IpAddress], interfaces: frozenset[str] | None, expected: Reach
) -> None:
    """All addresses of a Service count, and only the interfaces that its advertisement names."""
    assert reach([ETH0, ETH1], addresses, interfaces) is expected


def test_nothing_is_reached_without_a_link() -> None:
    """The cable is out."""
    assert reach([], [VIP], None) is Reach.NONE


@given(LINKS)
def test_reads_what_it_has_written(links: tuple[Link, ...]) -> None:
    """Of any links."""
    assert decode_links(encode_links(links)) == links


@given(LINKS, st.integers(0, 300))
def test_tells_as_many_links_as_fit(links: tuple[Link, ...], octets_max: int) -> None:
    """The first ones, and whether that was all."""
    told, are_complete = tellable(links, octets_max)

    assert len(encode_links(told)) <= octets_max
    assert links[: len(told)] == told
    assert are_complete == (told == links)


@given(st.binary(max_size=100))
def test_reads_or_refuses_any_bytes(octets: bytes) -> None:
    """Another program may write anything into its meta."""
    try:
        links = decode_links(octets)
    except ValueError:
        return
    assert len(encode_links(links)) == len(octets)
