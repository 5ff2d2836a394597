"""Netlink messages: any bytes are read or refused."""

from __future__ import annotations

import struct
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from announce.net.netlink import NetlinkError
from announce.net.rtnetlink import AddressMessage, add_address, parse


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(kind: int, payload: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(payload), kind, 0, 1, 0) + payload


ATTRIBUTES = st.lists(st.builds(attribute, st.integers(0, 12), st.binary(max_size=20)), max_size=5).map(
    b"".join
)
MESSAGES = st.builds(
    message,
    st.integers(0, 30),
    st.one_of(
        st.binary(max_size=40),
        st.builds(bytes.__add__, st.binary(min_size=8, max_size=8), ATTRIBUTES),
        st.builds(
            bytes.__add__, st.sampled_from([b"\x02\x20" + bytes(6), b"\x0a\x80" + bytes(6)]), ATTRIBUTES
        ),
        st.builds(bytes.__add__, st.binary(min_size=15, max_size=15).map(b"\0".__add__), ATTRIBUTES),
    ),
)


@given(st.one_of(st.binary(max_size=100), MESSAGES, st.lists(MESSAGES, max_size=3).map(b"".join)))
def test_any_bytes_are_read_or_refused(datagram: bytes) -> None:
    """With the codec's own error and no other."""
    with suppress(NetlinkError):
        parse(datagram)


@given(
    st.builds(IPv4Address, st.integers(0, 2**32 - 1)) | st.builds(IPv6Address, st.integers(0, 2**128 - 1)),
    st.integers(1, 2**31 - 1),
    st.integers(0, 255),
)
def test_reads_back_the_address_that_it_asked_for(
    address: IPv4Address | IPv6Address, index: int, protocol: int
) -> None:
    """The request to add an address has the layout of the kernel's report about it."""
    (read,) = parse(add_address(1, index, address, "lo:slb", protocol))

    assert isinstance(read, AddressMessage)
    assert (read.address.ip, read.index, read.protocol) == (address, index, protocol)
    assert read.label == ("lo:slb" if address.version == 4 else "")
