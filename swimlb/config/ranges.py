"""Addresses, CIDRs and ranges as operators write them."""

from __future__ import annotations

from bisect import bisect_right
from ipaddress import IPv6Address, ip_address, ip_network

from swimlb.config.report import Mistake
from swimlb.config.schema import shorten
from swimlb.model import AddressRange, IpAddress

_ADDRESS_HINT = "Write an IPv4 address like 192.0.2.1 or an IPv6 address like 2001:db8::1."
_ENTRY_HINT = "Write a CIDR like 192.0.2.0/24 or a range like 192.0.2.10-192.0.2.20."

_ADDRESS = r"[0-9A-Fa-f:.]+"
ADDRESS_PATTERN = f"^({_ADDRESS})?$"
"""Empty text stands for none: some tools write it for what is absent."""
POOL_ENTRY_PATTERN = rf"^({_ADDRESS}/[0-9]+|\s*{_ADDRESS}\s*-\s*{_ADDRESS}\s*)$"


def parse_address(text: str) -> IpAddress:
    """No leading zeros and no zone; an IPv4-mapped IPv6 address is the IPv4 address."""
    try:
        address = ip_address(text)
    except ValueError:
        raise Mistake(f"{shorten(text)!r} is not an IP address", _ADDRESS_HINT) from None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise Mistake(f"{shorten(text)!r} has a zone", "Leave out the part from the % on.")
        return address.ipv4_mapped or address
    return address


def parse_addresses(text: str) -> tuple[IpAddress, ...]:
    """Addresses parted by commas."""
    return tuple(parse_address(part.strip()) for part in text.split(","))


def parse_pool_entry(text: str) -> AddressRange:
    """One entry of a pool: a CIDR, whose host bits are masked off, or `first-last`."""
    if "-" in text:
        return _parse_range(text)
    if "/" not in text:
        raise Mistake(f"{shorten(text)!r} is neither a CIDR nor a range", _single_address_hint(text))
    try:
        if not text.rpartition("/")[2].isdecimal() or "%" in text:
            raise ValueError
        network = ip_network(text, strict=False)
    except ValueError:
        raise Mistake(f"invalid CIDR {shorten(text)!r}", _ENTRY_HINT) from None
    first, last = network.network_address, network.broadcast_address
    if isinstance(first, IPv6Address) and isinstance(last, IPv6Address) and last.ipv4_mapped is not None:
        if first.ipv4_mapped is None:
            raise Mistake(f"{shorten(text)!r} reaches beyond what IPv4 is mapped to", _ENTRY_HINT)
        return AddressRange(first.ipv4_mapped, last.ipv4_mapped)
    return AddressRange(first, last)


def _parse_range(text: str) -> AddressRange:
    start, _, end = text.partition("-")
    first, last = parse_address(start.strip()), parse_address(end.strip())
    if first.version != last.version:
        raise Mistake(f"the ends of {text!r} are of different families", "Give IPv4 and IPv6 an entry each.")
    if int(first) > int(last):
        raise Mistake(
            f"invalid IP range {text!r}: start IP {first} is after the end IP {last}",
            f"Write {last}-{first}.",
        )
    return AddressRange(first, last)


def _single_address_hint(text: str) -> str:
    try:
        address = parse_address(text)
    except Mistake:
        return _ENTRY_HINT
    return f"For a single address write {address}/{address.max_prefixlen}."


def overlap(one: AddressRange, other: AddressRange) -> bool:
    return (
        one.first.version == other.first.version
        and int(one.first) <= int(other.last)
        and int(other.first) <= int(one.last)
    )


class RangeIndex:
    """Ranges that do not overlap, each with the name of who has it."""

    def __init__(self) -> None:
        self._firsts: dict[int, list[int]] = {4: [], 6: []}
        self._ranges: dict[int, list[tuple[AddressRange, str]]] = {4: [], 6: []}

    def add(self, addresses: AddressRange, owner: str) -> None:
        """The range must overlap with none that is in here already."""
        firsts, ranges = self._firsts[addresses.first.version], self._ranges[addresses.first.version]
        index = bisect_right(firsts, int(addresses.first))
        firsts.insert(index, int(addresses.first))
        ranges.insert(index, (addresses, owner))

    def overlapping(self, addresses: AddressRange) -> tuple[AddressRange, str] | None:
        """The last one that shares an address with this range."""
        index = bisect_right(self._firsts[addresses.first.version], int(addresses.last))
        if index == 0:
            return None
        found = self._ranges[addresses.first.version][index - 1]
        return found if overlap(found[0], addresses) else None
