"""The netlink codec against messages that Linux 6.18 sent (little-endian), and against scapy."""

from __future__ import annotations

import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

import pytest
from scapy.arch.linux.rtnetlink import rtmsghdr

from announce.net.netlink import Acknowledgement, NetlinkError
from announce.net.rtnetlink import (
    AddressMessage,
    DumpDone,
    DumpInterrupted,
    LinkFlag,
    LinkMessage,
    NeighbourMessage,
    add_address,
    add_local_route,
    dump_addresses,
    dump_links,
    dump_neighbours,
    parse,
    put_neighbour,
    remove_address,
    remove_local_route,
)

NEW_IPV4 = bytes.fromhex(
    "580000001400000002000000bbe4ede7 022080fe01000000 08000100c0000214 08000200c0000214"
    "0b0003006c6f3a736c620000 05000b005b000000 0800080080000000 14000600ffffffffffffffff0656030006560300"
)
NEW_IPV6 = bytes.fromhex(
    "50000000140000000000000000000000 0a80a20001000000 1400010020010db8000000000000000000000020"
    "1400060000000000ffffffff0656030006560300 08000800a2000000 05000b005b000000"
)
# The kernel's message has 1,496 octets; these are its header and three of its attributes.
NEW_LINK = bytes.fromhex(
    "40000000100000000000000000000000 0000010003000000 0310010001000000 0900030065746830 00000000"
    "08000a0007000000 0a00010002000000 00010000"
)
NEW_IPV4_MESSAGE = AddressMessage(
    is_removal=False, index=1, address=IPv4Interface("192.0.2.20/32"), label="lo:slb", protocol=0x5B
)


def header(octets: int, kind: int, flags: int = 0, sequence: int = 7) -> bytes:
    return struct.pack("=IHHII", octets, kind, flags, sequence, 0)


def test_reads_an_ipv4_address() -> None:
    """With the label and the protocol that mark it as ours."""
    assert parse(NEW_IPV4) == [NEW_IPV4_MESSAGE]


def test_reads_an_ipv6_address() -> None:
    """IPv6 addresses have no label."""
    assert parse(NEW_IPV6) == [
        AddressMessage(
            is_removal=False, index=1, address=IPv6Interface("2001:db8::20/128"), label="", protocol=0x5B
        )
    ]


def test_reads_that_an_address_is_tentative() -> None:
    """From the header, whose octet of flags every kernel fills."""
    tentative = NEW_IPV6[:18] + bytes([NEW_IPV6[18] | 0x40]) + NEW_IPV6[19:]

    (message,) = parse(tentative)

    assert isinstance(message, AddressMessage)
    assert message.is_tentative


def test_reads_a_link() -> None:
    """Flags that are of no interest are left out."""
    assert parse(NEW_LINK) == [
        LinkMessage(
            is_removal=False,
            index=3,
            name="eth0",
            flags=LinkFlag.UP | LinkFlag.BROADCAST | LinkFlag.LOWER_UP,
            mac=bytes.fromhex("020000000001"),
            master=7,
        )
    ]


def test_reads_all_messages_of_a_datagram() -> None:
    """A dump packs many into one, and kinds that nobody asked for may be among them."""
    route = header(20, 24) + bytes(4)
    done = header(20, 3) + bytes(4)

    assert parse(NEW_IPV4 + route + done) == [NEW_IPV4_MESSAGE, DumpDone(7, 0)]


def test_an_interrupted_dump_says_so_at_any_message() -> None:
    """The kernel marks the first one after the change only, be it of a kind that is of no interest."""
    route = header(20, 24, flags=0x10) + bytes(4)
    done = header(20, 3) + bytes(4)

    assert parse(NEW_IPV4 + route + done) == [NEW_IPV4_MESSAGE, DumpInterrupted(7), DumpDone(7, 0)]
    assert parse(header(20, 3, flags=0x10) + bytes(4)) == [DumpInterrupted(7), DumpDone(7, 0)]


def test_reads_a_refusal() -> None:
    """The kernel writes error numbers as negative ones."""
    refusal = header(36, 2) + struct.pack("=i", -17) + bytes(16)

    assert parse(refusal) == [Acknowledgement(sequence=7, errno=17)]


def test_ignores_what_a_bridge_says_about_its_ports() -> None:
    """A bridge's RTM_DELLINK means that a port has left it: the link is still there."""
    left_the_bridge = header(32, 17) + b"\x07" + bytes(15)

    assert parse(left_the_bridge) == []


def test_ignores_events_of_radios() -> None:
    """Wireless drivers send link messages without a MAC, which must not pass for a link that has lost it."""
    attributes = bytes.fromhex("0a000300776c616e3000 0000 08000b0000000000")
    event = header(32 + len(attributes), 16) + struct.pack("=BxHiII", 0, 1, 4, 3, 0) + attributes

    assert parse(event) == []


