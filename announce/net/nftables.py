"""Messages of nf_tables, in bytes: one table with a chain that sends packets of unknown connections to another node.

Pure: the socket is in `daisy_chain`. What the messages build, as nft(8) shows it (in the table `ip6` with IPv6 addresses):

    table ip swimlb {                     # owned by the socket that made it: gone when that is closed
        map former { type ipv4_addr : ipv4_addr; }
        map interfaces { type ipv4_addr : iface_index; }
        set members { type ether_addr; }
        chain prerouting {
            type filter hook prerouting priority mangle; policy accept;
            meta l4proto tcp ct state new tcp flags ! syn ip ttl > 1 ether saddr != @members
                dup to ip daddr map @former device ip daddr map @interfaces counter drop
        }
    }

    linux/netfilter/nf_tables.h, linux/netfilter/nfnetlink.h. Numbers are in network byte order, what a register holds of
    the kernel's own in that of the host.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from announce.net.netlink import NLM_F_ACK, NLM_F_REQUEST, attribute, message

TABLE = "swimlb"
FORMER, INTERFACES, MEMBERS = "former", "interfaces", "members"

_CHAIN = "prerouting"
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_SUBSYSTEM = 10
_NEWTABLE, _NEWCHAIN, _NEWRULE, _NEWSET, _NEWSETELEM, _DELSETELEM = 0, 3, 6, 9, 12, 14
_NLM_F_CREATE, _NLM_F_EXCL, _NLM_F_APPEND = 0x400, 0x200, 0x800
_NLA_F_NESTED = 0x8000
_TABLE_OWNER = 0x2
_SET_MAP = 0x8
_PRE_ROUTING, _MANGLE = 0, -150
_ACCEPT, _DROP = 1, 0
_LINK_LAYER, _NETWORK_LAYER, _TRANSPORT_LAYER = 0, 1, 2
_INPUT_TYPE, _L4PROTO, _CT_STATE = 8, 16, 0
_ETHERNET = 1
"""ARPHRD_ETHER."""
_TCP, _SYN, _STATE_NEW = 6, 0x02, 0x08
_EQUAL, _NOT_EQUAL, _GREATER = 0, 1, 4
_LOOKUP_INVERTED = 1
_VERDICT, _ONE, _TWO, _THREE = 0, 1, 2, 3
"""Registers, of 16 octets each but for the first."""
_INTERFACE_INDEX, _ETHER = 20, 9
"""How nft(8) shows the values of sets; the kernel does not care."""
_HOST_ORDER = bytes((1, 4)) + (1).to_bytes(4, sys.byteorder)
"""The same of a map's values, of which nft(8) otherwise takes numbers for those of the network."""
_MAC_OCTETS, _INDEX_OCTETS = 6, 4


class Family(IntEnum):
    """NFPROTO_IPV4 and NFPROTO_IPV6."""

    IPV4 = 2
    IPV6 = 10

    @property
    def octets(self) -> int:
        """Of an address."""
        return 4 if self is Family.IPV4 else 16


@dataclass(frozen=True, slots=True)
class Operation:
    """One message of a batch."""

    kind: int
    flags: int
    family: Family
    payload: bytes


def batch(operations: Sequence[Operation], sequence: int) -> bytes:
    """All of it is done, or nothing; the last operation, which has this number, is acknowledged."""
    assert operations
    begin = message(_BATCH_BEGIN, NLM_F_REQUEST, sequence, _head(0, _SUBSYSTEM))
    end = message(_BATCH_END, NLM_F_REQUEST, sequence, _head(0, _SUBSYSTEM))
    *others, last = (
        message(
            _SUBSYSTEM << 8 | one.kind,
            NLM_F_REQUEST | one.flags | (NLM_F_ACK if index == len(operations) else 0),
            sequence,
            _head(one.family, 0) + one.payload,
        )
        for index, one in enumerate(operations, start=1)
    )
    return b"".join((begin, *others, last, end))


def build(family: Family) -> list[Operation]:
    """The table with its sets, which are empty, and the chain with its rule. Linux 5.12 or later (tables with an owner)."""
    address_type = 7 if family is Family.IPV4 else 8
    address = (address_type, family.octets)
    return [
        _new(_NEWTABLE, family, _text(1, TABLE), _number(2, _TABLE_OWNER)),
        _new_set(family, 1, FORMER, address, address),
        _new_set(family, 2, INTERFACES, address, (_INTERFACE_INDEX, _INDEX_OCTETS)),
        _new_set(family, 3, MEMBERS, (_ETHER, _MAC_OCTETS)),
        _new(
            _NEWCHAIN,
            family,
            _text(1, TABLE),
            _text(3, _CHAIN),
            _nested(4, _number(1, _PRE_ROUTING), attribute(2, struct.pack(">i", _MANGLE))),
            _number(5, _ACCEPT),
            _text(7, "filter"),
        ),
        Operation(
            _NEWRULE,
            _NLM_F_CREATE | _NLM_F_APPEND,
            family,
            b"".join((_text(1, TABLE), _text(2, _CHAIN), _nested(4, *_rule(family)))),
        ),
    ]


