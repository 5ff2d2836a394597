from __future__ import annotations

from ipaddress import IPv4Address, ip_address

import pytest

from swimlb.config import Mistake, parse_address, parse_pool_entry
from swimlb.config.ranges import RangeIndex
from swimlb.model import AddressRange


def between(first: str, last: str) -> AddressRange:
    return AddressRange(ip_address(first), ip_address(last))


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("192.0.2.0/24", "192.0.2.0", "192.0.2.255"),
        ("192.0.2.77/24", "192.0.2.0", "192.0.2.255"),
        ("192.0.2.1/32", "192.0.2.1", "192.0.2.1"),
        ("192.0.2.10-192.0.2.20", "192.0.2.10", "192.0.2.20"),
        (" 192.0.2.10 -  192.0.2.10 ", "192.0.2.10", "192.0.2.10"),
        ("2001:db8::/127", "2001:db8::", "2001:db8::1"),
        ("2001:DB8::1-2001:db8::ff", "2001:db8::1", "2001:db8::ff"),
        ("::ffff:192.0.2.1-192.0.2.3", "192.0.2.1", "192.0.2.3"),
        ("::ffff:192.0.2.0/124", "192.0.2.0", "192.0.2.15"),
    ],
)
def test_reads_an_entry_of_a_pool(text: str, first: str, last: str) -> None:
    """CIDRs lose their host bits; both ends of a range count."""
    assert parse_pool_entry(text) == between(first, last)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("192.0.2.1", "'192.0.2.1' is neither a CIDR nor a range"),
        ("", "'' is neither a CIDR nor a range"),
        ("192.0.2.0/33", "invalid CIDR '192.0.2.0/33'"),
        ("192.0.2.0/255.255.255.0", "invalid CIDR '192.0.2.0/255.255.255.0'"),
        (" 192.0.2.0/24", "invalid CIDR ' 192.0.2.0/24'"),
        ("fe80::%eth0/64", "invalid CIDR 'fe80::%eth0/64'"),
        ("::ffff:0:0/95", "'::ffff:0:0/95' reaches beyond what IPv4 is mapped to"),
        (
            "192.0.2.9-192.0.2.1",
            "invalid IP range '192.0.2.9-192.0.2.1': start IP 192.0.2.9 is after the end IP 192.0.2.1",
        ),
        ("192.0.2.1-2001:db8::1", "the ends of '192.0.2.1-2001:db8::1' are of different families"),
        ("192.0.2.1-", "'' is not an IP address"),
        ("192.0.2.1-5", "'5' is not an IP address"),
    ],
)
def test_refuses_what_is_no_entry(text: str, message: str) -> None:
    """The message repeats what was written, and every mistake has a way out."""
    with pytest.raises(Mistake) as refused:
        parse_pool_entry(text)

    assert refused.value.message == message
    assert refused.value.hint


def test_says_how_to_write_a_single_address() -> None:
    """A bare address is the most likely slip, so the hint is what to put there."""
    with pytest.raises(Mistake) as refused:
        parse_pool_entry("192.0.2.1")

    assert refused.value.hint == "For a single address write 192.0.2.1/32."


@pytest.mark.parametrize("text", ["192.0.2.01", "192.0.2", "fe80::1%eth0", "node-a", "", "1" * 5000])
def test_refuses_what_is_no_address(text: str) -> None:
    """No leading zeros (they were octal once), and no zones."""
    with pytest.raises(Mistake):
        parse_address(text)


def test_takes_a_mapped_address_for_ipv4() -> None:
    """As Go's parser does, so that both elect the same node."""
    assert parse_address("::ffff:192.0.2.1") == IPv4Address("192.0.2.1")


@pytest.mark.parametrize(
    ("entry", "other"),
    [
        ("192.0.2.0/26", None),
        ("192.0.2.0-192.0.2.64", "a"),
        ("192.0.2.100/32", "a"),
        ("192.0.2.127-192.0.2.129", "a"),
        ("192.0.2.128-192.0.2.191", None),
        ("192.0.2.0/24", "b"),
        ("2001:db8::/64", None),
    ],
)
def test_finds_a_range_that_overlaps(entry: str, other: str | None) -> None:
    """Adjacent is not overlapping, and families never overlap."""
    index = RangeIndex()
    index.add(between("192.0.2.64", "192.0.2.127"), "a")
    index.add(between("192.0.2.192", "192.0.2.200"), "b")

    found = index.overlapping(parse_pool_entry(entry))

    assert (found[1] if found else None) == other
