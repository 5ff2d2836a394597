"""Classic BPF that lets a packet socket sleep until a frame speaks of an address of interest.

One program passes ARP for IPv4 over Ethernet whose target or sender is in a set of addresses; another one passes
neighbor solicitations and advertisements whose target or source is. The set is turned into ranges and searched by
halves, twice: jumps in classic BPF only go forward, so nothing can be shared between the two searches. Of an IPv6
address the last 32 bits are compared, which tell the addresses of a LAN apart; what passes by mistake, the core drops.

Besides, both drop what the kernel marks as not meant for this interface, among these frames of VLANs that the
host does not have: their tag is no longer in the frame, and an answer would go to the wrong network. A frame of a VLAN that
the host has comes to the socket of the parent interface, too, as one that was received by the VLAN's interface, by whose
number it can be told.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise, starmap
from typing import NamedTuple, TypeAlias

RANGES_MAX = 400
"""Beyond this, the ranges with the smallest gaps are merged, and the addresses between them pass as well.

Each range costs about eight instructions. 400 stay below the kernel's limit of 4096 with room to spare, and two such
programs (the old one goes only when the new one is in place) fit the socket's memory limit of recent kernels.
"""

INSTRUCTIONS_MAX = 4096
"""BPF_MAXINSNS of linux/bpf_common.h."""

_LOAD_WORD, _LOAD_HALF, _LOAD_OCTET = 0x20, 0x28, 0x30
_JUMP, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_GREATER_EQUAL = 0x05, 0x15, 0x25, 0x35
_RETURN = 0x06

_PACKET_TYPE = 0xFFFFF000 + 4  # SKF_AD_OFF + SKF_AD_PKTTYPE of linux/filter.h
_INTERFACE_INDEX = 0xFFFFF000 + 8  # SKF_AD_OFF + SKF_AD_IFINDEX
_PACKET_MULTICAST = 2  # of linux/if_packet.h; 0 is "to us", 1 broadcast, 3 "to someone else", 4 outgoing
_OFFSET_ETHERTYPE, _OFFSET_TYPES, _OFFSET_LENGTHS, _OFFSET_SENDER, _OFFSET_TARGET = 12, 14, 18, 28, 38
_ARP, _ETHERNET_AND_IPV4, _SIX_AND_FOUR = 0x0806, 0x0001_0800, 0x0604
_OFFSET_NEXT_HEADER, _OFFSET_MESSAGE, _OFFSET_SOURCE_END, _OFFSET_TARGET_END = 20, 54, 34, 74
_IPV6, _ICMPV6, _SOLICITATION, _ADVERTISEMENT = 0x86DD, 58, 135, 136
_WHOLE_FRAME = 0xFFFFFFFF
_JUMP_OCTET_MAX = 255
_WORD_MAX = 0xFFFFFFFF


class Instruction(NamedTuple):
    """`struct sock_filter`."""

    code: int
    jump_true: int
    jump_false: int
    k: int


Program: TypeAlias = list[Instruction]
Range: TypeAlias = tuple[int, int]
"""First and last value, both inclusive."""

_SOCK_FILTER = struct.Struct("=HBBI")
_ACCEPT = Instruction(_RETURN, 0, 0, _WHOLE_FRAME)
_DROP = Instruction(_RETURN, 0, 0, 0)
_MISS = Instruction(_JUMP, 0, 0, 0)
"""Stands for the jump behind the search, until the length of the search is known."""


def build_arp(
    addresses: Iterable[IPv4Address] | None, ranges_max: int = RANGES_MAX, *, index: int | None = None
) -> Program:
    """The program for a set of addresses; None stands for every address. The empty set passes nothing.

    `index` is the number of the interface that has to have received the frame; None: any.
    """
    values = None if addresses is None else map(int, addresses)
    checks = [*_received_by(index), *_arp_checks()]
    return _build(checks, values, (_OFFSET_TARGET, _OFFSET_SENDER), ranges_max)


def build_ndp(
    addresses: Iterable[IPv6Address] | None, ranges_max: int = RANGES_MAX, *, index: int | None = None
) -> Program:
    """The same for neighbor discovery."""
    values = None if addresses is None else (int(address) & _WORD_MAX for address in addresses)
    checks = [*_received_by(index), *_ndp_checks()]
    return _build(checks, values, (_OFFSET_TARGET_END, _OFFSET_SOURCE_END), ranges_max)


def _build(
    checks: Program, wanted: Iterable[int] | None, offsets: tuple[int, int], ranges_max: int
) -> Program:
    if wanted is None:
        return [*checks, _ACCEPT]
    ranges = merge(wanted, ranges_max)
    if not ranges:
        return [_DROP]
    search = _search(ranges)
    searches = [step for offset in offsets for step in (Instruction(_LOAD_WORD, 0, 0, offset), *search)]
    program = [*checks, *searches, _DROP]
    assert len(program) <= INSTRUCTIONS_MAX
    return program


def merge(wanted: Iterable[int], ranges_max: int) -> list[Range]:
    """The values as ascending ranges, with the smallest gaps filled until there are no more than `ranges_max`."""
    values = sorted(set(wanted))
    if not values:
        return []
    gaps = [(after - before, after) for before, after in pairwise(values) if after - before > 1]
    kept = sorted(start for _, start in sorted(gaps, reverse=True)[: ranges_max - 1])
    starts = [values[0], *kept]
    before = dict(zip(values[1:], values, strict=False))
    return list(zip(starts, [*(before[start] for start in kept), values[-1]], strict=True))


def pack(program: Program) -> bytes:
    """The program as an array of `struct sock_filter`."""
    return b"".join(starmap(_SOCK_FILTER.pack, program))


def _arp_checks() -> Program:
    """Accept only what is for this interface and is ARP for IPv4 over Ethernet."""
    return [
        *_for_this_interface(),
        *_require(_LOAD_HALF, _OFFSET_ETHERTYPE, _ARP),
        *_require(_LOAD_WORD, _OFFSET_TYPES, _ETHERNET_AND_IPV4),
        *_require(_LOAD_HALF, _OFFSET_LENGTHS, _SIX_AND_FOUR),
    ]


def _ndp_checks() -> Program:
    """Accept only what is for this interface and is a neighbor solicitation or advertisement.

    Neither has an extension header before it: fragments are forbidden (RFC 6980), and no other is of use.
    """
    return [
        *_for_this_interface(),
        *_require(_LOAD_HALF, _OFFSET_ETHERTYPE, _IPV6),
        *_require(_LOAD_OCTET, _OFFSET_NEXT_HEADER, _ICMPV6),
        Instruction(_LOAD_OCTET, 0, 0, _OFFSET_MESSAGE),
        Instruction(_JUMP_EQUAL, 2, 0, _SOLICITATION),
        Instruction(_JUMP_EQUAL, 1, 0, _ADVERTISEMENT),
        _DROP,
    ]


def _received_by(index: int | None) -> Program:
    return [] if index is None else _require(_LOAD_WORD, _INTERFACE_INDEX, index)


def _for_this_interface() -> Program:
    return [
        Instruction(_LOAD_WORD, 0, 0, _PACKET_TYPE),
        Instruction(_JUMP_GREATER, 0, 1, _PACKET_MULTICAST),
        _DROP,
    ]


def _require(load: int, offset: int, value: int) -> Program:
    return [Instruction(load, 0, 0, offset), Instruction(_JUMP_EQUAL, 1, 0, value), _DROP]


def _search(ranges: list[Range]) -> Program:
    """Accept when the accumulator is in a range; else go on behind the last instruction."""
    # Every value from the first boundary on is inside, from the second on outside, and so forth.
    boundaries = [boundary for first, last in ranges for boundary in (first, last + 1)]
    if boundaries[-1] > _WORD_MAX:
        del boundaries[-1]
    tree = _tree(boundaries, is_inside=False)
    return [
        Instruction(_JUMP, 0, 0, len(tree) - position - 1) if instruction is _MISS else instruction
        for position, instruction in enumerate(tree)
    ]


def _tree(boundaries: list[int], *, is_inside: bool) -> Program:
    """A binary search; `is_inside` says what values below the first boundary are."""
    if not boundaries:
        return [_ACCEPT if is_inside else _MISS]
    middle = len(boundaries) // 2
    below = _tree(boundaries[:middle], is_inside=is_inside)
    above = _tree(boundaries[middle + 1 :], is_inside=is_inside != (middle % 2 == 0))
    if len(below) <= _JUMP_OCTET_MAX:
        return [Instruction(_JUMP_GREATER_EQUAL, len(below), 0, boundaries[middle]), *below, *above]
    far_jump = [
        Instruction(_JUMP_GREATER_EQUAL, 0, 1, boundaries[middle]),
        Instruction(_JUMP, 0, 0, len(below)),
    ]
    return [*far_jump, *below, *above]