def add_elements(family: Family, name: str, elements: Iterable[tuple[bytes, bytes]]) -> Operation:
    """Keys and what they lead to, which is empty in a set. EEXIST if one leads elsewhere already."""
    return Operation(_NEWSETELEM, _NLM_F_CREATE, family, _elements(name, elements))


def remove_elements(family: Family, name: str, keys: Iterable[bytes]) -> Operation:
    """ENOENT if one is not there."""
    return Operation(_DELSETELEM, 0, family, _elements(name, ((key, b"") for key in keys)))


def interface_index(index: int) -> bytes:
    """As a value of the map of interfaces."""
    return index.to_bytes(_INDEX_OCTETS, sys.byteorder)


def _rule(family: Family) -> Iterable[bytes]:
    hop_limit_offset, destination_offset = (8, 16) if family is Family.IPV4 else (7, 24)
    yield _expression("meta", _number(1, _ONE), _number(2, _L4PROTO))
    yield _compare(_EQUAL, bytes([_TCP]))
    # Of nearly all packets the connection is known: these are done with.
    yield _expression("ct", _number(1, _ONE), _number(2, _CT_STATE))
    yield _mask(_STATE_NEW.to_bytes(4, sys.byteorder))
    yield _compare(_NOT_EQUAL, bytes(4))
    yield _load(_ONE, _TRANSPORT_LAYER, 13, 1)
    yield _mask(bytes([_SYN]))
    yield _compare(_EQUAL, bytes(1))
    yield _load(_ONE, _NETWORK_LAYER, destination_offset, family.octets)
    yield _expression("lookup", _text(1, FORMER), _number(2, _ONE), _number(3, _TWO))
    yield _expression("lookup", _text(1, INTERFACES), _number(2, _ONE), _number(3, _THREE))
    # A copy has one hop less, and the kernel would count on from 255 below none.
    yield _load(_ONE, _NETWORK_LAYER, hop_limit_offset, 1)
    yield _compare(_GREATER, bytes([1]))
    # What another member has sent here goes no further: two that take each other for the former owner would play ball.
    yield _expression("meta", _number(1, _ONE), _number(2, _INPUT_TYPE))
    yield _compare(_EQUAL, _ETHERNET.to_bytes(2, sys.byteorder))
    yield _load(_ONE, _LINK_LAYER, 6, _MAC_OCTETS)
    yield _expression("lookup", _text(1, MEMBERS), _number(2, _ONE), _number(5, _LOOKUP_INVERTED))
    yield _expression("dup", _number(1, _TWO), _number(2, _THREE))
    yield _expression("counter")
    yield _expression("immediate", _number(1, _VERDICT), _nested(2, _nested(2, _number(1, _DROP))))


def _compare(operator: int, value: bytes) -> bytes:
    return _expression("cmp", _number(1, _ONE), _number(2, operator), _nested(3, attribute(1, value)))


def _mask(mask: bytes) -> bytes:
    return _expression(
        "bitwise",
        *(_number(1, _ONE), _number(2, _ONE), _number(3, len(mask))),
        *(_nested(4, attribute(1, mask)), _nested(5, attribute(1, bytes(len(mask))))),
    )


def _load(register: int, base: int, offset: int, octets: int) -> bytes:
    return _expression(
        "payload", _number(1, register), _number(2, base), _number(3, offset), _number(4, octets)
    )


def _expression(name: str, *attributes: bytes) -> bytes:
    return _nested(1, _text(1, name), _nested(2, *attributes))


def _elements(name: str, elements: Iterable[tuple[bytes, bytes]]) -> bytes:
    listed = (
        _nested(1, _nested(1, attribute(1, key)), *([_nested(2, attribute(1, value))] if value else []))
        for key, value in elements
    )
    return b"".join((_text(1, TABLE), _text(2, name), _nested(3, *listed)))


def _new_set(
    family: Family, number: int, name: str, key: tuple[int, int], value: tuple[int, int] | None = None
) -> Operation:
    attributes = [
        *(_text(1, TABLE), _text(2, name), _number(3, 0 if value is None else _SET_MAP)),
        *(_number(4, key[0]), _number(5, key[1])),
    ]
    if value is not None:
        attributes += [_number(6, value[0]), _number(7, value[1])]
        if value[0] == _INTERFACE_INDEX:
            attributes.append(attribute(13, _HOST_ORDER))
    return _new(_NEWSET, family, *attributes, _number(10, number))


def _new(kind: int, family: Family, *attributes: bytes) -> Operation:
    return Operation(kind, _NLM_F_CREATE | _NLM_F_EXCL, family, b"".join(attributes))


def _head(family: int, resource: int) -> bytes:
    """nfgenmsg."""
    return struct.pack(">BBH", family, 0, resource)


def _text(kind: int, text: str) -> bytes:
    return attribute(kind, text.encode() + b"\0")


def _number(kind: int, number: int) -> bytes:
    return attribute(kind, number.to_bytes(4, "big"))


def _nested(kind: int, *attributes: bytes) -> bytes:
    return attribute(kind | _NLA_F_NESTED, b"".join(attributes))