@pytest.mark.parametrize(
    "damaged",
    [
        NEW_IPV4[:8],
        NEW_IPV4[:-4],
        header(4, 20),
        header(20, 20) + bytes(4),
        header(28, 20) + struct.pack("=BBBBi", 2, 32, 0, 0, 1) + struct.pack("=HH", 200, 1),
        header(28, 20) + struct.pack("=BBBBi", 2, 32, 0, 0, 1) + struct.pack("=HH", 0, 1),
        header(32, 20) + struct.pack("=BBBBi", 2, 33, 0, 0, 1) + struct.pack("=HH", 8, 1) + bytes(4),
        header(16, 2),
    ],
    ids=[
        "header cut off",
        "message cut off",
        "too short for itself",
        "address cut off",
        "long attribute",
        "empty attribute",
        "prefix too long",
        "no errno",
    ],
)
def test_refuses_what_is_damaged(damaged: bytes) -> None:
    """No length is believed before it is checked."""
    with pytest.raises(NetlinkError):
        parse(damaged)


def test_asks_for_an_ipv4_address_as_scapy_reads_it() -> None:
    """A host address in scope "host", with our label and protocol, and only if it is not there yet."""
    request = rtmsghdr(add_address(9, 1, IPv4Address("192.0.2.10"), "lo:slb", 0x5B))

    attributes = {attribute.rta_type: attribute.rta_data for attribute in request.data}
    assert (request.nlmsg_type, int(request.nlmsg_flags), request.nlmsg_seq) == (20, 0x605, 9)
    assert (request.ifa_family, request.ifa_prefixlen, request.ifa_scope, request.ifa_index) == (
        2,
        32,
        254,
        1,
    )
    assert (attributes[1], attributes[2]) == ("192.0.2.10", "192.0.2.10")
    assert (attributes[3], attributes[11]) == (b"lo:slb\0", b"\x5b")


def test_asks_for_an_ipv6_address_that_is_never_a_source() -> None:
    """Deprecated from the start, and without duplicate address detection: nobody else is on `lo`."""
    request = rtmsghdr(add_address(9, 1, IPv6Address("2001:db8::10"), "lo:slb", 0x5B))

    attributes = {attribute.rta_type: attribute.rta_data for attribute in request.data}
    assert (request.ifa_family, request.ifa_prefixlen, request.ifa_index) == (10, 128, 1)
    assert attributes[2] == "2001:db8::10"
    assert attributes[6] == struct.pack("=IIII", 0, 0xFFFFFFFF, 0, 0)
    assert attributes[8] == struct.pack("=I", 0x02)
    assert 3 not in attributes


@pytest.mark.parametrize(
    ("build", "kind", "flags"), [(add_local_route, 24, 0x605), (remove_local_route, 25, 0x5)]
)
def test_a_local_route_is_asked_for_and_removed_by_its_protocol(
    build: Callable[[int, int, IPv6Address, int], bytes], kind: int, flags: int
) -> None:
    request = rtmsghdr(build(9, 1, IPv6Address("2001:db8::10"), 0x5B))

    attributes = {attribute.rta_type: attribute.rta_data for attribute in request.data}
    assert (request.nlmsg_type, int(request.nlmsg_flags), request.nlmsg_seq) == (kind, flags, 9)
    assert (request.rtm_family, request.rtm_dst_len, request.rtm_table) == (10, 128, 255)
    assert (request.rtm_protocol, request.rtm_type) == (0x5B, 2)
    assert attributes == {1: "2001:db8::10", 4: 1}


def test_reads_back_the_neighbour_that_it_asked_for() -> None:
    """The request has the layout of the kernel's report, which `ip -6 neigh` reads in the tests of `daisy_chain`."""
    address, mac = IPv6Address("fe80::5b:200:0:aa"), bytes.fromhex("0200000000aa")

    assert parse(put_neighbour(9, 2, address, mac, 0x5B)) == [
        NeighbourMessage(index=2, address=address, mac=mac, protocol=0x5B)
    ]


def test_of_ipv4_neighbours_it_reads_none() -> None:
    ipv4 = struct.pack("=BxxxiHBB", 2, 1, 2, 0, 0) + bytes.fromhex("08000100c0000201")

    assert parse(header(16 + len(ipv4), 28) + ipv4) == []


def test_removes_an_address_only_under_our_label() -> None:
    """The kernel then leaves the same address of an administrator alone."""
    request = rtmsghdr(remove_address(9, 1, IPv4Address("192.0.2.10"), "lo:slb"))

    attributes = {attribute.rta_type: attribute.rta_data for attribute in request.data}
    assert (request.nlmsg_type, int(request.nlmsg_flags)) == (21, 0x5)
    assert attributes == {1: "192.0.2.10", 2: "192.0.2.10", 3: b"lo:slb\0"}


@pytest.mark.parametrize(
    ("request_", "kind"), [(dump_links(3), 18), (dump_addresses(3), 22), (dump_neighbours(3), 30)]
)
def test_asks_for_a_dump(request_: bytes, kind: int) -> None:
    """NLM_F_REQUEST and NLM_F_DUMP."""
    read = rtmsghdr(request_)

    assert (read.nlmsg_len, read.nlmsg_type, int(read.nlmsg_flags), read.nlmsg_seq) == (
        len(request_),
        kind,
        0x301,
        3,
    )
